//! Sessions that stay logged in between two cycles: at most one for each mailbox, and never handed to another identity.
//!
//! What a session may be used for is decided by its [`SessionKey`]: the mailbox, the way to its server and the version of its
//! secret. A session with another key than the one that is asked for is closed. Whether it still works shows when it is
//! used: whoever takes a session tries it, and opens a fresh one where it fails.
//!
//! POP3 sessions never come here. RFC 1939 locks the maildrop for as long as a session lasts, so that nobody else could
//! read it; a session shows the maildrop as it was at the login, so that nothing new would ever be seen; and removals take
//! effect only when the session ends.
//!
//! The pool reads no clock: moments are arguments, counted from some fixed moment of this process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::Receive;
use crate::model::host::KeptSessions;
use crate::model::limits;
use crate::model::name::Name;

/// Everything that a session depends on, as a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// Each part whole: none can run into the next one.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }
}

/// Whose session it is.
#[derive(Debug, Clone)]
pub struct Owner {
    pub mailbox: Name,
    /// Sessions of one profile make room for each other where the profile's limit counts for all of them.
    pub profile: Name,
    pub key: SessionKey,
}

/// A session on its way into or out of the pool.
pub struct Kept {
    pub session: Box<dyn Receive>,
    /// When it was opened.
    pub opened: Duration,
}

/// The sessions that are kept.
pub struct Pool {
    settings: KeptSessions,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: BTreeMap<Name, Entry>,
    /// Tells entries of one mailbox from each other.
    tickets: u64,
    is_closed: bool,
}

struct Entry {
    owner: Owner,
    opened: Duration,
    rested: Duration,
    place: Place,
    ticket: u64,
}

enum Place {
    Here(Box<dyn Receive>),
    /// Lent to somebody who waits for mail with it.
    Lent(Loan),
}

struct Loan {
    /// Whoever waits with it holds no connection.
    is_apart: bool,
    stop: CancellationToken,
    returned: oneshot::Receiver<Kept>,
}

/// A session that is lent for waiting. It has to be given back as soon as `stop` is cancelled.
pub struct Lent {
    pub kept: Kept,
    pub stop: CancellationToken,
    owner: Owner,
    ticket: u64,
    back: oneshot::Sender<Kept>,
}

impl Pool {
    pub fn new(settings: KeptSessions) -> Self {
        Self { settings, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anything is kept at all.
    pub fn keeps(&self) -> bool {
        self.settings.count_max > 0
    }

    /// How many sessions are kept, those that wait for mail included.
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The kept session of a mailbox. One that was lent is asked back first. One that does not fit any more, or is too
    /// old, is closed.
    pub async fn take(&self, owner: &Owner, now: Duration) -> Option<Kept> {
        let entry = self.lock().entries.remove(&owner.mailbox)?;
        let fits = entry.owner.key == owner.key && self.is_fresh(&entry, now);
        let opened = entry.opened;
        let kept = match entry.place {
            Place::Here(session) => Kept { session, opened },
            Place::Lent(loan) => {
                loan.stop.cancel();
                tokio::time::timeout(limits::GOODBYE_TIMEOUT, loan.returned).await.ok()?.ok()?
            }
        };
        if fits {
            return Some(kept);
        }
        close(kept.session);
        None
    }

    fn is_fresh(&self, entry: &Entry, now: Duration) -> bool {
        let has_rested = match entry.place {
            Place::Here(_) => now.saturating_sub(entry.rested),
            // The server is heard of all the while.
            Place::Lent(_) => Duration::ZERO,
        };
        has_rested <= self.settings.idle_max && now.saturating_sub(entry.opened) <= self.settings.age_max
    }

    /// Keeps a session. When there are too many, or it is too old, it is closed instead.
    pub fn put(&self, owner: Owner, kept: Kept, now: Duration) {
        let mut inner = self.lock();
        let is_old = now.saturating_sub(kept.opened) > self.settings.age_max;
        let has_room =
            inner.entries.len() < self.settings.count_max || inner.entries.contains_key(&owner.mailbox);
        if is_old || !has_room || inner.is_closed {
            drop(inner);
            return close(kept.session);
        }
        inner.tickets += 1;
        let (mailbox, ticket) = (owner.mailbox.clone(), inner.tickets);
        let place = Place::Here(kept.session);
        let entry = Entry { owner, opened: kept.opened, rested: now, place, ticket };
        let former = inner.entries.insert(mailbox, entry);
        drop(inner);
        if let Some(former) = former {
            end(former);
        }
    }

    /// Lends the session of a mailbox to somebody who waits for mail with it. `None`: there is none that can.
    pub fn lend(&self, mailbox: &Name, stop: CancellationToken) -> Option<Lent> {
        let mut inner = self.lock();
        let entry = inner.entries.get_mut(mailbox)?;
        match &entry.place {
            Place::Here(session) if session.can_wait() => {}
            Place::Here(_) | Place::Lent(_) => return None,
        }
        let is_apart = match &entry.place {
            Place::Here(session) => session.waits_apart(),
            Place::Lent(_) => false,
        };
        let (back, returned) = oneshot::channel();
        let loan = Place::Lent(Loan { is_apart, stop: stop.clone(), returned });
        match std::mem::replace(&mut entry.place, loan) {
            Place::Here(session) => Some(Lent {
                kept: Kept { session, opened: entry.opened },
                stop,
                owner: entry.owner.clone(),
                ticket: entry.ticket,
                back,
            }),
            Place::Lent(_) => None,
        }
    }

    /// Takes a lent session back: into the hands of whoever asked for it meanwhile, or into the pool.
    pub fn give_back(&self, lent: Lent, now: Duration) {
        let Lent { kept, stop: _, owner, ticket, back } = lent;
        let mut inner = self.lock();
        if let Some(entry) = inner.entries.get_mut(&owner.mailbox).filter(|entry| entry.ticket == ticket) {
            entry.place = Place::Here(kept.session);
            entry.rested = now;
            return;
        }
        drop(inner);
        if let Err(kept) = back.send(kept) {
            close(kept.session);
        }
    }

    /// A lent session that failed: there is nothing to give back.
    pub fn forget(&self, lent: Lent) {
        let mut inner = self.lock();
        let is_it = inner.entries.get(&lent.owner.mailbox).is_some_and(|entry| entry.ticket == lent.ticket);
        let entry = if is_it { inner.entries.remove(&lent.owner.mailbox) } else { None };
        drop(inner);
        drop((entry, lent));
    }

    /// Closes what is kept of a mailbox, so that a test is the only session there.
    pub fn end(&self, mailbox: &Name) {
        let entry = self.lock().entries.remove(mailbox);
        if let Some(entry) = entry {
            end(entry);
        }
    }

    /// Closes sessions of a profile, those that rested longest first, until no more than so many hold a connection. Those that can
    /// wait without one are kept, and only let go of it.
    pub fn make_room(&self, profile: &Name, left_max: usize) {
        let mut inner = self.lock();
        let holds = |entry: &&Entry| !matches!(&entry.place, Place::Lent(loan) if loan.is_apart);
        let of_profile = inner.entries.values().filter(|entry| entry.owner.profile == *profile).filter(holds);
        let mut found: Vec<(Duration, Name)> =
            of_profile.map(|entry| (entry.rested, entry.owner.mailbox.clone())).collect();
        found.sort();
        let surplus = found.len().saturating_sub(left_max);
        let mut ended = Vec::new();
        for (_, mailbox) in found.iter().take(surplus) {
            match inner.entries.get_mut(mailbox).map(|entry| &mut entry.place) {
                Some(Place::Here(session)) if session.waits_apart() => session.let_go(),
                Some(Place::Here(_) | Place::Lent(_)) => ended.extend(inner.entries.remove(mailbox)),
                None => {}
            }
        }
        drop(inner);
        ended.into_iter().for_each(end);
    }

    /// Closes what rested for too long or became too old, and whatever belongs to mailboxes that nobody reads any more.
    pub fn sweep(&self, now: Duration, is_read: impl Fn(&Name) -> bool) {
        let mut inner = self.lock();
        let over: Vec<Name> = inner
            .entries
            .iter()
            .filter(|(mailbox, entry)| !is_read(mailbox) || !self.is_fresh(entry, now))
            .map(|(mailbox, _)| mailbox.clone())
            .collect();
        let ended: Vec<Entry> = over.iter().filter_map(|mailbox| inner.entries.remove(mailbox)).collect();
        drop(inner);
        ended.into_iter().for_each(end);
    }

    /// Says goodbye on all sessions and keeps none any more. Nobody waits longer than [`limits::GOODBYE_TIMEOUT`].
    pub async fn close(&self) {
        let entries = {
            let mut inner = self.lock();
            inner.is_closed = true;
            std::mem::take(&mut inner.entries)
        };
        let mut goodbyes = tokio::task::JoinSet::new();
        for entry in entries.into_values() {
            match entry.place {
                Place::Here(session) => drop(goodbyes.spawn(say_goodbye(session))),
                Place::Lent(loan) => {
                    loan.stop.cancel();
                    goodbyes.spawn(async move {
                        if let Ok(kept) = loan.returned.await {
                            say_goodbye(kept.session).await;
                        }
                    });
                }
            }
        }
        let _ = tokio::time::timeout(limits::GOODBYE_TIMEOUT, goodbyes.join_all()).await;
    }
}

fn end(entry: Entry) {
    match entry.place {
        Place::Here(session) => close(session),
        // It is closed when it is given back.
        Place::Lent(loan) => loan.stop.cancel(),
    }
}

/// Says goodbye without keeping anybody waiting.
fn close(session: Box<dyn Receive>) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(say_goodbye(session));
    }
}

async fn say_goodbye(session: Box<dyn Receive>) {
    let _ = tokio::time::timeout(limits::GOODBYE_TIMEOUT, session.delete_and_close(&[])).await;
}

#[cfg(test)]
mod tests;
