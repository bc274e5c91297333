//! An examination as it is told: the same members for people and programs.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::model::examination::{CertificateFacts, Examination, LoginTried, Remark, Verdict};
use crate::model::failure::{Failure, Nature, Scope, StepTaken, TestStep};
use crate::model::operation::Operation;
use crate::sync::doctor::{days_left, is_expired};
use crate::sync::{entra, exchange, graph, known};

/// One direction of one mailbox.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    pub mailbox: String,
    pub address: String,
    pub profile: String,
    pub operation: Operation,
    /// `host:port`
    pub server: Option<String>,
    pub result: Outcome,
    /// Why nothing was tried.
    pub reason: Option<String>,
    /// Those that succeeded.
    pub steps: Vec<Step>,
    pub certificates: Vec<Certificate>,
    /// What the server offers before the login.
    pub capabilities: Vec<String>,
    pub logins: Vec<LoginTried>,
    pub failure: Option<Explained>,
    /// What works and will not for long, or looks odd.
    pub remarks: Vec<Remark>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Works,
    Failed,
    NotTried,
    /// It is switched off, and was not contacted.
    Off,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    pub step: TestStep,
    pub milliseconds: f64,
    pub detail: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    #[serde(flatten)]
    pub facts: CertificateFacts,
    /// Whole days. Negative: it expired so many days ago.
    pub days_left: i64,
    pub expired: bool,
}

/// A failure in words.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    pub step: TestStep,
    pub code: String,
    /// What happened, in the server's words where it said some.
    pub cause: String,
    pub nature: Nature,
    pub scope: Scope,
    pub meaning: String,
    /// Most likely first.
    pub likely: Vec<String>,
    /// What to do next.
    pub remedy: String,
}

impl Told {
    pub fn of(examination: &Examination, now: Timestamp) -> Self {
        let (result, reason, failure) = match &examination.verdict {
            Verdict::Works => (Outcome::Works, None, None),
            Verdict::NotTried(reason) => (Outcome::NotTried, Some(reason.clone()), None),
            Verdict::Off(reason) => (Outcome::Off, Some(reason.clone()), None),
            Verdict::Failed(failure) => (Outcome::Failed, None, Some(Explained::of(failure))),
        };
        let certificate = |facts: &CertificateFacts| {
            let (days_left, expired) = (days_left(facts, now), is_expired(facts, now));
            Certificate { facts: facts.clone(), days_left, expired }
        };
        Self {
            mailbox: examination.mailbox.to_string(),
            address: examination.address.to_string(),
            profile: examination.profile.to_string(),
            operation: examination.operation,
            server: examination.server.clone(),
            result,
            reason,
            steps: examination.steps.iter().map(Step::of).collect(),
            certificates: examination.found.certificates.iter().map(certificate).collect(),
            capabilities: examination.found.capabilities.clone(),
            logins: examination.logins.clone(),
            failure,
            remarks: examination.remarks.clone(),
        }
    }

    /// Whether nothing is to be mended there.
    pub fn works(&self) -> bool {
        match self.result {
            Outcome::Works | Outcome::Off => true,
            Outcome::Failed | Outcome::NotTried => false,
        }
    }

    pub fn order(&self) -> (&str, Operation) {
        (&self.mailbox, self.operation)
    }
}

impl Step {
    fn of(taken: &StepTaken) -> Self {
        // Microseconds are as precise as it makes sense.
        let milliseconds = (taken.took.as_secs_f64() * 1_000_000.0).round() / 1000.0;
        Self { step: taken.step, milliseconds, detail: taken.detail.clone() }
    }
}

impl Explained {
    fn of(failure: &Failure) -> Self {
        let likely = exchange::likely(&failure.error)
            .or_else(|| graph::likely(&failure.error))
            .or_else(|| entra::likely(&failure.error));
        let likely = likely.unwrap_or_else(|| known::likely(&failure.error, &failure.code));
        Self {
            step: failure.error.step,
            code: failure.code.clone(),
            cause: failure.error.cause.to_string(),
            nature: failure.nature,
            scope: failure.scope,
            meaning: failure.meaning.clone(),
            likely: likely.iter().map(|words| (*words).to_owned()).collect(),
            remedy: failure.remedy.clone(),
        }
    }
}
