//! What Microsoft Graph says when it does not do what was asked.

use std::time::Duration;

use serde::Deserialize;

use super::document;
use super::expected::is_page;
use crate::model::failure::{Cause, GRAPH_PAGE, server_words};
use crate::protocol::ews::status::page_words;
use crate::protocol::http::Head;

/// Why there is no answer, by blame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// The service understood, and does not do it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What came is no answer to what was asked.
    #[error("{0}")]
    Garbage(String),
    #[error("{what} exceeds the limit of {limit}")]
    LimitExceeded { what: &'static str, limit: u64 },
}

impl GraphError {
    pub(super) fn limit(what: &'static str, limit: usize) -> Self {
        Self::LimitExceeded { what, limit: limit as u64 }
    }

    pub fn cause(self) -> Cause {
        match self {
            Self::Refused(refusal) => refusal.cause(),
            Self::Garbage(detail) => Cause::Garbage { detail },
            Self::LimitExceeded { what, limit } => Cause::LimitExceeded { what: what.to_owned(), limit },
        }
    }
}

/// A status that is none of success, with the service's code and words.
/// <https://learn.microsoft.com/graph/errors>
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("HTTP {status} {code}: {said}")]
pub struct Refusal {
    pub status: u16,
    /// `ErrorItemNotFound` …; empty, where the answer is none of Graph's own.
    pub code: String,
    pub said: String,
    pub retry_after: Option<Duration>,
}

#[derive(Deserialize)]
struct Document {
    error: Problem,
}

#[derive(Deserialize)]
struct Problem {
    code: Option<String>,
    message: Option<String>,
    #[serde(rename = "innerError", alias = "innererror")]
    inner: Option<Box<Inner>>,
}

#[derive(Deserialize)]
struct Inner {
    code: Option<String>,
}

/// Codes that stand for a more telling one inside of them.
const VAGUE: [&str; 5] =
    ["generalException", "UnknownError", "InternalServerError", "ErrorInternalServerError", "accessDenied"];

/// The service does not know any more what a link stands for.
/// <https://learn.microsoft.com/graph/delta-query-overview#synchronization-reset>
const FORGOTTEN: [&str; 5] = [
    "syncstatenotfound",
    "syncstateinvalid",
    "resyncrequired",
    "errorinvalidsyncstatedata",
    "fullsyncrequired",
];

impl Refusal {
    pub fn of(head: &Head, body: &[u8]) -> Self {
        let refusal = Self::new(head.status, body, head.retry_after());
        if let 300..=399 = head.status {
            let target = head.field("location").map_or("(nowhere)", host_of);
            return Self { said: format!("it leads elsewhere, to `{}`", server_words(target)), ..refusal };
        }
        let code = match head.status {
            401 | 408 | 423 | 429 => refusal.code,
            400..=499 if refusal.code.is_empty() && is_page(head) => GRAPH_PAGE.to_owned(),
            _ => refusal.code,
        };
        let said = if refusal.said.is_empty() { head.reason.clone() } else { refusal.said };
        Self { code, said, ..refusal }
    }

    /// What the service would say to a link that it does not know.
    pub fn forgotten() -> Self {
        let said = "the link is none of this service".to_owned();
        Self { status: 410, code: "syncStateNotFound".to_owned(), said, retry_after: None }
    }

    /// The same as said of a link: what it stands for is no more.
    pub fn of_forgotten_link(self) -> Self {
        Self { code: "syncStateNotFound".to_owned(), ..self }
    }

    /// The words are empty where there are none.
    pub(super) fn new(status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let (code, said) = match document::read::<Document>("an error", body) {
            Ok(Document { error }) => words(error),
            Err(_) => (String::new(), page_words(body).unwrap_or_default()),
        };
        Self { status, code, said, retry_after }
    }

    pub fn is_throttled(&self) -> bool {
        matches!(self.status, 429 | 503)
            || matches!(self.code.as_str(), "ApplicationThrottled" | "ErrorServerBusy")
    }

    /// The service gave up on its own work: less of it at once may help.
    pub fn took_too_long(&self) -> bool {
        self.status == 504 || self.code == "ErrorTimeoutExpired"
    }

    /// The item is not there (any more).
    pub fn is_missing(&self) -> bool {
        matches!(self.status, 404 | 410) && !self.has_forgotten() && self.code != GRAPH_PAGE
            || matches!(self.code.as_str(), "ErrorItemNotFound" | "ErrorMoveCopyFailed")
    }

    /// A link means nothing any more: the folder has to be listed from its beginning.
    pub fn has_forgotten(&self) -> bool {
        FORGOTTEN.contains(&self.code.to_ascii_lowercase().as_str())
    }

    /// As a cause of failure. Waiting is asked for in the words that all servers have for it.
    pub fn cause(self) -> Cause {
        let Self { status, code, said, retry_after } = self;
        let is_throttled = matches!(status, 429 | 503);
        let words = if code.is_empty() { said.clone() } else { format!("{code}: {said}") };
        match status {
            401 => Cause::LoginRefused { said: format!("HTTP 401 {words}") },
            _ if is_throttled || code == "ApplicationThrottled" => {
                let wait = retry_after.map(|wait| format!(" (retry after {} seconds)", wait.as_secs()));
                Cause::TemporarilyRefused {
                    said: format!("[THROTTLED] HTTP {status} {words}{}", wait.unwrap_or_default()),
                }
            }
            408 | 423 | 502 | 504 => Cause::TemporarilyRefused { said: format!("HTTP {status} {words}") },
            200..=299 => Cause::Garbage { detail: format!("HTTP {status} without an answer") },
            _ => Cause::Graph { status, code, said },
        }
    }
}

fn words(problem: Problem) -> (String, String) {
    let code = problem.code.unwrap_or_default();
    let inner = problem.inner.and_then(|inner| inner.code);
    let code = match inner {
        Some(inner) if VAGUE.contains(&code.as_str()) && !inner.is_empty() => inner,
        Some(_) | None => code,
    };
    let code = if code.is_empty() { code } else { server_words(&code) };
    (code, server_words(problem.message.as_deref().unwrap_or("it gives no reason")))
}

/// The host of a URL: what follows it may be meant for nobody else.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}
