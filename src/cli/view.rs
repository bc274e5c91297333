//! What several listings show alike: the state of an operation, figures, secrets. Codes for programs, words for people.

use std::collections::BTreeMap;

use clap::ValueEnum;
use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

use super::{output, typed};
use crate::engine::drive::standing_of;
use crate::model::failure::FailureSummary;
use crate::model::operation::{Awaiting, OffReason, Operation, OperationState};
use crate::model::pending::Pending;
use crate::model::stored::StoredOperation;
use crate::store::MailboxFigures;
use crate::store::report::{SecretOrigin, StoredSecret};

/// The state of an operation, without what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum StateCode {
    Enabled,
    Retrying,
    Trying,
    Disabled,
    Testing,
    AwaitingTest,
    Off,
}

impl StateCode {
    pub fn of(state: &OperationState) -> Self {
        match state {
            OperationState::Off(_) => Self::Off,
            OperationState::AwaitingTest(_) => Self::AwaitingTest,
            OperationState::Testing => Self::Testing,
            OperationState::Enabled => Self::Enabled,
            OperationState::Retrying { .. } => Self::Retrying,
            OperationState::Trying { .. } => Self::Trying,
            OperationState::Disabled(_) => Self::Disabled,
        }
    }

    pub fn key(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::AwaitingTest => "awaiting-test",
            Self::Testing => "testing",
            Self::Enabled => "enabled",
            Self::Retrying => "retrying",
            Self::Trying => "trying",
            Self::Disabled => "disabled",
        }
    }
}

/// One operation of one mailbox.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationView {
    pub state: StateCode,
    /// Why it is off. Null unless `state` is `off`.
    pub off: Option<OffReason>,
    /// What its test waits for. Null unless `state` is `awaiting-test`.
    pub awaiting: Option<Awaiting>,
    /// Failures in a row. Null unless `state` is `retrying` or `trying`.
    pub attempts: Option<u16>,
    /// When it is tried again. Null unless `state` is `retrying` or `trying`.
    pub retry_at: Option<Timestamp>,
    /// Since when it is in this state.
    pub changed_at: Option<Timestamp>,
    /// When it was last tested.
    pub tested_at: Option<Timestamp>,
    /// When its last cycle ended.
    pub cycle_at: Option<Timestamp>,
    /// Why it does not work: of `retrying`, `trying` and `disabled`.
    pub failure: Option<FailureSummary>,
    /// The failure's step and cause, for people.
    pub cause: Option<String>,
    /// What to do, for people.
    pub remedy: Option<String>,
    /// The declared change that waits for its test, while the operation works on as before.
    pub pending: Option<PendingView>,
    /// The state as the text form shows it.
    pub text: String,
}

/// A declared change that is not in use yet.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingView {
    /// The code of its failure, or what it waits for.
    pub reason: String,
    /// Tests that failed in a row.
    pub attempts: u16,
    /// When the last one failed, or since when it waits.
    pub at: Timestamp,
    /// The failure's step and cause, for people.
    pub cause: Option<String>,
    /// What to do, for people.
    pub remedy: Option<String>,
}

impl PendingView {
    fn of(pending: &Pending) -> Self {
        let (attempts, at) = match pending {
            Pending::Waiting { awaiting: _, since } => (0, *since),
            Pending::Failed { failure: _, attempts, at } => (*attempts, *at),
        };
        let failure = pending.failure();
        Self {
            reason: pending.to_string(),
            attempts,
            at,
            cause: failure.map(|failure| format!("{}: {}", failure.step, failure.cause)),
            remedy: failure.map(|failure| failure.remedy.clone()),
        }
    }

    pub fn words(&self) -> String {
        let at = output::moment(self.at);
        let (Some(cause), Some(remedy)) = (&self.cause, &self.remedy) else {
            return format!(
                "its change waits for its test since {at} ({}); the former version works on\n  \
                 do: {}",
                self.reason,
                typed::advice("run `mailplumb test`, or leave it to `mailplumb watch`")
            );
        };
        let times = match self.attempts {
            1 => "its test".to_owned(),
            attempts => format!("{attempts} tests"),
        };
        format!(
            "its change failed {times} and is not in use, last at {at}; the former version works on\n  \
             {}\n  do: {}",
            output::shown(cause),
            typed::remedy(remedy)
        )
    }
}

/// By operation: `incoming`, `outgoing`, `act`; all three are always there.
pub type Operations = BTreeMap<Operation, OperationView>;

pub fn operations(stored: &BTreeMap<Operation, StoredOperation>) -> Operations {
    Operation::ALL.into_iter().map(|one| (one, operation(stored, one))).collect()
}

fn operation(operations: &BTreeMap<Operation, StoredOperation>, operation: Operation) -> OperationView {
    let standing = standing_of(operations, operation);
    let (text, state) = (standing.to_string(), standing.state);
    let stored = operations.get(&operation);
    let mut view = OperationView {
        state: StateCode::of(&state),
        off: None,
        awaiting: None,
        attempts: None,
        retry_at: None,
        changed_at: stored.map(|stored| stored.changed_at),
        tested_at: stored.and_then(|stored| stored.tested_at),
        cycle_at: stored.and_then(|stored| stored.cycle_at),
        failure: None,
        cause: None,
        remedy: None,
        pending: standing.pending.as_ref().map(PendingView::of),
        text,
    };
    match state {
        OperationState::Off(reason) => view.off = Some(reason),
        OperationState::AwaitingTest(awaiting) => view.awaiting = Some(awaiting),
        OperationState::Testing | OperationState::Enabled => {}
        OperationState::Retrying { attempts, until, failure }
        | OperationState::Trying { attempts, until, failure } => {
            (view.attempts, view.retry_at, view.failure) = (Some(attempts), Some(until), Some(failure));
        }
        OperationState::Disabled(failure) => view.failure = Some(failure),
    }
    if let Some(failure) = &view.failure {
        view.cause = Some(format!("{}: {}", failure.step, failure.cause));
        view.remedy = Some(failure.remedy.clone());
    }
    view
}

/// What waits in the outbox, or needs a person.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutboxFigures {
    pub pending: u64,
    pub unsure: u64,
    pub failed: u64,
    pub oldest_pending_at: Option<Timestamp>,
}

impl OutboxFigures {
    pub fn of(figures: &MailboxFigures) -> Self {
        Self {
            pending: figures.outbox_pending,
            unsure: figures.outbox_unsure,
            failed: figures.outbox_failed,
            oldest_pending_at: figures.oldest_pending_at,
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.pending += other.pending;
        self.unsure += other.unsure;
        self.failed += other.failed;
        self.oldest_pending_at = match (self.oldest_pending_at, other.oldest_pending_at) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    /// `1 pending, 2 failed`, or `empty`.
    pub fn words(&self) -> String {
        let counts = [(self.pending, "pending"), (self.unsure, "unsure"), (self.failed, "failed")];
        let words: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if words.is_empty() { "empty".to_owned() } else { words.join(", ") }
    }
}

/// Where a secret's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    /// An age ciphertext, kept in the store and never shown.
    Age,
    File,
    Env,
    Bundle,
}

/// A declared secret. Neither its value nor its ciphertext is shown anywhere.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretView {
    /// `secret/mail/password`
    pub resource: String,
    pub source: SecretSource,
    /// The file or the variable. Null for `age`.
    pub place: Option<String>,
    /// Of the ciphertext, or of the name of the file or variable: changes when that changes.
    pub digest: String,
    /// Names of recipients, as the manifest says.
    pub sealed_to: Vec<String>,
    pub expires: Option<Date>,
    /// Addresses of what names it.
    pub used_by: Vec<String>,
}

impl SecretView {
    pub fn of(secret: &StoredSecret, used_by: Vec<String>) -> Self {
        let (source, place) = match &secret.origin {
            SecretOrigin::Ciphertext => (SecretSource::Age, None),
            SecretOrigin::File(path) => (SecretSource::File, Some(path.clone())),
            SecretOrigin::Variable(name) => (SecretSource::Env, Some(name.clone())),
            SecretOrigin::Bundle { file, key } => (SecretSource::Bundle, Some(format!("{file} ({key})"))),
        };
        Self {
            resource: format!("secret/{}", secret.secret),
            source,
            place,
            digest: secret.digest.0.clone(),
            sealed_to: secret.sealed_to.clone(),
            expires: secret.expires,
            used_by,
        }
    }
}
