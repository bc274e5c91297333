//! How many mailboxes may be worked on at once: of one profile, and altogether.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::limits;
use crate::model::name::Name;
use crate::model::profile::{Credentials, Profile, Server};

/// Hands out permits. Cheap to share.
pub struct Permits {
    all: Arc<Semaphore>,
    /// By profile, with the limit it was made for: another limit makes another semaphore.
    profiles: Mutex<BTreeMap<Name, (usize, Arc<Semaphore>)>>,
}

impl Default for Permits {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(limits::MAILBOXES_AT_ONCE_MAX)),
            profiles: Mutex::new(BTreeMap::new()),
        }
    }
}

/// Held while one mailbox is worked on.
pub struct Permit {
    _profile: Option<OwnedSemaphorePermit>,
    _all: Option<OwnedSemaphorePermit>,
}

impl Permits {
    /// Waits for the profile's permit first, so that a slow profile does not hold places that others could use.
    pub async fn acquire(&self, profile: &Profile) -> Permit {
        let of_profile = self.of_profile(profile).acquire_owned().await.ok();
        Permit { _profile: of_profile, _all: Arc::clone(&self.all).acquire_owned().await.ok() }
    }

    /// A place for one more connection of a mailbox that is being worked on, if there is one at once.
    pub fn try_acquire(&self, profile: &Profile) -> Option<Permit> {
        let of_profile = self.of_profile(profile).try_acquire_owned().ok()?;
        let all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some(Permit { _profile: Some(of_profile), _all: Some(all) })
    }

    fn of_profile(&self, profile: &Profile) -> Arc<Semaphore> {
        let limit = places(profile);
        let mut profiles = self.profiles.lock().unwrap_or_else(PoisonError::into_inner);
        match profiles.get(&profile.name) {
            Some((known, semaphore)) if *known == limit => Arc::clone(semaphore),
            _ => {
                let semaphore = Arc::new(Semaphore::new(limit));
                profiles.insert(profile.name.clone(), (limit, Arc::clone(&semaphore)));
                semaphore
            }
        }
    }
}

/// How many mailboxes of a profile may be worked on at once. Each takes one connection.
pub fn places(profile: &Profile) -> usize {
    let declared = usize::from(profile.processing.max_concurrent_connections.get());
    match shares_credentials(profile) {
        true => declared.min(limits::MAILBOXES_AT_ONCE_PER_PROFILE_MAX),
        // The declared limit counts for each mailbox, which never has more than one.
        false => limits::MAILBOXES_AT_ONCE_PER_PROFILE_MAX,
    }
}

/// Whether all mailboxes of the profile log in as the same user: then the limit counts for the profile.
fn shares_credentials(profile: &Profile) -> bool {
    let of_mailbox = |credentials: &Credentials| matches!(credentials, Credentials::Mailbox);
    match &profile.server {
        Server::Exchange(exchange) => !of_mailbox(&exchange.incoming.credentials),
        Server::ExchangeOnline(_) => true,
        Server::Pop3Smtp(servers) | Server::ImapSmtp(servers) => !of_mailbox(&servers.incoming.credentials),
    }
}
