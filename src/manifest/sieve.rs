//! Who decides, while a manifest is read, which mailboxes somebody needs to see whole.
//!
//! Of a hundred thousand mailboxes most are as they were. They are resolved and checked like all others, and then let go,
//! so that a reading holds few of them at a time.

use std::collections::BTreeMap;

use crate::model::desired::Declared;
use crate::model::footing::Outlook;
use crate::model::mailbox::Mailbox;
use crate::model::name::Name;
use crate::model::organization::Organization;
use crate::model::profile::Profile;
use crate::model::secret::{SealedValue, SecretRef};

/// What stands behind the mailboxes of a manifest.
#[derive(Debug, Clone, Copy)]
pub struct Behind<'a> {
    pub organization: &'a Organization,
    pub profiles: &'a BTreeMap<Name, Declared<Profile>>,
    pub secrets: &'a BTreeMap<SecretRef, Declared<SealedValue>>,
}

/// Tells what mailboxes come to, and which of them are that already.
pub trait Sieve {
    /// Begins with the mailboxes of one reading. What an earlier, abandoned one counted is forgotten.
    fn start<'a>(&'a mut self, behind: Behind<'a>) -> Box<dyn Sifting + 'a>;
}

/// The mailboxes of one reading.
pub trait Sifting {
    /// `None`: it has to be seen whole.
    fn outlook(&mut self, mailbox: &Mailbox) -> Option<Outlook>;
    /// Whether the mailbox is left out, for example as one that has come to this already.
    fn leaves_out(&mut self, name: &str, outlook: Option<&Outlook>) -> bool;
}

/// Lets nothing go.
#[derive(Debug)]
pub struct Whole;

impl Sieve for Whole {
    fn start<'a>(&'a mut self, _: Behind<'a>) -> Box<dyn Sifting + 'a> {
        Box::new(Self)
    }
}

impl Sifting for Whole {
    fn outlook(&mut self, _: &Mailbox) -> Option<Outlook> {
        None
    }

    fn leaves_out(&mut self, _: &str, _: Option<&Outlook>) -> bool {
        false
    }
}
