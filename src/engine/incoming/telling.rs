//! What a person has to know of a cycle although it went on: messages in quarantine, and a server that removes nothing.

use jiff::SignedDuration;

use super::super::WorkError;
use super::Incoming;
use crate::model::alert::Alert;
use crate::model::event::Event;
use crate::model::failure::RemoteError;
use crate::model::limits;
use crate::model::operation::Operation;
use crate::sync::alerts::{self, Owners, Subject};

impl Incoming<'_> {
    fn subject(&self) -> Subject<'_> {
        let (mailbox, profile) = (self.route.mailbox, self.route.profile);
        Subject {
            mailbox: self.mailbox,
            profile: Some(&profile.name),
            owners: Owners::of(mailbox, Some(profile)),
            operation: Operation::Incoming,
        }
    }

    /// `reason`: why the first of them is not understood.
    pub(super) async fn tell_quarantined(&self, reason: &str) -> Result<(), WorkError> {
        let now = self.engine.clock.now();
        self.raise(alerts::on_quarantined(self.subject(), (self.cycle.quarantined, reason), now)).await
    }

    /// The records are durable, so nothing is lost: it is tried again in the next cycle, and told once a day.
    pub(super) async fn tell_not_removed(&self, error: &RemoteError) -> Result<(), WorkError> {
        self.tell_daily(alerts::on_not_removed(self.subject(), error, self.engine.clock.now())).await
    }

    /// The same of what cannot be processed and stays in the inbox.
    pub(super) async fn tell_not_set_aside(&self, error: &RemoteError) -> Result<(), WorkError> {
        self.tell_daily(alerts::on_not_set_aside(self.subject(), error, self.engine.clock.now())).await
    }

    async fn tell_daily(&self, alert: Alert) -> Result<(), WorkError> {
        let message = format!("mailbox/{}: {}", self.mailbox, alert.cause);
        self.engine.tell(Event::Warned { message });
        let day = SignedDuration::from_hours(24);
        let is_told = |known: &Alert| {
            known.code == alert.code
                && known.mailbox == alert.mailbox
                && alert.at.duration_since(known.at).abs() < day
        };
        let known = self.engine.store.alerts(limits::ALERTS_LOOKED_AT).await?;
        if known.iter().any(is_told) { Ok(()) } else { self.raise(alert).await }
    }

    async fn raise(&self, alert: Alert) -> Result<(), WorkError> {
        let settings = self.engine.settings().await?;
        Ok(self.engine.store.raise(&self.engine.raise([alert], &settings.alerts)).await?)
    }
}
