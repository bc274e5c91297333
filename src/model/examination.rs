//! What `doctor` finds at one operation of one mailbox.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::failure::{Failure, StepTaken};
use super::name::{Address, Name};
use super::operation::Operation;

/// What a server showed of itself while it was spoken to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// As the server sent them, its own first; also those that were not accepted.
    pub certificates: Vec<CertificateFacts>,
    /// What it offers, in its own words.
    pub capabilities: Vec<String>,
    /// Ways to log in, as it names them.
    pub mechanisms: Vec<String>,
    /// The one that was used.
    pub logged_in_by: Option<String>,
    /// Its first words.
    pub greeting: Option<Greeting>,
}

/// What a server said first, and when that was by this machine's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    pub said: String,
    pub at: Timestamp,
}

/// The parts of a certificate that people look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateFacts {
    pub subject: String,
    pub issuer: String,
    /// Host names and addresses that it is for.
    pub names: Vec<String>,
    pub valid_from: Timestamp,
    pub valid_until: Timestamp,
}

/// One operation of one mailbox, examined.
#[derive(Debug, Clone)]
pub struct Examination {
    pub mailbox: Name,
    pub address: Address,
    pub profile: Name,
    pub operation: Operation,
    /// `host:port`; `None`: this version cannot speak to it.
    pub server: Option<String>,
    pub steps: Vec<StepTaken>,
    pub found: Found,
    /// What became of the other ways to log in.
    pub logins: Vec<LoginTried>,
    pub verdict: Verdict,
    /// What works and will not for long, or looks odd.
    pub remarks: Vec<Remark>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginTried {
    pub mechanism: String,
    pub accepted: bool,
    /// Why it was refused, or not tried.
    pub said: Option<String>,
}

#[derive(Debug, Clone)]
pub enum Verdict {
    Works,
    Failed(Box<Failure>),
    /// Nothing was tried, and why.
    NotTried(String),
    /// Nothing is to be done there at present, and why.
    Off(String),
}

/// Something that a person should know, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Remark {
    pub what: String,
    pub remedy: String,
}
