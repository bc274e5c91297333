//! Messages of a web service that are wanted all at once, instead of one after another as they arrive.

use async_trait::async_trait;
use bytes::Bytes;

use super::Arrivals;
use crate::model::cursor::{Content, Fetched};
use crate::model::failure::Cause;

/// Keeps what is handed over.
#[derive(Default)]
pub(super) struct Kept(Vec<Fetched>);

impl Kept {
    /// What is too large to be held is asked for with `fetch_each`.
    pub fn into_fetched(self) -> Vec<Fetched> {
        let mut kept = self.0;
        for fetched in &mut kept {
            if let Content::Streamed(size) = fetched.content {
                fetched.content = Content::TooLarge(size);
            }
        }
        kept
    }
}

#[async_trait]
impl Arrivals for Kept {
    async fn piece(&mut self, _: Bytes) -> Result<(), Cause> {
        Ok(())
    }

    async fn message(&mut self, fetched: Fetched) -> Result<(), Cause> {
        self.0.push(fetched);
        Ok(())
    }
}
