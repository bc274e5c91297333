//! Mailboxes that a forward mailbox serves: an inbox rule at their server forwards what arrives, and this looks after the rule.
//! They are not read themselves.

use std::sync::Arc;

use jiff::Timestamp;

use super::destination::Route;
use super::{Engine, WorkError, bounded};
use crate::model::event::{Cycle, Event};
use crate::model::examination::Remark;
use crate::model::failure::TestStep;
use crate::model::forwarding::{ForwardRule, RuleOutcome, RuleWish};
use crate::model::lease::Lease;
use crate::model::name::Address;
use crate::model::pending::Standing;
use crate::remote::{Receive, Trace};
use crate::store::{MailboxRow, StoreError};

/// The rule by which a mailbox is served at present; `None`: it is read itself. While a change is pending that is what the last
/// passed test has left, whatever is declared.
pub(super) async fn in_force(
    engine: &Engine,
    row: &MailboxRow,
    standing: &Standing,
) -> Result<Option<ForwardRule>, StoreError> {
    let declared = &row.stored.declared;
    match (&declared.forward_to, &standing.pending) {
        (None, None) => Ok(None),
        (_, Some(_)) => engine.store.forward_rule(&declared.name).await,
        (Some(to), None) => {
            let unknown = ForwardRule { to: to.clone(), id: None, checked_at: Timestamp::UNIX_EPOCH };
            Ok(Some(engine.store.forward_rule(&declared.name).await?.unwrap_or(unknown)))
        }
    }
}

/// The cycle of such a mailbox: from time to time a look whether its rule is as it was made, so that nobody's mail ceases to come
/// unseen.
pub(super) async fn cycle(
    engine: &Engine,
    lease: &Lease,
    route: &Route<'_>,
    rule: ForwardRule,
) -> (Cycle, Result<(), WorkError>) {
    (Cycle::default(), look(engine, lease, route, rule).await)
}

async fn look(engine: &Engine, lease: &Lease, route: &Route<'_>, rule: ForwardRule) -> Result<(), WorkError> {
    if !rule.is_due(engine.clock.now()) {
        return Ok(());
    }
    let mut trace = Trace::new(Arc::clone(&engine.clock));
    let destination = route.destination(engine).await?;
    let mut session = bounded(TestStep::Connect, route.connector.receive(&destination, &mut trace)).await?;
    let wish = RuleWish { to: Some(rule.to.clone()), known: rule.id };
    let outcome = bounded(TestStep::ForwardRule, session.keep_rule(&wish)).await?;
    let mailbox = &route.mailbox.name;
    match &outcome {
        RuleOutcome::Created { .. } | RuleOutcome::Changed { .. } => engine.tell(Event::Warned {
            message: format!("mailbox/{mailbox}: the inbox rule that forwards to {} was {outcome}", rule.to),
        }),
        RuleOutcome::Unchanged { .. }
        | RuleOutcome::DoneByAnother { .. }
        | RuleOutcome::Removed
        | RuleOutcome::Absent
        | RuleOutcome::Missing
        | RuleOutcome::Wrong
        | RuleOutcome::InError
        | RuleOutcome::Overtaken { .. } => {}
    }
    note(engine, lease, route, Some((rule.to, &outcome))).await?;
    let _ = session.delete_and_close(&[]).await;
    Ok(())
}

/// Brings about the rule that a mailbox declares, as a step of its test.
pub(super) async fn deploy(
    (engine, lease): (&Engine, &Lease),
    (route, to): (&Route<'_>, &Address),
    session: &mut dyn Receive,
    trace: &mut Trace,
) -> Result<(), WorkError> {
    let known = engine.store.forward_rule(&route.mailbox.name).await?.and_then(|rule| rule.id);
    let wish = RuleWish { to: Some(to.clone()), known };
    let outcome = step(session, &wish, trace).await?;
    trace.detail(format!("to {to}: {outcome}"));
    note(engine, lease, route, Some((to.clone(), &outcome))).await?;
    Ok(())
}

/// Removes the rule of a mailbox that is read itself from now on, as the last step of its test; otherwise all its mail would come
/// twice.
pub(super) async fn withdraw(
    (engine, lease): (&Engine, &Lease),
    route: &Route<'_>,
    session: &mut dyn Receive,
    trace: &mut Trace,
) -> Result<(), WorkError> {
    let Some(rule) = engine.store.forward_rule(&route.mailbox.name).await? else { return Ok(()) };
    let wish = RuleWish { to: None, known: rule.id };
    let outcome = step(session, &wish, trace).await?;
    trace.detail(format!("to {}: {outcome}", rule.to));
    note(engine, lease, route, None).await?;
    Ok(())
}

/// Looks at the rule for somebody who wants to know and to change nothing. Returns what is to be done about it, if anything.
pub(super) async fn examine(
    engine: &Engine,
    route: &Route<'_>,
    session: &mut dyn Receive,
    trace: &mut Trace,
) -> Result<Option<Remark>, WorkError> {
    let Some(to) = &route.mailbox.forward_to else { return Ok(None) };
    let name = &route.mailbox.name;
    let known = engine.store.forward_rule(name).await?.and_then(|rule| rule.id);
    let wish = RuleWish { to: Some(to.clone()), known };
    let looking = async { session.look_for_rule(&wish).await.map_err(|error| error.cause) };
    let outcome = trace.step(TestStep::ForwardRule, looking).await?;
    trace.detail(format!("to {to}: {outcome}"));
    Ok(match outcome {
        RuleOutcome::Missing | RuleOutcome::Wrong | RuleOutcome::InError | RuleOutcome::Overtaken { .. } => {
            Some(Remark {
                what: format!(
                    "the inbox rule that forwards every message to {to} is not as declared: {outcome}"
                ),
                remedy: format!("`mailplumb test {name}` puts it right"),
            })
        }
        RuleOutcome::Unchanged { .. }
        | RuleOutcome::Created { .. }
        | RuleOutcome::Changed { .. }
        | RuleOutcome::DoneByAnother { .. }
        | RuleOutcome::Removed
        | RuleOutcome::Absent => None,
    })
}

async fn step(
    session: &mut dyn Receive,
    wish: &RuleWish,
    trace: &mut Trace,
) -> Result<RuleOutcome, WorkError> {
    let kept = async { session.keep_rule(wish).await.map_err(|error| error.cause) };
    Ok(trace.step(TestStep::ForwardRule, kept).await?)
}

async fn note(
    engine: &Engine,
    lease: &Lease,
    route: &Route<'_>,
    found: Option<(Address, &RuleOutcome)>,
) -> Result<(), StoreError> {
    let rule = found.map(|(to, outcome)| ForwardRule {
        to,
        id: outcome.id().map(str::to_owned),
        checked_at: engine.clock.now(),
    });
    engine.store.note_forward_rule(lease, &route.mailbox.name, rule.as_ref()).await
}
