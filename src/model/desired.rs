//! What the manifest asks for, resolved: every reference checked, every default applied.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mailbox::Mailbox;
use super::name::Name;
use super::organization::Organization;
use super::problem::Origin;
use super::profile::Profile;
use super::secret::{BundleDigest, SealedBundle, SealedValue, SecretRef};

/// The desired state. Keys are the names of the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    pub organization: Declared<Organization>,
    pub profiles: BTreeMap<Name, Declared<Profile>>,
    pub mailboxes: BTreeMap<Name, Declared<Mailbox>>,
    /// Only ciphertexts and references; a value never enters.
    pub secrets: BTreeMap<SecretRef, Declared<SealedValue>>,
    /// The bundles that `secrets` refers to.
    pub bundles: BTreeMap<BundleDigest, SealedBundle>,
    /// Remarks of the resolution that belong into a plan: computed defaults, settings this version does not act on.
    pub notes: Vec<DesiredNote>,
    /// Digest of all files, in order.
    pub digest: ManifestDigest,
}

/// Something declared, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared<T> {
    pub value: T,
    pub origin: Origin,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredNote {
    /// `mailbox/anna`, `organization`.
    pub subject: String,
    pub message: String,
    pub origin: Option<Origin>,
}

/// Hex BLAKE3 over the names and contents of all files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestDigest(pub String);
