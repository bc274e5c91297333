//! A mailbox: what is declared, how each operation fares and since when, what waits, and what was last said about it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::in_use::{self, InUse};
use super::lines;
use crate::cli::exit::Failure;
use crate::cli::get::kind_words;
use crate::cli::output;
use crate::cli::state::CursorView;
use crate::cli::typed;
use crate::cli::view::{self, OperationView, Operations, OutboxFigures, StateCode};
use crate::engine::clock::SystemClock;
use crate::model::alert::Alert;
use crate::model::approval::{Decision, Verdict};
use crate::model::clock::Clock;
use crate::model::discovered::Discovered;
use crate::model::forwarding::ForwardRule;
use crate::model::lease::LeaseScope;
use crate::model::mailbox::{Accept, Mailbox};
use crate::model::name::{Address, Name};
use crate::model::operation::{OffReason, Operation};
use crate::model::organization::ApprovalSource;
use crate::model::outbox::{OutgoingMessage, OutgoingState};
use crate::model::profile::{ExchangeLocation, Server};
use crate::store::report::{Report, Standing};
use crate::store::sqlite::SqliteStore;
use crate::store::{Cycles, MailboxRow, OutboxQuery, Store};
use crate::sync::doctor::not_received_back;

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MailboxTold {
    declared: Mailbox,
    /// The type of its profile's server: `imapSmtp`. Null: it has no profile.
    server: Option<&'static str>,
    /// "Process mail from" as it holds. Null: incoming was never enabled, and the mailbox has no date of its own.
    process_from: Option<Timestamp>,
    /// The date of its profile, which a mailbox without one takes over when it is first enabled.
    #[serde(skip)]
    profile_from: Option<Timestamp>,
    /// Where this organization approves addresses.
    approval_source: ApprovalSource,
    /// The last decision by command about its address. Null: none.
    decision: Option<Decision>,
    operations: Operations,
    /// What works as before a change that has not passed its test. Those that work with what is declared are left out.
    in_use: BTreeMap<Operation, InUse>,
    /// Where Autodiscover found its Exchange. Null: it was not searched, or the profile says where it is.
    discovered: Option<Discovered>,
    /// The inbox rule that forwards its mail, as it was last seen. Null: it has none of ours.
    forward_rule: Option<ForwardRule>,
    /// Since when the message is missing that a test sent to the mailbox itself. Null: it came back, or none was sent.
    not_received_back: Option<Timestamp>,
    /// Null: never read.
    cursor: Option<CursorView>,
    records: u64,
    quarantined: u64,
    outbox: OutboxFigures,
    /// What is still to be sent or needs a person, newest first, at most ten.
    open_messages: Vec<OutgoingMessage>,
    /// Newest first, at most ten.
    alerts: Vec<Alert>,
    /// Who works on it at this moment. Null: nobody.
    worked_on_by: Option<String>,
}

const LISTED: u64 = 10;
const SHOWN: usize = 5;

pub async fn tell(store: &SqliteStore, name: &Name) -> Result<Option<MailboxTold>, Failure> {
    let Some(row) = store.mailbox(name).await? else { return Ok(None) };
    let figures = store.figures(name).await?;
    let mut open_messages = Vec::new();
    for state in
        [OutgoingState::Pending, OutgoingState::Sending, OutgoingState::Unsure, OutgoingState::Failed]
    {
        let query = OutboxQuery {
            mailbox: Some(name.clone()),
            state: Some(state),
            limit: Some(LISTED),
            ..OutboxQuery::default()
        };
        open_messages.extend(store.outbox(&query).await?);
    }
    open_messages.sort_by_key(|message| std::cmp::Reverse(message.id));
    open_messages.truncate(usize::try_from(LISTED).unwrap_or(usize::MAX));
    let approval = store.organization().await?.map(|organization| organization.approval);
    let now = SystemClock::new().now();
    let lease = store.lease(&LeaseScope::Mailbox(name.clone())).await?;
    let worker = lease.filter(|lease| lease.standing == Standing::Held && lease.expires_at > now);
    Ok(Some(MailboxTold {
        server: row.profile.as_ref().map(|profile| profile.server.kind().key()),
        process_from: row.stored.mail_from(),
        profile_from: row.profile.as_ref().and_then(|profile| profile.processing.from),
        approval_source: approval.unwrap_or_default().source,
        decision: store.decisions().await?.remove(name),
        operations: view::operations(&row.stored.operations),
        in_use: in_use::of(&row),
        discovered: discovered(store, &row).await?,
        forward_rule: store.forward_rule(name).await?,
        not_received_back: figures.not_received_back,
        cursor: CursorView::of(&store.cursor(name).await?),
        records: figures.records,
        quarantined: figures.quarantined,
        outbox: OutboxFigures::of(&figures),
        open_messages,
        alerts: store.alerts_about(name, LISTED).await?,
        worked_on_by: worker.map(|lease| lease.holder.to_string()),
        declared: row.stored.declared,
    }))
}

/// What was found matters only for a profile that has it searched.
async fn discovered(store: &SqliteStore, row: &MailboxRow) -> Result<Option<Discovered>, Failure> {
    let declared = &row.stored.declared;
    match row.profile.as_ref().map(|profile| &profile.server) {
        Some(Server::Exchange(exchange)) => match exchange.location {
            ExchangeLocation::Autodiscover { .. } => {
                let found = store.discovered(&declared.name).await?;
                Ok(found.filter(|found| found.address == declared.address))
            }
            ExchangeLocation::Fixed { .. } => Ok(None),
        },
        Some(Server::ExchangeOnline(_) | Server::Pop3Smtp(_) | Server::ImapSmtp(_)) | None => Ok(None),
    }
}

pub fn words(told: &MailboxTold) -> String {
    let declared = &told.declared;
    let mut head = format!("mailbox/{}  {}  {}", declared.name, declared.address, kind_words(declared.kind));
    if let Some(name) = &declared.display_name {
        head.push_str(&format!("  {}", output::shown(name)));
    }
    let mut parts = vec![head];
    for (operation, of) in &told.operations {
        parts.push(operation_words(*operation, of, told));
    }
    parts.push(format!("figures\n{}", lines(&figures(told))));
    parts.push(format!("declared\n{}", lines(&settings(told))));
    if !told.open_messages.is_empty() {
        let rows = told.open_messages.iter().take(SHOWN).map(message_words);
        parts.push(format!("not sent yet\n{}", rows.collect::<Vec<_>>().join("\n")));
    }
    if !told.alerts.is_empty() {
        let alerts = told.alerts.iter().take(SHOWN).map(crate::cli::alerts::words);
        parts.push(format!("latest alerts\n{}", alerts.collect::<Vec<_>>().join("\n")));
    }
    parts.join("\n\n")
}

/// What an on-call person looks for first: the state, since when, why, and what to do.
fn operation_words(operation: Operation, of: &OperationView, told: &MailboxTold) -> String {
    let since = of.changed_at.map_or_else(String::new, |at| format!(" since {}", output::moment(at)));
    let mut text = format!("{:<9} {}{since}", operation.key(), of.text);
    if let (Some(cause), Some(remedy)) = (&of.cause, &of.remedy) {
        let step = of.failure.as_ref().map_or("-", |failure| failure.step.key());
        let cause = cause.strip_prefix(&format!("{step}: ")).unwrap_or(cause);
        text.push_str(&format!(
            "\n  failed at step {step}: {}\n  do: {}",
            output::shown(cause),
            typed::remedy(remedy)
        ));
    }
    if let Some(pending) = &of.pending {
        text.push_str(&format!("\n  {}", pending.words()));
        if let Some(in_use) = told.in_use.get(&operation) {
            text.push_str(&format!("\n  in use     {}", output::shown(&in_use.words())));
        }
    }
    if let Some(hint) = next_step(of, told) {
        text.push_str(&format!("\n  do: {}", typed::advice(&hint)));
    }
    if of.state == StateCode::Off {
        return text;
    }
    let worked = match operation {
        Operation::Incoming => "last read",
        Operation::Outgoing => "last sent",
        Operation::Act => "last cycle",
    };
    text.push_str(&format!("\n  last test  {}", output::moment_or_dash(of.tested_at)));
    text.push_str(&format!("\n  {worked:<9}  {}", output::moment_or_dash(of.cycle_at)));
    text
}

/// For states that are no failure, and that a person may want to change all the same.
fn next_step(of: &OperationView, told: &MailboxTold) -> Option<String> {
    match (of.state, of.off) {
        (StateCode::Off, Some(OffReason::NotApproved)) => Some(match told.approval_source {
            ApprovalSource::Manifest => {
                format!("approve it with `approved: {}` in the manifest", told.declared.address)
            }
            ApprovalSource::Command => {
                format!("`mailplumb approve {}`, then `mailplumb apply`", told.declared.name)
            }
        }),
        (StateCode::Off, Some(OffReason::NoProfile)) => Some("give it a profile in the manifest".to_owned()),
        (StateCode::AwaitingTest | StateCode::Testing, _) => {
            Some(format!("`mailplumb test {}`, or let `mailplumb watch` do it", told.declared.name))
        }
        (
            StateCode::Off
            | StateCode::Enabled
            | StateCode::Retrying
            | StateCode::Trying
            | StateCode::Disabled,
            None
            | Some(
                OffReason::MethodNone
                | OffReason::NotApproved
                | OffReason::MailboxInactive
                | OffReason::ProfileInactive
                | OffReason::NoProfile
                | OffReason::ForwardMailbox,
            ),
        ) => None,
    }
}

fn figures(told: &MailboxTold) -> Vec<(&'static str, String)> {
    let mut pairs = vec![(
        "records",
        match told.quarantined {
            0 => told.records.to_string(),
            count => format!("{}, {count} of them quarantined", told.records),
        },
    )];
    let oldest = told.outbox.oldest_pending_at;
    let oldest = oldest.map_or_else(String::new, |at| format!(" (the oldest since {})", output::moment(at)));
    pairs.push(("outbox", format!("{}{oldest}", told.outbox.words())));
    let cursor = told.cursor.as_ref().map_or_else(
        || "never read".to_owned(),
        |cursor| match (cursor.uid_last, cursor.seen) {
            (Some(last), _) => {
                format!("up to UID {last} (UIDVALIDITY {})", cursor.uid_validity.unwrap_or_default())
            }
            (None, seen) => format!("{} messages at the server are dealt with", seen.unwrap_or_default()),
        },
    );
    if let Some(found) = &told.discovered {
        let words =
            format!("{} (found at {}, by {})", found.url, output::moment(found.found_at), found.said_by);
        pairs.push(("server", words));
    }
    if let Some(since) = told.not_received_back {
        let remark = not_received_back(&told.declared.name, since);
        pairs.push(("warning", format!("{}; {}", remark.what, remark.remedy)));
    }
    pairs.push(("read", cursor));
    if let Some(worker) = &told.worked_on_by {
        pairs.push(("worked on by", worker.clone()));
    }
    pairs
}

fn decided(decision: &Decision, declared: &Mailbox) -> String {
    let verdict = match decision.verdict {
        Verdict::Approved => "yes",
        Verdict::Rejected => "rejected",
    };
    let other = match decision.address.same_as(&declared.address) {
        true => String::new(),
        false => format!(" for {}, which is another address", decision.address),
    };
    let reason = decision.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    let by = output::shown(&format!("by {}{reason}", decision.by));
    format!("{verdict}{other}, {by} ({})", output::moment(decision.at))
}

fn settings(told: &MailboxTold) -> Vec<(&'static str, String)> {
    let declared = &told.declared;
    let server = told.server.map_or_else(String::new, |server| format!(" ({server})"));
    let profile =
        declared.profile.as_ref().map_or_else(|| "none".to_owned(), |name| format!("{name}{server}"));
    let mut pairs = vec![("profile", profile)];
    if !declared.active {
        pairs.push(("active", "no: nothing is processed".to_owned()));
    }
    pairs.push((
        "approved",
        match told.approval_source {
            ApprovalSource::Manifest => match &declared.approved {
                Some(_) if declared.is_approved() => "yes".to_owned(),
                Some(other) => format!("for {other}, which is another address"),
                None => "no".to_owned(),
            },
            ApprovalSource::Command => {
                told.decision.as_ref().map_or_else(|| "no".to_owned(), |decision| decided(decision, declared))
            }
        },
    ));
    pairs.extend(forward_rule(told).map(|words| ("rule", words)));
    pairs.push(("accept", accept_words(declared.accept).to_owned()));
    let from = match (told.process_from, declared.process_from) {
        (Some(from), Some(_)) => format!("{} (its own date)", output::moment(from)),
        (Some(from), None) => output::moment(from),
        (None, _) => match told.profile_from {
            Some(from) => format!("{} (of its profile), once it is enabled", output::moment(from)),
            None => "the moment of enabling".to_owned(),
        },
    };
    pairs.push(("mail from", from));
    if declared.delete_after_processing {
        pairs.push(("at server", "messages are deleted once they are recorded".to_owned()));
    }
    if let Some(owner) = &declared.owner {
        pairs.push(("owner", owner.to_string()));
    }
    if let Some(own) = &declared.credentials {
        pairs.push(("login", format!("{} (secret/{})", own.username, own.password)));
    }
    if declared.lifecycle.prevent_destroy {
        pairs.push(("protected", "yes: `preventDestroy`".to_owned()));
    }
    if !declared.labels.is_empty() {
        let labels: Vec<String> =
            declared.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        pairs.push(("labels", labels.join(", ")));
    }
    pairs
}

/// Where an inbox rule forwards its mail, and whether it was seen to.
fn forward_rule(told: &MailboxTold) -> Option<String> {
    let is_kept = |to: &Address| told.forward_rule.as_ref().filter(|rule| rule.to.same_as(to));
    match (&told.declared.forward_to, &told.forward_rule) {
        (None, None) => None,
        (None, Some(rule)) => Some(format!(
            "forwards to {}, and is not declared any more; the next test of `incoming: server-side-sync` removes it",
            rule.to
        )),
        (Some(to), _) => Some(match is_kept(to) {
            Some(rule) => {
                let whose = if rule.id.is_some() { "" } else { ", by a rule that somebody made by hand" };
                let seen = output::moment(rule.checked_at);
                format!("every message is forwarded as an attachment to {to}{whose} (seen {seen})")
            }
            None => format!("forwards to {to}; not made yet"),
        }),
    }
}

fn accept_words(accept: Accept) -> &'static str {
    match accept {
        Accept::All => "all messages",
        Accept::Replies => "replies to tracked messages",
        Accept::KnownParties => "messages from known parties",
        Accept::AnyRecord => "messages from any e-mail-enabled record",
        Accept::None => "no messages",
    }
}

fn message_words(message: &OutgoingMessage) -> String {
    let subject = message.subject.as_deref().unwrap_or("(no subject)");
    let words = message.failure.as_ref().map_or_else(String::new, |failure| format!(": {}", failure.cause));
    output::shown(&format!(
        "  {:<6} {:<8} {}  {subject}{words}",
        message.id,
        message.state.key(),
        output::moment(message.changed_at)
    ))
}
