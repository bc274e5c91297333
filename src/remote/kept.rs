//! Messages of a web service that are wanted all at once, instead of one after another as they arrive.

use async_trait::async_trait;
use bytes::Bytes;

use super::Arrivals;
use crate::model::cursor::{Content, Fetched};
use crate::model::failure::Cause;
use crate::model::limits;

/// Keeps what is handed over.
#[derive(Default)]
pub(super) struct Kept {
    messages: Vec<Fetched>,
    /// Of the message that is under way; those beyond the limit are counted only.
    pieces: Vec<Bytes>,
    bytes: u64,
}

impl Kept {
    /// What is too large to be held is asked for with `fetch_each`.
    pub fn into_fetched(self) -> Vec<Fetched> {
        self.messages
    }
}

#[async_trait]
impl Arrivals for Kept {
    async fn piece(&mut self, octets: Bytes) -> Result<(), Cause> {
        self.bytes = self.bytes.saturating_add(octets.len() as u64);
        if self.bytes <= limits::HELD_BYTES_MAX {
            self.pieces.push(octets);
        }
        Ok(())
    }

    async fn message(&mut self, mut fetched: Fetched) -> Result<(), Cause> {
        let (pieces, bytes) = (std::mem::take(&mut self.pieces), std::mem::take(&mut self.bytes));
        if let Content::Streamed(size) = fetched.content {
            fetched.content = match bytes == size && size <= limits::HELD_BYTES_MAX {
                true => Content::Bytes(pieces.concat().into()),
                false => Content::TooLarge(size),
            };
        }
        self.messages.push(fetched);
        Ok(())
    }
}
