//! What a person who looks after a store asks of it: to keep applies away for a while, and to copy it.

use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::model::lease::{Holder, Lease, LeaseScope};
use crate::model::revision::{Revision, StoreId};

/// What a copy of a store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    pub store: StoreId,
    pub revision: Revision,
    pub database_bytes: u64,
    pub blob_bytes: u64,
    /// Messages that were still to be sent, and that the copy has as `unsure`. 0 for a backup.
    pub left_unsure: u64,
}

#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Takes the lease until that moment for a person, who has no process that renews it ([`Holder::is_person`]).
    /// Refused while somebody else holds it.
    async fn hold(
        &self,
        scope: &LeaseScope,
        holder: &Holder,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, StoreError>;
    /// Ends whichever lease on `scope` has this nonce. `false`: none has.
    async fn end_lease(&self, scope: &LeaseScope, nonce: &str) -> Result<bool, StoreError>;
    /// Copies one moment of the store, messages included, into a folder that does not exist yet. Whoever writes
    /// meanwhile is not disturbed. A copy that fails leaves nothing under that name.
    async fn back_up(&self, folder: &Path) -> Result<Copied, StoreError>;
}
