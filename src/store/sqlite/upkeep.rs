//! Holding a lease for a person, and copying the store.

use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{SqliteStore, backup, lease};
use crate::model::lease::{Holder, Lease, LeaseScope};
use crate::store::StoreError;
use crate::store::upkeep::{Copied, Upkeep};

#[async_trait]
impl Upkeep for SqliteStore {
    async fn hold(
        &self,
        scope: &LeaseScope,
        holder: &Holder,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, StoreError> {
        let (scope, holder) = (scope.clone(), holder.clone());
        self.write(move |work| lease::acquire_until(work.db, &scope, &holder, (now, until))).await
    }

    async fn end_lease(&self, scope: &LeaseScope, nonce: &str) -> Result<bool, StoreError> {
        let (scope, nonce) = (scope.clone(), nonce.to_owned());
        self.write(move |work| lease::end(work.db, &scope, &nonce)).await
    }

    async fn back_up(&self, folder: &Path) -> Result<Copied, StoreError> {
        let (blobs, folder) = (self.blobs.clone(), folder.to_owned());
        self.read(move |db| backup::back_up(db, &blobs, &folder)).await
    }
}
