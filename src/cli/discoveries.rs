//! What Autodiscover found, kept in the store.

use std::sync::Arc;

use async_trait::async_trait;

use crate::model::discovered::Discovered;
use crate::model::name::Name;
use crate::remote::discovery::Discoveries;
use crate::store::Store;

/// Trouble with the store shows wherever the work itself is noted; here it only means to search again.
pub struct InStore(pub Arc<dyn Store>);

#[async_trait]
impl Discoveries for InStore {
    async fn known(&self, mailbox: &Name) -> Option<Discovered> {
        self.0.discovered(mailbox).await.ok().flatten()
    }

    async fn note(&self, mailbox: &Name, found: &Discovered) {
        let _ = self.0.note_discovered(mailbox, found).await;
    }
}
