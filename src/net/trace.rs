//! The steps that a conversation takes, with their times.

use std::sync::Arc;
use std::time::Duration;

use crate::model::clock::Clock;
use crate::model::failure::{Cause, RemoteError, StepTaken, TestStep};

/// The steps that a conversation has taken.
pub struct Trace {
    clock: Arc<dyn Clock>,
    steps: Vec<StepTaken>,
}

impl Trace {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, steps: Vec::new() }
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
