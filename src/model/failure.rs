//! Failures of a conversation with a server: at which step, what caused it, in the server's words.
//!
//! A connector reports a [`RemoteError`]; `sync::classify` says what it means and what to do.

mod cause;

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits;
use super::operation::OperationState;
pub use cause::{Cause, GRAPH_PAGE, KerberosFault};

/// The named steps of a test, in the order in which they happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TestStep {
    /// Opening the secret that the login needs.
    Secret,
    /// Asking the OAuth 2.0 provider for an access token, or taking the one that is still valid.
    Token,
    /// Asking one place after the other where the Exchange of the mailbox is.
    Autodiscover,
    /// Host name to address.
    Resolve,
    /// TCP.
    Connect,
    /// Implicit TLS or STARTTLS, with verification.
    Tls,
    /// The server's greeting and capabilities.
    Greet,
    Authenticate,
    /// Opening the inbox.
    Open,
    /// Looking at the inbox rule that forwards each message, and making it or putting it right.
    ForwardRule,
    /// Listing and reading messages.
    Read,
    /// Submitting a message.
    Send,
    /// Waiting for the test's own message.
    ReceiveBack,
    /// Removing messages that were processed.
    Delete,
    /// Saying goodbye.
    Close,
}

impl TestStep {
    pub fn key(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Token => "token",
            Self::Autodiscover => "autodiscover",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Greet => "greet",
            Self::Authenticate => "authenticate",
            Self::Open => "open",
            Self::ForwardRule => "forward-rule",
            Self::Read => "read",
            Self::Send => "send",
            Self::ReceiveBack => "receive-back",
            Self::Delete => "delete",
            Self::Close => "close",
        }
    }
}

impl fmt::Display for TestStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// A failed conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{step}: {cause}")]
pub struct RemoteError {
    pub step: TestStep,
    pub cause: Cause,
}

impl RemoteError {
    pub fn new(step: TestStep, cause: Cause) -> Self {
        Self { step, cause }
    }
}

/// Ends a server's words that were too long to be quoted whole.
pub const CUT: char = '…';

/// Cuts and cleans what a server said, so that it can be quoted: one line, no control characters, a limit; [`CUT`] at
/// the end of words that were longer. An ellipsis of the server's own becomes three dots.
pub fn server_words(text: &str) -> String {
    let text = text.trim();
    let clean = |c: char| match c {
        CUT => "...".chars().collect::<Vec<_>>(),
        c if c.is_control() => vec![' '],
        c => vec![c],
    };
    let mut characters = text.chars().flat_map(clean);
    let mut words: String = characters.by_ref().take(limits::SERVER_WORDS_CHARACTERS_MAX).collect();
    if characters.next().is_some() {
        words.push(CUT);
    }
    if words.is_empty() { "(no words)".to_owned() } else { words }
}

/// Whether waiting may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Nature {
    Transient,
    Permanent,
}

/// Whom a failure concerns, and who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    Message,
    Mailbox,
    Profile,
}

/// A judged failure: [`RemoteError`] with its class, its meaning and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failure {
    pub error: RemoteError,
    /// Stable, for scripts: `login-refused`, `connection-refused` …
    pub code: String,
    pub nature: Nature,
    pub scope: Scope,
    /// What it means, in a sentence.
    pub meaning: String,
    /// What to do next, in a sentence.
    pub remedy: String,
}

impl Failure {
    pub fn summary(&self) -> FailureSummary {
        FailureSummary {
            code: self.code.clone(),
            step: self.error.step,
            nature: self.nature,
            scope: self.scope,
            cause: self.error.cause.to_string(),
            remedy: self.remedy.clone(),
        }
    }

    /// As people are told of it once it has led to `state`: what is given up is not tried again by itself.
    pub fn leading_to(self, state: &OperationState) -> Self {
        match state {
            OperationState::Disabled(given_up) => Self { remedy: given_up.remedy.clone(), ..self },
            OperationState::Off(_)
            | OperationState::AwaitingTest(_)
            | OperationState::Testing
            | OperationState::Enabled
            | OperationState::Retrying { .. }
            | OperationState::Trying { .. } => self,
        }
    }
}

/// The part of a failure that the store keeps with a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FailureSummary {
    pub code: String,
    pub step: TestStep,
    pub nature: Nature,
    pub scope: Scope,
    pub cause: String,
    pub remedy: String,
}

/// One step that succeeded, and the time it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StepTaken {
    pub step: TestStep,
    pub took: Duration,
    /// For people: `TLS 1.3`, `SCRAM-SHA-256`, `312 messages`.
    pub detail: Option<String>,
}
