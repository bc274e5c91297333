//! Straight-line orchestration over the doors of the other rooms. It decides nothing: `plan` and `sync` do.
//!
//! The engine does not know which protocols or databases exist.

pub mod apply;
mod aside;
mod attention;
pub mod clock;
pub mod compare;
pub mod destination;
pub mod doctor;
pub mod drive;
pub mod first_tests;
mod forwarding;
pub mod incoming;
mod intake;
mod job;
pub mod lease;
mod listening;
pub mod opening;
pub mod outgoing;
pub mod permits;
pub mod queue;
pub mod reading;
mod receive_back;
pub mod reconcile;
mod returned;
mod rotation;
pub mod run;
pub mod session;
pub mod settling;
pub mod test_and_enable;
pub mod watch;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::model::alert::Alert;
use crate::model::clock::Clock;
use crate::model::event::{Event, Listener};
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::lease::Holder;
use crate::model::limits;
use crate::model::organization::{AlertSettings, Organization, Retry};
use crate::remote::Pool;
use crate::remote::Remotes;
use crate::secrets::Unseal;
use crate::store::{Store, StoreError};
use crate::sync::alerts;

/// Everything that the engine acts through.
pub struct Engine {
    pub store: Arc<dyn Store>,
    pub remotes: Arc<dyn Remotes>,
    pub secrets: Arc<dyn Unseal>,
    pub clock: Arc<dyn Clock>,
    pub listener: Arc<dyn Listener>,
    /// This process, as it appears in leases.
    pub holder: Holder,
    pub permits: permits::Permits,
    /// Sessions that stay logged in between two cycles.
    pub sessions: Pool,
    /// Cancelled when the process is asked to stop: work ends at the next safe place.
    pub stopping: CancellationToken,
}

impl Engine {
    fn tell(&self, event: Event) {
        self.listener.tell(event);
    }

    /// Tells those alerts that the organization wants, and returns them for the store.
    fn raise(&self, alerts: impl IntoIterator<Item = Alert>, settings: &AlertSettings) -> Vec<Alert> {
        let wanted = alerts.into_iter().filter(|alert| alerts::is_wanted(alert.level, settings));
        let wanted: Vec<Alert> = wanted.map(|alert| alerts::addressed(alert, settings)).collect();
        for alert in &wanted {
            self.tell(Event::Alerted(alert.clone()));
        }
        wanted
    }

    /// Works until it is done. `None`: the process was asked to stop, and has waited so long since.
    async fn unless_stopped<T>(&self, wait: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = async { self.stopping.cancelled().await; tokio::time::sleep(wait).await } => None,
        }
    }

    /// The retry and alert settings of the last apply.
    async fn settings(&self) -> Result<Settings, StoreError> {
        Ok(Settings::of(self.store.organization().await?))
    }
}

/// Bounds a whole call on a server: each wait in it has its own limit, and a server that drips would never reach one.
async fn bounded<T>(
    step: TestStep,
    call: impl Future<Output = Result<T, RemoteError>>,
) -> Result<T, RemoteError> {
    let seconds = limits::REMOTE_CALL_TIMEOUT.as_secs();
    tokio::time::timeout(limits::REMOTE_CALL_TIMEOUT, call)
        .await
        .unwrap_or_else(|_| Err(RemoteError::new(step, Cause::TimedOut { seconds })))
}

/// The organization's settings that the engine acts on.
#[derive(Debug, Clone)]
pub struct Settings {
    pub retry: Retry,
    pub alerts: AlertSettings,
}

impl Settings {
    fn of(organization: Option<Organization>) -> Self {
        match organization {
            Some(Organization { retry, alerts, .. }) => Self { retry, alerts },
            None => Self { retry: Retry::default(), alerts: AlertSettings::default() },
        }
    }
}

/// Why a piece of work ended early: the server's side or the store's.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
