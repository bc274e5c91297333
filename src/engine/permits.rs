//! How many mailboxes may be worked on at once: of one profile, and altogether.
//!
//! Whoever waits holds nothing: a place is taken only when one is free in the profile and in the process, and profiles
//! take turns, so that neither a slow server nor a profile with many mailboxes keeps the others waiting. Where a profile
//! reads with each mailbox's own credentials and sends with its own, or the other way round, sending has places of its own.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::model::host::{HostSettings, Throttling};
use crate::model::limits;
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::model::profile::{Credentials, Profile, Server};

/// Hands out permits.
pub struct Permits {
    /// Of the host file: how patient to be with servers that ask for it.
    pub throttling: Throttling,
    at_once_max: usize,
    /// Of them, for one profile.
    of_one_profile: usize,
    inner: Arc<Mutex<Inner>>,
}

impl Default for Permits {
    fn default() -> Self {
        Self::new(&HostSettings::default())
    }
}

#[derive(Default)]
struct Inner {
    free: usize,
    /// Places that one profile may take at most, whatever it declares: one hanging server leaves places for the others.
    of_one_profile: usize,
    /// Places that each profile takes, in all of its lanes.
    taken: BTreeMap<Name, usize>,
    lanes: BTreeMap<Lane, Places>,
    /// Lanes with somebody who waits, in the order of their turns.
    turns: VecDeque<Lane>,
}

/// Work of a profile that is counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane {
    pub profile: Name,
    pub course: Course,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Course {
    /// All work, or all but sending.
    Common,
    /// Sending, where its credentials come from elsewhere than those for reading.
    Outgoing,
}

impl Lane {
    pub fn of(profile: &Profile, operation: Operation) -> Self {
        let differs =
            limit_counts_for(profile, Operation::Incoming) != limit_counts_for(profile, Operation::Outgoing);
        let course = match (operation, differs) {
            (Operation::Outgoing, true) => Course::Outgoing,
            (Operation::Incoming | Operation::Outgoing | Operation::Act, _) => Course::Common,
        };
        Self { profile: profile.name.clone(), course }
    }
}

/// The places of one lane.
#[derive(Default)]
struct Places {
    limit: usize,
    taken: usize,
    waiting: VecDeque<oneshot::Sender<Permit>>,
    pressure: Option<Pressure>,
}

/// What a server that asked for patience leaves of a lane's places.
#[derive(Debug, Clone, Copy)]
struct Pressure {
    places: usize,
    /// Nothing new is begun before.
    until: Duration,
    /// Work that went well since a place was last regained.
    went_well: u32,
}

/// How many mailboxes of a lane may be begun now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    pub places: usize,
    /// Nothing is begun before, counted as [`crate::model::clock::Clock::elapsed`].
    pub from: Duration,
}

/// Held while one mailbox is worked on.
pub struct Permit {
    lane: Lane,
    inner: Arc<Mutex<Inner>>,
}

impl Permits {
    pub fn new(host: &HostSettings) -> Self {
        let at_once_max = host.connections.at_once_max;
        let of_one_profile = (at_once_max - at_once_max / 4).max(1);
        let inner = Inner { free: at_once_max, of_one_profile, ..Inner::default() };
        Self { throttling: host.throttling, at_once_max, of_one_profile, inner: Arc::new(Mutex::new(inner)) }
    }

    /// Mailboxes that may be worked on at once altogether.
    pub fn at_once_max(&self) -> usize {
        self.at_once_max
    }

    /// A place for one more connection of a mailbox that is being worked on, if there is one at once.
    pub fn try_acquire(&self, profile: &Profile, operation: Operation) -> Option<Permit> {
        let (lane, limit) = (Lane::of(profile, operation), self.places(profile, operation));
        let mut inner = lock(&self.inner);
        inner.lanes.entry(lane.clone()).or_default().limit = limit;
        if inner.free == 0 || !inner.has_room(&lane) {
            return None;
        }
        inner.take(&lane);
        Some(Permit { lane, inner: Arc::clone(&self.inner) })
    }

    /// Waits for a place of the lane and of the process.
    pub async fn acquire(&self, profile: &Profile, operation: Operation) -> Permit {
        let (sender, receiver) = oneshot::channel();
        {
            let lane = Lane::of(profile, operation);
            let mut inner = lock(&self.inner);
            let places = inner.lanes.entry(lane.clone()).or_default();
            places.limit = self.places(profile, operation);
            places.waiting.push_back(sender);
            if places.waiting.len() == 1 {
                inner.turns.push_back(lane);
            }
        }
        grant(&self.inner);
        match receiver.await {
            Ok(permit) => permit,
            // The queue is only dropped together with these permits, which we hold.
            Err(_) => std::future::pending().await,
        }
    }

    /// The permit for what is done next. Where that is counted elsewhere, the former one is given back before anybody waits.
    pub async fn exchange(&self, former: Permit, profile: &Profile, operation: Operation) -> Permit {
        if former.lane == Lane::of(profile, operation) {
            return former;
        }
        drop(former);
        self.acquire(profile, operation).await
    }

    /// How many mailboxes of a profile may be worked on at once with this operation. Each takes one connection.
    pub fn places(&self, profile: &Profile, operation: Operation) -> usize {
        let declared = usize::from(profile.processing.max_concurrent_connections.get());
        match limit_counts_for(profile, operation) {
            LimitCounts::Profile => declared.min(self.of_one_profile),
            // Each mailbox never has more than one.
            LimitCounts::Mailbox => self.of_one_profile,
        }
    }

    /// Places of the lane that nobody works on now.
    pub fn free_places(&self, profile: &Profile, operation: Operation) -> usize {
        let inner = lock(&self.inner);
        let taken = inner.lanes.get(&Lane::of(profile, operation)).map_or(0, |places| places.taken);
        self.places(profile, operation).saturating_sub(taken)
    }

    pub fn allowance(&self, profile: &Profile, operation: Operation) -> Allowance {
        let inner = lock(&self.inner);
        let pressure = inner.lanes.get(&Lane::of(profile, operation)).and_then(|places| places.pressure);
        let declared = self.places(profile, operation);
        match pressure {
            Some(pressure) => Allowance { places: declared.min(pressure.places), from: pressure.until },
            None => Allowance { places: declared, from: Duration::ZERO },
        }
    }

    /// The server of a lane asked everybody for patience: the lane gets half of its places, once for each wait, because all
    /// those who are under way are told the same.
    pub fn throttled(&self, profile: &Profile, operation: Operation, (wait, now): (Duration, Duration)) {
        let limit = self.places(profile, operation);
        let mut inner = lock(&self.inner);
        let places = inner.lanes.entry(Lane::of(profile, operation)).or_default();
        let before = match places.pressure {
            Some(pressure) if now < pressure.until => return,
            Some(pressure) => pressure.places,
            None => limit,
        };
        // Who fails gives its place back afterwards, and is counted here still.
        let used = places.taken.clamp(1, before.max(1));
        places.pressure =
            Some(Pressure { places: (used / 2).max(1), until: now.saturating_add(wait), went_well: 0 });
    }

    /// Gives places back, one after the other, while work of the lane goes well.
    pub fn went_well(&self, profile: &Profile, operation: Operation) {
        let limit = self.places(profile, operation);
        let mut inner = lock(&self.inner);
        let Some(places) = inner.lanes.get_mut(&Lane::of(profile, operation)) else { return };
        let Some(pressure) = &mut places.pressure else { return };
        pressure.went_well += 1;
        if pressure.went_well >= limits::PLACE_REGAINED_AFTER {
            pressure.went_well = 0;
            pressure.places += 1;
        }
        if pressure.places >= limit {
            places.pressure = None;
        }
        drop(inner);
        grant(&self.inner);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        {
            let mut inner = lock(&self.inner);
            inner.free += 1;
            if let Some(places) = inner.lanes.get_mut(&self.lane) {
                places.taken = places.taken.saturating_sub(1);
            }
            if let Some(taken) = inner.taken.get_mut(&self.lane.profile) {
                *taken = taken.saturating_sub(1);
            }
        }
        grant(&self.inner);
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives every free place to somebody who waits for it. Somebody who went away meanwhile gives it back by dropping it,
/// which comes here again; so nothing is sent while the lock is held.
fn grant(inner: &Arc<Mutex<Inner>>) {
    loop {
        let Some((lane, sender)) = lock(inner).next() else { return };
        let _ = sender.send(Permit { lane, inner: Arc::clone(inner) });
    }
}

impl Inner {
    fn has_room(&self, lane: &Lane) -> bool {
        self.lanes.get(lane).is_some_and(Places::has_room)
            && self.taken.get(&lane.profile).is_none_or(|taken| *taken < self.of_one_profile)
    }

    fn take(&mut self, lane: &Lane) {
        self.lanes.entry(lane.clone()).or_default().taken += 1;
        *self.taken.entry(lane.profile.clone()).or_default() += 1;
        self.free -= 1;
    }

    /// Takes a place for whoever is next.
    fn next(&mut self) -> Option<(Lane, oneshot::Sender<Permit>)> {
        while self.free > 0 {
            let at = self.turns.iter().position(|lane| self.has_room(lane))?;
            let lane = self.turns.remove(at)?;
            let places = self.lanes.get_mut(&lane)?;
            let next = places.next_waiting();
            if !places.waiting.is_empty() {
                self.turns.push_back(lane.clone());
            }
            if let Some(sender) = next {
                self.take(&lane);
                return Some((lane, sender));
            }
        }
        None
    }
}

impl Places {
    fn has_room(&self) -> bool {
        let limit = self.pressure.map_or(self.limit, |pressure| self.limit.min(pressure.places));
        self.taken < limit.max(1)
    }

    /// Whoever went away is passed over.
    fn next_waiting(&mut self) -> Option<oneshot::Sender<Permit>> {
        std::iter::from_fn(|| self.waiting.pop_front()).find(|sender| !sender.is_closed())
    }
}

/// What a declared limit of connections is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitCounts {
    /// All mailboxes of the profile log in as the same user.
    Profile,
    /// Each mailbox has credentials of its own.
    Mailbox,
}

/// As with the vendor: by the source of the credentials that the operation logs in with.
pub fn limit_counts_for(profile: &Profile, operation: Operation) -> LimitCounts {
    let credentials = match (&profile.server, operation) {
        (Server::Exchange(exchange), Operation::Outgoing) => &exchange.outgoing.credentials,
        (Server::Exchange(exchange), Operation::Incoming | Operation::Act) => &exchange.incoming.credentials,
        (Server::ExchangeOnline(_), _) => return LimitCounts::Profile,
        (Server::Pop3Smtp(servers) | Server::ImapSmtp(servers), Operation::Outgoing) => {
            &servers.outgoing.as_ref().unwrap_or(&servers.incoming).credentials
        }
        (Server::Pop3Smtp(servers) | Server::ImapSmtp(servers), Operation::Incoming | Operation::Act) => {
            &servers.incoming.credentials
        }
    };
    match credentials {
        Credentials::Mailbox => LimitCounts::Mailbox,
        Credentials::Profile { .. }
        | Credentials::WindowsIntegrated { .. }
        | Credentials::Anonymous
        | Credentials::Oauth2 { .. } => LimitCounts::Profile,
    }
}

#[cfg(test)]
mod tests;
