//! A report on the delivery of a message, met among what comes in: which outgoing message it is about.

use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::model::report::{DeliveryReport, Settled};
use crate::store::{OutboxQuery, StoreError};
use crate::sync::alerts::{self, Owners, Subject};
use crate::sync::report;

use super::Engine;

/// What it changes. `None`: it is about no message of this mailbox, or says nothing new.
pub(super) async fn settled(
    engine: &Engine,
    mailbox: &Name,
    report: &DeliveryReport,
) -> Result<Option<Settled>, StoreError> {
    for message_id in &report.about {
        let query = OutboxQuery {
            mailbox: Some(mailbox.clone()),
            message_id: Some(message_id.clone()),
            limit: Some(1),
            ..OutboxQuery::default()
        };
        let Some(mut message) = engine.store.outbox(&query).await?.pop() else { continue };
        let Some(outcome) = report::settle(&message, report, engine.clock.now()) else { return Ok(None) };
        let is_news = outcome.failure.is_some() && outcome.failure != message.failure;
        message.state = outcome.state;
        message.failure.clone_from(&outcome.failure);
        let row = engine.store.mailbox(mailbox).await?;
        let (declared, profile) = match &row {
            Some(row) => (Some(&row.stored.declared), row.profile.as_ref()),
            None => (None, None),
        };
        let subject = Subject {
            mailbox,
            profile: profile.map(|profile| &profile.name),
            owners: declared.map_or_else(Owners::default, |declared| Owners::of(declared, profile)),
            operation: Operation::Outgoing,
        };
        let alert = alerts::on_outgoing(subject, &message, outcome.at).filter(|_| is_news);
        let alerts = engine.raise(alert, &engine.settings().await?.alerts);
        return Ok(Some(Settled { outcome, alerts }));
    }
    Ok(None)
}
