//! A lease that is kept alive while it is held.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::Engine;
use crate::model::event::Event;
use crate::model::lease::{Lease, LeaseScope};
use crate::model::limits;
use crate::store::StoreError;

/// Held while something is worked on. Renewed in the background; given back with [`Held::release`]. When it is dropped
/// without that, it expires by itself.
pub struct Held {
    pub lease: Lease,
    renewal: JoinHandle<()>,
}

impl Held {
    /// Takes the lease or says who has it.
    pub async fn acquire(engine: &Engine, scope: &LeaseScope) -> Result<Self, StoreError> {
        let lease = engine.store.acquire(scope, &engine.holder, engine.clock.now()).await?;
        Ok(Self::keep(engine, lease))
    }

    /// Keeps a lease that was just taken.
    pub fn keep(engine: &Engine, lease: Lease) -> Self {
        let store = Arc::clone(&engine.store);
        let clock = Arc::clone(&engine.clock);
        let mut renewed = lease.clone();
        let renewal = tokio::spawn(async move {
            loop {
                tokio::time::sleep(limits::LEASE_TTL / 3).await;
                match store.renew(&renewed, clock.now()).await {
                    Ok(lease) => renewed = lease,
                    // Lost: the next write under it is refused, which is where it matters.
                    Err(StoreError::Fenced(_) | StoreError::Withdrawn(_)) => return,
                    // A disk that is full just now must not cost the lease.
                    Err(_) => {}
                }
            }
        });
        Self { lease, renewal }
    }

    /// The same, and waits up to so long while somebody else has it. What is waited for is told once.
    pub async fn acquire_within(
        engine: &Engine,
        scope: &LeaseScope,
        wait: Duration,
    ) -> Result<Self, StoreError> {
        let begun = engine.clock.elapsed();
        let mut is_told = false;
        loop {
            let busy = match Self::acquire(engine, scope).await {
                Err(busy @ (StoreError::Busy { .. } | StoreError::Locked { .. })) => busy,
                other => return other,
            };
            let waited = engine.clock.elapsed().saturating_sub(begun);
            if waited >= wait || engine.stopping.is_cancelled() {
                return Err(busy);
            }
            if !is_told {
                let message = format!("{busy}; waiting up to {} s for it", wait.as_secs());
                engine.tell(Event::Warned { message });
                is_told = true;
            }
            tokio::select! {
                () = tokio::time::sleep(limits::LEASE_POLL.min(wait.saturating_sub(waited))) => {}
                () = engine.stopping.cancelled() => {}
            }
        }
    }

    /// Gives the lease back. A failure only delays the next holder until it expires.
    pub async fn release(self, engine: &Engine) {
        self.renewal.abort();
        let _ = engine.store.release(&self.lease).await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}
