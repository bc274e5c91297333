//! The steps that a conversation takes, with their times.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::renewal::{Renewal, Renews};
use crate::model::clock::Clock;
use crate::model::examination::{Found, Greeting};
use crate::model::failure::{Cause, RemoteError, StepTaken, TestStep};

/// The steps that a conversation has taken.
pub struct Trace {
    clock: Arc<dyn Clock>,
    steps: Vec<StepTaken>,
    /// `None`: nobody wants to know.
    findings: Option<Findings>,
    /// Where the sessions that are opened find further access tokens.
    tokens: Option<Arc<dyn Renews>>,
}

/// What a server shows of itself, collected wherever it is seen.
#[derive(Debug, Clone, Default)]
pub struct Findings(Arc<Mutex<Found>>);

impl Findings {
    pub fn note(&self, note: impl FnOnce(&mut Found)) {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn found(&self) -> Found {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Trace {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, steps: Vec::new(), findings: None, tokens: None }
    }

    /// One that also collects what the server shows of itself.
    pub fn searching(clock: Arc<dyn Clock>) -> Self {
        Self { clock, steps: Vec::new(), findings: Some(Findings::default()), tokens: None }
    }

    /// For a trace of what comes later.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// Says where the sessions that are opened from now on find further access tokens.
    pub fn renew_with(&mut self, tokens: Option<Arc<dyn Renews>>) {
        self.tokens = tokens;
    }

    pub fn tokens(&self) -> Option<Arc<dyn Renews>> {
        self.tokens.clone()
    }

    /// For a session of its own.
    pub fn renewal(&self) -> Renewal {
        Renewal::by(self.tokens())
    }

    pub fn findings(&self) -> Option<&Findings> {
        self.findings.as_ref()
    }

    /// What a server offers before the login.
    pub fn offers(
        &self,
        capabilities: impl FnOnce() -> Vec<String>,
        mechanisms: impl FnOnce() -> Vec<String>,
    ) {
        if let Some(findings) = &self.findings {
            findings.note(|found| {
                (found.capabilities, found.mechanisms) = (capabilities(), mechanisms());
            });
        }
    }

    /// The first words of a server.
    pub fn greeted(&self, said: &str) {
        if let Some(findings) = &self.findings {
            let greeting = Greeting { said: said.to_owned(), at: self.clock.now() };
            findings.note(|found| found.greeting = Some(greeting));
        }
    }

    /// What was found; nothing unless it was searched for.
    pub fn found(&self) -> Found {
        self.findings.as_ref().map(Findings::found).unwrap_or_default()
    }

    /// Runs one step, notes its time when it succeeds, and names the step in the error when it fails.
    pub async fn step<T>(
        &mut self,
        step: TestStep,
        work: impl Future<Output = Result<T, Cause>>,
    ) -> Result<T, RemoteError> {
        let begun = self.clock.elapsed();
        let result = work.await.map_err(|cause| RemoteError::new(step, cause))?;
        let took = self.clock.elapsed().saturating_sub(begun);
        self.steps.push(StepTaken { step, took, detail: None });
        Ok(result)
    }

    /// Notes a step that is no failure, whatever came of it.
    pub fn note(&mut self, step: TestStep, begun: Duration, words: impl Into<String>) {
        let took = self.clock.elapsed().saturating_sub(begun);
        self.steps.push(StepTaken { step, took, detail: Some(words.into()) });
    }

    /// Time since some fixed moment of this process.
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Adds words for people to the step taken last.
    pub fn detail(&mut self, words: impl Into<String>) {
        if let Some(last) = self.steps.last_mut() {
            last.detail = Some(words.into());
        }
    }

    /// Changes the words of all steps.
    pub fn reword(&mut self, reword: impl Fn(&mut String)) {
        self.steps.iter_mut().filter_map(|step| step.detail.as_mut()).for_each(reword);
    }

    pub fn into_steps(self) -> Vec<StepTaken> {
        self.steps
    }
}
