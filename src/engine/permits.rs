//! How many mailboxes may be worked on at once: of one profile, and altogether.
//!
//! Whoever waits holds nothing: a place is taken only when one is free in the profile and in the process, and profiles
//! take turns, so that neither a slow server nor a profile with many mailboxes keeps the others waiting.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::model::host::{HostSettings, Throttling};
use crate::model::limits;
use crate::model::name::Name;
use crate::model::profile::{Credentials, Profile, Server};

/// Hands out permits.
pub struct Permits {
    /// Of the host file: how patient to be with servers that ask for it.
    pub throttling: Throttling,
    at_once_max: usize,
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
    profiles: BTreeMap<Name, Places>,
    /// Profiles with somebody who waits, in the order of their turns.
    turns: VecDeque<Name>,
}

/// The places of one profile.
#[derive(Default)]
struct Places {
    limit: usize,
    taken: usize,
    waiting: VecDeque<oneshot::Sender<Permit>>,
    pressure: Option<Pressure>,
}

/// What a server that asked for patience leaves of a profile's places.
#[derive(Debug, Clone, Copy)]
struct Pressure {
    places: usize,
    /// Nothing new is begun before.
    until: Duration,
    /// Work that went well since a place was last regained.
    went_well: u32,
}

/// How many mailboxes of a profile may be begun now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    pub places: usize,
    /// Nothing is begun before, counted as [`crate::model::clock::Clock::elapsed`].
    pub from: Duration,
}

/// Held while one mailbox is worked on.
pub struct Permit {
    profile: Name,
    inner: Arc<Mutex<Inner>>,
}

impl Permits {
    pub fn new(host: &HostSettings) -> Self {
        let at_once_max = host.connections.at_once_max;
        let inner = Inner { free: at_once_max, ..Inner::default() };
        Self { throttling: host.throttling, at_once_max, inner: Arc::new(Mutex::new(inner)) }
    }

    /// Mailboxes that may be worked on at once altogether.
    pub fn at_once_max(&self) -> usize {
        self.at_once_max
    }

    /// Waits for a place of the profile and of the process.
    pub async fn acquire(&self, profile: &Profile) -> Permit {
        let (sender, receiver) = oneshot::channel();
        {
            let mut inner = lock(&self.inner);
            let places = inner.profiles.entry(profile.name.clone()).or_default();
            places.limit = self.places(profile);
            places.waiting.push_back(sender);
            if places.waiting.len() == 1 {
                inner.turns.push_back(profile.name.clone());
            }
        }
        grant(&self.inner);
        match receiver.await {
            Ok(permit) => permit,
            // The queue is only dropped together with these permits, which we hold.
            Err(_) => std::future::pending().await,
        }
    }

    /// A place for one more connection of a mailbox that is being worked on, if there is one at once. Whoever waits for one
    /// comes first.
    pub fn try_acquire(&self, profile: &Profile) -> Option<Permit> {
        let limit = self.places(profile);
        let mut inner = lock(&self.inner);
        let places = inner.profiles.entry(profile.name.clone()).or_default();
        places.limit = limit;
        if inner.free == 0 || !inner.turns.is_empty() {
            return None;
        }
        let places = inner.profiles.get_mut(&profile.name)?;
        let allowed = places.pressure.map_or(places.limit, |pressure| pressure.places.min(places.limit));
        if places.taken >= allowed {
            return None;
        }
        places.taken += 1;
        inner.free -= 1;
        Some(Permit { profile: profile.name.clone(), inner: Arc::clone(&self.inner) })
    }

    /// How many mailboxes of a profile may be worked on at once. Each takes one connection.
    pub fn places(&self, profile: &Profile) -> usize {
        let declared = usize::from(profile.processing.max_concurrent_connections.get());
        // One hanging server leaves places for the others.
        let of_one_profile = (self.at_once_max - self.at_once_max / 4).max(1);
        match limit_counts_for(profile) {
            LimitCounts::Profile => declared.min(of_one_profile),
            // Each mailbox never has more than one.
            LimitCounts::Mailbox => of_one_profile,
        }
    }

    /// Places of the profile that nobody works on now.
    pub fn free_places(&self, profile: &Profile) -> usize {
        let inner = lock(&self.inner);
        let taken = inner.profiles.get(&profile.name).map_or(0, |places| places.taken);
        self.places(profile).saturating_sub(taken)
    }

    pub fn allowance(&self, profile: &Profile) -> Allowance {
        let inner = lock(&self.inner);
        let pressure = inner.profiles.get(&profile.name).and_then(|places| places.pressure);
        let declared = self.places(profile);
        match pressure {
            Some(pressure) => Allowance { places: declared.min(pressure.places), from: pressure.until },
            None => Allowance { places: declared, from: Duration::ZERO },
        }
    }

    /// The server of a profile asked everybody for patience: the profile gets half of its places, once for each wait,
    /// because all those who are under way are told the same.
    pub fn throttled(&self, profile: &Profile, wait: Duration, now: Duration) {
        let limit = self.places(profile);
        let mut inner = lock(&self.inner);
        let places = inner.profiles.entry(profile.name.clone()).or_default();
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

    /// Gives places back, one after the other, while work of the profile goes well.
    pub fn went_well(&self, profile: &Profile) {
        let limit = self.places(profile);
        let mut inner = lock(&self.inner);
        let Some(places) = inner.profiles.get_mut(&profile.name) else { return };
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
            if let Some(places) = inner.profiles.get_mut(&self.profile) {
                places.taken = places.taken.saturating_sub(1);
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
        let Some((profile, sender)) = lock(inner).next() else { return };
        let _ = sender.send(Permit { profile, inner: Arc::clone(inner) });
    }
}

impl Inner {
    /// Takes a place for whoever is next.
    fn next(&mut self) -> Option<(Name, oneshot::Sender<Permit>)> {
        while self.free > 0 {
            let has_room = |name: &Name| self.profiles.get(name).is_some_and(Places::has_room);
            let at = self.turns.iter().position(has_room)?;
            let name = self.turns.remove(at)?;
            let places = self.profiles.get_mut(&name)?;
            let next = places.next_waiting();
            if !places.waiting.is_empty() {
                self.turns.push_back(name.clone());
            }
            if let Some(sender) = next {
                places.taken += 1;
                self.free -= 1;
                return Some((name, sender));
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

/// As with the vendor: by the source of the credentials.
pub fn limit_counts_for(profile: &Profile) -> LimitCounts {
    let credentials = match &profile.server {
        Server::Exchange(exchange) => &exchange.incoming.credentials,
        Server::ExchangeOnline(_) => return LimitCounts::Profile,
        Server::Pop3Smtp(servers) | Server::ImapSmtp(servers) => &servers.incoming.credentials,
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
