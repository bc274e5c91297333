//! What listings ask of a store beside [`super::Store`]: figures of everything at once, single rows, and what may be shown
//! of secrets and leases.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;

use super::{MailboxFigures, StoreError};
use crate::model::alert::Alert;
use crate::model::approval::Decision;
use crate::model::cursor::InboxId;
use crate::model::lease::{Holder, LeaseScope};
use crate::model::name::Name;
use crate::model::revision::{Revision, RevisionEntry};
use crate::model::secret::{SecretDigest, SecretRef};

/// A declared secret as it may be shown. Neither its value nor its ciphertext is part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret {
    pub secret: SecretRef,
    pub digest: SecretDigest,
    pub origin: SecretOrigin,
    /// Names of the organization's recipients it is encrypted to.
    pub sealed_to: Vec<String>,
    pub expires: Option<Date>,
}

/// Where a secret's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretOrigin {
    /// An age ciphertext, which the store keeps.
    Ciphertext,
    File(String),
    Variable(String),
    Bundle {
        file: String,
        key: String,
    },
}

/// A lease as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    pub holder: Holder,
    /// Grows with every change of hands.
    pub fence: u64,
    /// `None`: not noted.
    pub since: Option<Timestamp>,
    pub expires_at: Timestamp,
    pub standing: Standing,
}

/// Whether a lease keeps others away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Held,
    /// Its holder was a process of this host and is gone: whoever asks next gets it.
    HolderDied,
    Released,
}

/// Reads only. Each call sees one moment of the store.
#[async_trait]
pub trait Report: Send + Sync {
    /// The figures of all declared mailboxes, those without any row included.
    async fn all_figures(&self) -> Result<BTreeMap<Name, MailboxFigures>, StoreError>;
    async fn revision(&self, revision: Revision) -> Result<Option<RevisionEntry>, StoreError>;
    async fn secrets(&self) -> Result<Vec<StoredSecret>, StoreError>;
    /// The last decision by command about each mailbox that there is one about.
    async fn decisions(&self) -> Result<BTreeMap<Name, Decision>, StoreError>;
    /// The alerts about one mailbox, newest first.
    async fn alerts_about(&self, mailbox: &Name, limit: u64) -> Result<Vec<Alert>, StoreError>;
    /// The inbox that a mailbox was last read from. `None`: never read.
    async fn inbox(&self, mailbox: &Name) -> Result<Option<InboxId>, StoreError>;
    /// `None`: nobody ever held it.
    async fn lease(&self, scope: &LeaseScope) -> Result<Option<LeaseRow>, StoreError>;
}
