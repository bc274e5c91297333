//! What is said while many mailboxes are tested. On a terminal one line that counts, with failures above it; elsewhere
//! a line for each event; and a sign of life when nothing was said for a while.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::events::Printer;
use super::output;
use crate::model::clock::Clock;
use crate::model::event::{Event, Listener, TestResult};
use crate::model::failure::StepTaken;
use crate::model::limits;
use crate::model::name::Name;
use crate::model::operation::Operation;

/// On a terminal, up to so many mailboxes are told one by one.
const TOLD_MAX: usize = 20;

/// What was heard of tests that ended.
pub type Heard = BTreeMap<(Name, Operation), Tested>;

#[derive(Debug, Default)]
pub struct Tested {
    pub steps: Vec<StepTaken>,
    pub warning: Option<String>,
}

/// Tells events, and counts them while a run goes on.
pub struct Progress {
    /// `None`: nobody wants to know it in the end.
    heard: Mutex<Option<Heard>>,
    printer: Printer,
    clock: Arc<dyn Clock>,
    is_terminal: bool,
    run: Mutex<Run>,
}

#[derive(Default)]
struct Run {
    /// 0: no run is under way.
    mailboxes: usize,
    passed: u64,
    failed: u64,
    others: u64,
    begun: Duration,
    said: Duration,
    has_line: bool,
}

impl Progress {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let printer = Printer::new(Arc::clone(&clock));
        let is_terminal = std::io::stderr().is_terminal();
        Self { heard: Mutex::default(), printer, clock, is_terminal, run: Mutex::default() }
    }

    /// From now on, keeps what is heard of each test.
    pub fn keep_heard(&self) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
    }

    /// What was kept.
    pub fn take_heard(&self) -> Heard {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }

    fn keep(&self, event: &Event) {
        let mut kept = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(heard), Event::TestEnded { mailbox, operation, steps, result, .. }) =
            (kept.as_mut(), event)
        else {
            return;
        };
        let warning = match result {
            TestResult::Passed { warning } => warning.clone(),
            TestResult::Failed(_) | TestResult::Deferred { .. } => None,
        };
        let tested = Tested { steps: steps.clone(), warning };
        heard.insert((mailbox.clone(), *operation), tested);
    }

    /// So many mailboxes are about to be tested.
    pub fn begin(&self, mailboxes: usize) {
        let now = self.clock.elapsed();
        *self.lock() = Run { mailboxes, begun: now, said: now, ..Run::default() };
    }

    /// Takes the counting line away.
    pub fn end(&self) {
        let mut run = self.lock();
        clear(&mut run);
        *run = Run::default();
    }

    /// Says that the run goes on, if nothing was said for a while. To be called now and then.
    pub fn tick(&self) {
        let mut run = self.lock();
        let now = self.clock.elapsed();
        if run.mailboxes == 0 {
            return;
        }
        if self.is_terminal && run.mailboxes > TOLD_MAX {
            self.draw(&mut run);
        } else if now.saturating_sub(run.said) >= limits::HEARTBEAT {
            run.said = now;
            output::talk(&format!("still at work: {}", run.words(now)));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self, run: &mut Run) {
        let words = run.words(self.clock.elapsed());
        output::fragment(&format!("\r\u{1b}[K{words}"));
        run.has_line = true;
    }
}

impl Run {
    fn words(&self, now: Duration) -> String {
        let Self { mailboxes, passed, failed, others, .. } = self;
        let seconds = now.saturating_sub(self.begun).as_secs();
        let mailboxes = output::counted(*mailboxes, "mailbox", "mailboxes");
        let mut words = format!("testing {mailboxes}: {passed} tests passed, {failed} failed");
        if *others > 0 {
            words.push_str(&format!(", {others} not run"));
        }
        format!("{words}, {seconds} s")
    }
}

fn clear(run: &mut Run) {
    if run.has_line {
        output::fragment("\r\u{1b}[K");
        run.has_line = false;
    }
}

impl Listener for Progress {
    fn tell(&self, event: Event) {
        self.keep(&event);
        let mut run = self.lock();
        let is_counted = self.is_terminal && run.mailboxes > TOLD_MAX;
        if let Event::TestEnded { result, .. } = &event {
            let is_told = match result {
                TestResult::Passed { warning } => {
                    run.passed += 1;
                    !is_counted || warning.is_some()
                }
                TestResult::Failed(_) => {
                    run.failed += 1;
                    true
                }
                TestResult::Deferred { .. } => {
                    run.others += 1;
                    !is_counted
                }
            };
            if !is_told {
                // Redrawn a few times in a second at most, by the tick.
                return;
            }
        }
        clear(&mut run);
        run.said = self.clock.elapsed();
        drop(run);
        self.printer.tell(event);
    }
}

/// Lets a progress tick while something is done.
pub async fn ticking<T>(progress: &Progress, work: impl Future<Output = T>) -> T {
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    tokio::pin!(work);
    loop {
        tokio::select! {
            result = &mut work => return result,
            _ = tick.tick() => progress.tick(),
        }
    }
}
