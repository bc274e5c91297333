//! Where each effective value of something declared comes from.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::mailbox::Mailbox;
use super::organization::Organization;
use super::problem::Origin;
use super::profile::Profile;

/// What is to be explained, as a person names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Organization,
    Profile(String),
    Mailbox(String),
    /// A name or an address without its kind.
    Any(String),
}

/// A resolved noun: the very value that a plan is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Explained {
    Organization(Box<Organization>),
    Profile(Box<Profile>),
    Mailbox(Box<Mailbox>),
}

/// One subject, with the source of each of its fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// `mailbox/anna`
    pub subject: String,
    pub value: Explained,
    /// Where it is declared.
    pub declared: WrittenAt,
    /// By dotted path in the manifest's spelling. A path that is a map stands for everything in it; a path that the value
    /// does not have stands for something that is left out.
    pub sources: BTreeMap<String, Provenance>,
}

/// Where a value comes from, and why it is the one that counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Provenance {
    pub why: Why,
    /// Left out where nobody wrote it.
    pub place: Option<WrittenAt>,
    /// What it wins over, the nearest first.
    pub hides: Vec<Hidden>,
}

/// A place with the layer that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenAt {
    pub origin: Origin,
    /// The label of the layer, where there are several.
    pub layer: Option<Arc<str>>,
    /// Whether it is a later layer than the first.
    pub is_overlay: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Written on the thing itself.
    Own,
    /// `common` of the list with this name.
    List(String),
    /// A line of the CSV file of the list with this name.
    Csv(String),
    Assignment(String),
    OrganizationDefault,
    /// An `ApprovalList`.
    ApprovalList,
    /// Taken from another setting of the same thing; the words say from which.
    Inherited(String),
    /// Follows from other values; the words say how.
    Computed(String),
    /// Nobody says anything; the words say what that means, if it is not obvious.
    Default(Option<String>),
}

/// A value that is written but does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hidden {
    /// As written, shortened; never of a secret.
    pub value: String,
    pub why: Why,
    pub place: WrittenAt,
    /// Where a later layer takes it away.
    pub removed_at: Option<WrittenAt>,
}
