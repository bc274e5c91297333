//! The mailboxes and what was submitted: what the three protocols share.

mod delivery;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;

use crate::model::clock::Clock;
use crate::model::limits::PLAYGROUND_STORE_BYTES_MAX;
use crate::model::secret::Secret;

use super::corpus;
use super::options::{Options, User};
use super::sasl::Credentials;

const UID_VALIDITY_FIRST: u32 = 1_700_000_001;

/// A message in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Ascending within a folder, never used twice under one UIDVALIDITY.
    pub uid: u32,
    /// Unique for ever, unchanged when UIDs are renumbered.
    pub uidl: String,
    pub received: Timestamp,
    /// System flags as `\Seen`, keywords as they were set.
    pub flags: BTreeSet<String>,
    /// The octets; all lines end in CRLF, except perhaps the last.
    pub raw: Bytes,
}

/// What SMTP took responsibility for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    pub connection: u64,
    /// The user that was logged in.
    pub username: Option<String>,
    /// Envelope sender, empty for the null sender.
    pub from: String,
    pub recipients: Vec<String>,
    /// As received, dots unstuffed.
    pub raw: Bytes,
}

/// Why something could not be put into, or done with, a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undeliverable {
    UnknownRecipient(String),
    /// The playground holds as much as it may.
    Full,
}

impl fmt::Display for Undeliverable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownRecipient(address) => write!(f, "`{address}` is no user of the playground"),
            Self::Full => f.write_str("the playground holds as many messages as it may"),
        }
    }
}

impl std::error::Error for Undeliverable {}

/// The shared state; every method is one transaction.
pub struct State {
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

pub(super) struct Inner {
    accounts: Vec<Account>,
    accepted: Vec<Submission>,
    elsewhere: Vec<Submission>,
    held_bytes: usize,
    uidls: u64,
}

/// Names an account of this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AccountId(pub(super) usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FolderName {
    Inbox,
    Sent,
}

struct Account {
    user: User,
    inbox: Folder,
    sent: Folder,
    pop3_locked: bool,
    /// To whom its rules forward each message.
    forwards: Vec<String>,
}

pub(super) struct Folder {
    pub(super) validity: u32,
    pub(super) uid_next: u32,
    /// Grows with whatever changes.
    pub(super) modseq: u64,
    pub(super) held: Vec<Held>,
}

impl Folder {
    fn new() -> Self {
        Self { validity: UID_VALIDITY_FIRST, uid_next: 1, modseq: 1, held: Vec::new() }
    }

    pub(super) fn find(&self, uid: u32) -> Option<&Held> {
        self.held.binary_search_by_key(&uid, |held| held.uid).ok().and_then(|at| self.held.get(at))
    }

    /// To change it.
    pub(super) fn find_mut(&mut self, uid: u32) -> Option<&mut Held> {
        self.modseq += 1;
        self.held.binary_search_by_key(&uid, |held| held.uid).ok().and_then(|at| self.held.get_mut(at))
    }
}

impl State {
    pub(super) fn new(options: &Options) -> Self {
        let account = |user: &User| Account {
            user: user.clone(),
            inbox: Folder::new(),
            sent: Folder::new(),
            pop3_locked: false,
            forwards: Vec::new(),
        };
        let inner = Inner {
            accounts: options.users.iter().map(account).collect(),
            accepted: Vec::new(),
            elsewhere: Vec::new(),
            held_bytes: 0,
            uidls: 0,
        };
        Self { clock: Arc::clone(&options.clock), inner: Mutex::new(inner) }
    }

    /// Puts a message into a user's inbox now; returns its UID. Line ends become CRLF, as a local delivery agent
    /// would make them; nothing else is changed.
    pub fn deliver(&self, address: &str, raw: &[u8]) -> Result<u32, Undeliverable> {
        self.deliver_at(address, raw, self.clock.now())
    }

    /// Like [`State::deliver`], with the internal date given.
    pub fn deliver_at(&self, address: &str, raw: &[u8], received: Timestamp) -> Result<u32, Undeliverable> {
        let mut inner = self.lock();
        let account = inner.resident(address)?;
        inner.arrive(account, Arrival::new(with_crlf(raw), received))
    }

    /// Fills a user's inbox with messages of the corpus, received when they say they were sent.
    pub fn seed(&self, address: &str, count: usize, seed: u64) -> Result<(), Undeliverable> {
        for message in corpus::dated_messages(count, seed) {
            self.deliver_at(address, &message.raw, message.sent)?;
        }
        Ok(())
    }

    /// A copy of a user's inbox, oldest first.
    pub fn inbox(&self, address: &str) -> Result<Vec<Held>, Undeliverable> {
        self.folder(address, FolderName::Inbox)
    }

    /// A copy of a user's folder `Sent`, oldest first.
    pub fn sent(&self, address: &str) -> Result<Vec<Held>, Undeliverable> {
        self.folder(address, FolderName::Sent)
    }

    /// Takes a message out of an inbox, as another client would. Returns it, if it was there.
    pub fn remove(&self, address: &str, uid: u32) -> Result<Option<Held>, Undeliverable> {
        let mut inner = self.lock();
        let account = inner.resident(address)?;
        Ok(inner.expunge(account, FolderName::Inbox, uid))
    }

    /// Logins want this password from now on; sessions that are logged in stay so.
    pub fn set_password(&self, address: &str, password: &str) -> Result<(), Undeliverable> {
        let mut inner = self.lock();
        let account = inner.resident(address)?;
        inner.account_mut(account).user.password = Secret::new(password.to_owned());
        Ok(())
    }

    /// Gives the inbox a new, higher UIDVALIDITY and numbers its messages from 1 again. IMAP sessions that have it
    /// open are ended with `BYE`.
    pub fn change_uid_validity(&self, address: &str) -> Result<u32, Undeliverable> {
        let mut inner = self.lock();
        let account = inner.resident(address)?;
        let inbox = inner.folder_mut(account, FolderName::Inbox);
        inbox.validity = inbox.validity.saturating_add(1);
        inbox.uid_next = 1;
        for held in &mut inbox.held {
            held.uid = inbox.uid_next;
            inbox.uid_next += 1;
        }
        Ok(inbox.validity)
    }

    /// Delivers a message under a UIDL of somebody's choosing.
    pub fn deliver_as(&self, address: &str, uidl: &str, raw: &[u8]) -> Result<(), Undeliverable> {
        let mut inner = self.lock();
        let account = inner.resident(address)?;
        inner.append(account, FolderName::Inbox, Arrival::new(with_crlf(raw), self.clock.now()))?;
        let held = inner.folder_mut(account, FolderName::Inbox).held.last_mut();
        held.into_iter().for_each(|held| uidl.clone_into(&mut held.uidl));
        Ok(())
    }

    /// Gives every message of an inbox another UIDL, as a move to another server does.
    pub fn change_uidls(&self, address: &str) -> Result<(), Undeliverable> {
        let mut inner = self.lock();
        let account = inner.resident(address)?;
        for held in &mut inner.folder_mut(account, FolderName::Inbox).held {
            held.uidl.insert_str(0, "new.");
        }
        Ok(())
    }

    /// Everything SMTP accepted, in order.
    pub fn accepted(&self) -> Vec<Submission> {
        self.lock().accepted.clone()
    }

    /// What was accepted for domains that are not local, with those recipients only.
    pub fn delivered_elsewhere(&self) -> Vec<Submission> {
        self.lock().elsewhere.clone()
    }

    fn folder(&self, address: &str, name: FolderName) -> Result<Vec<Held>, Undeliverable> {
        let mut inner = self.lock();
        let account = inner.resident(address)?;
        Ok(inner.folder_mut(account, name).held.clone())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn authenticate(&self, credentials: &Credentials) -> Option<AccountId> {
        let inner = self.lock();
        let fits = |account: &Account| {
            account.user.username == credentials.username
                && account.user.password.expose() == credentials.password.expose()
        };
        inner.accounts.iter().position(fits).map(AccountId)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        // Methods change one thing at a time, so what a panicking thread left behind is still usable.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message about to be put into a folder.
pub(super) struct Arrival {
    pub(super) raw: Bytes,
    pub(super) received: Timestamp,
    pub(super) flags: BTreeSet<String>,
}

impl Arrival {
    pub(super) fn new(raw: Bytes, received: Timestamp) -> Self {
        Self { raw, received, flags: BTreeSet::new() }
    }
}

impl Inner {
    pub(super) fn append(
        &mut self,
        account: AccountId,
        name: FolderName,
        arrival: Arrival,
    ) -> Result<u32, Undeliverable> {
        self.reserve(arrival.raw.len())?;
        self.uidls += 1;
        let uidl = format!("{:04x}.{:012x}", account.0 + 1, self.uidls);
        let folder = self.folder_mut(account, name);
        let uid = folder.uid_next;
        folder.uid_next = uid.checked_add(1).ok_or(Undeliverable::Full)?;
        folder.modseq += 1;
        let Arrival { raw, received, flags } = arrival;
        folder.held.push(Held { uid, uidl, received, flags, raw });
        Ok(uid)
    }

    pub(super) fn expunge(&mut self, account: AccountId, name: FolderName, uid: u32) -> Option<Held> {
        let folder = self.folder_mut(account, name);
        let at = folder.held.binary_search_by_key(&uid, |held| held.uid).ok()?;
        let removed = folder.held.remove(at);
        folder.modseq += 1;
        self.held_bytes = self.held_bytes.saturating_sub(removed.raw.len());
        Some(removed)
    }

    pub(super) fn folder_mut(&mut self, account: AccountId, name: FolderName) -> &mut Folder {
        let account = self.account_mut(account);
        match name {
            FolderName::Inbox => &mut account.inbox,
            FolderName::Sent => &mut account.sent,
        }
    }

    /// Takes the maildrop's lock; `false` when another session holds it.
    pub(super) fn lock_pop3(&mut self, account: AccountId) -> bool {
        !std::mem::replace(&mut self.account_mut(account).pop3_locked, true)
    }

    pub(super) fn unlock_pop3(&mut self, account: AccountId) {
        self.account_mut(account).pop3_locked = false;
    }

    pub(super) fn user(&mut self, account: AccountId) -> &User {
        &self.account_mut(account).user
    }

    /// The account an address is delivered to.
    pub(super) fn resident(&self, address: &str) -> Result<AccountId, Undeliverable> {
        let lives_here = |account: &Account| addresses(&account.user).any(|own| same(own, address));
        let at = self.accounts.iter().position(lives_here).map(AccountId);
        at.ok_or_else(|| Undeliverable::UnknownRecipient(address.to_owned()))
    }

    pub(super) fn is_local_domain(&self, domain: &str) -> bool {
        let of_domain = |own: &str| own.rsplit_once('@').is_some_and(|(_, own)| same(own, domain));
        self.accounts.iter().any(|account| addresses(&account.user).any(of_domain))
    }

    fn reserve(&mut self, bytes: usize) -> Result<(), Undeliverable> {
        let held_bytes = self.held_bytes.saturating_add(bytes);
        if held_bytes > PLAYGROUND_STORE_BYTES_MAX {
            return Err(Undeliverable::Full);
        }
        self.held_bytes = held_bytes;
        Ok(())
    }

    fn account_mut(&mut self, account: AccountId) -> &mut Account {
        self.accounts.get_mut(account.0).expect("account ids come from this list, which never shrinks")
    }
}

pub(super) fn addresses(user: &User) -> impl Iterator<Item = &str> {
    std::iter::once(user.address.as_str()).chain(user.aliases.iter().map(String::as_str))
}

/// Mail systems do not distinguish case.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn with_crlf(raw: &[u8]) -> Bytes {
    let mut lines = Vec::with_capacity(raw.len());
    let mut previous = 0;
    for byte in raw.iter().copied() {
        if byte == b'\n' && previous != b'\r' {
            lines.push(b'\r');
        }
        lines.push(byte);
        previous = byte;
    }
    Bytes::from(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anna() -> State {
        let users = vec![User::new("anna@example.test", "anna", "s3cret").with_alias("a@example.test")];
        State::new(&Options { users, ..Options::default() })
    }

    #[test]
    fn uids_ascend_and_are_not_used_twice() {
        let state = anna();
        assert_eq!(state.deliver("anna@example.test", b"one\n"), Ok(1));
        assert_eq!(state.deliver("A@EXAMPLE.test", b"two\r\n"), Ok(2));
        assert_eq!(&state.remove("anna@example.test", 2).unwrap().unwrap().raw[..], b"two\r\n");
        assert_eq!(state.deliver("anna@example.test", b"three"), Ok(3));
        assert_eq!(&state.inbox("anna@example.test").unwrap()[0].raw[..], b"one\r\n");
    }

    #[test]
    fn a_new_uid_validity_renumbers_but_keeps_uidls() {
        let state = anna();
        state.deliver("anna@example.test", b"one\r\n").unwrap();
        state.deliver("anna@example.test", b"two\r\n").unwrap();
        state.remove("anna@example.test", 1).unwrap();
        let before = state.inbox("anna@example.test").unwrap();
        state.change_uid_validity("anna@example.test").unwrap();
        let after = state.inbox("anna@example.test").unwrap();
        assert_eq!((before[0].uid, after[0].uid), (2, 1));
        assert_eq!(before[0].uidl, after[0].uidl);
    }

    #[test]
    fn strangers_have_no_mailbox() {
        let stranger = String::from("boris@example.test");
        assert_eq!(anna().deliver(&stranger, b""), Err(Undeliverable::UnknownRecipient(stranger)));
    }
}
