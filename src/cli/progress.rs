//! What is said while many mailboxes are worked on. On a terminal a bar at its foot, with failures above it; elsewhere a line for
//! each event; and a sign of life when nothing was said for a while.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::bar::{self, Stand};
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
    /// A bar would hide what is said then.
    stopping: CancellationToken,
    /// `None`: talk goes elsewhere than to a terminal.
    columns: Option<usize>,
    run: Mutex<Run>,
}

/// What is done to many mailboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Doing {
    #[default]
    Tests,
    Cycles,
}

#[derive(Default)]
struct Run {
    doing: Doing,
    /// 0: no run is under way.
    mailboxes: usize,
    /// Tests or mailboxes, as far as it is known how many there will be.
    total: u64,
    done: u64,
    passed: u64,
    failed: u64,
    others: u64,
    begun: Duration,
    said: Duration,
}

impl Progress {
    pub fn new(clock: Arc<dyn Clock>, stopping: CancellationToken) -> Self {
        let (printer, columns) = (Printer::new(Arc::clone(&clock)), output::columns_of_talk());
        Self { heard: Mutex::default(), printer, clock, stopping, columns, run: Mutex::default() }
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

    /// So many mailboxes are about to be worked on.
    pub fn begin(&self, doing: Doing, mailboxes: usize) {
        let now = self.clock.elapsed();
        let total = mailboxes as u64;
        *self.lock() = Run { doing, mailboxes, total, begun: now, said: now, ..Run::default() };
    }

    /// All of one mailbox is done.
    pub fn advance(&self) {
        self.lock().done += 1;
    }

    /// Takes the bar away.
    pub fn end(&self) {
        *self.lock() = Run::default();
        output::clear_foot();
    }

    /// Draws the bar, or says that the run goes on if nothing was said for a while. To be called now and then.
    pub fn tick(&self) {
        let mut run = self.lock();
        let now = self.clock.elapsed();
        match self.columns {
            _ if run.mailboxes == 0 => {}
            Some(_) if self.stopping.is_cancelled() => output::clear_foot(),
            Some(columns) => output::foot(&run.bar(now, columns)),
            None if now.saturating_sub(run.said) >= limits::HEARTBEAT => {
                run.said = now;
                output::talk(&format!("still at work: {}", run.words(now)));
            }
            None => {}
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an event is told, or only counted: on a terminal, what went well with one of very many.
    fn is_told(&self, run: &mut Run, event: &Event) -> bool {
        let is_counted = self.columns.is_some() && run.mailboxes > TOLD_MAX;
        match event {
            Event::RunBegun { tests } => run.total = *tests as u64,
            Event::TestEnded { result, .. } => {
                run.done += 1;
                match result {
                    TestResult::Passed { warning } => {
                        run.passed += 1;
                        return !is_counted || warning.is_some();
                    }
                    TestResult::Failed(_) => run.failed += 1,
                    TestResult::Deferred { .. } => {
                        run.others += 1;
                        return !is_counted;
                    }
                }
            }
            Event::CycleFailed { .. } => run.failed += 1,
            Event::CycleEnded { .. } => {
                run.passed += 1;
                return !is_counted;
            }
            Event::Applied { .. }
            | Event::TestBegun { .. }
            | Event::Switched { .. }
            | Event::Skipped { .. }
            | Event::Alerted(_)
            | Event::Reconciled { .. }
            | Event::Waiting { .. }
            | Event::KeptLastGood { .. }
            | Event::Warned { .. } => {}
        }
        true
    }
}

impl Run {
    fn bar(&self, now: Duration, columns: usize) -> String {
        let mut remarks = Vec::new();
        for (count, what) in [(self.failed, "failed"), (self.others, "not run")] {
            remarks.extend((count > 0).then(|| format!("{count} {what}")));
        }
        let (doing, units) = match self.doing {
            Doing::Tests => ("testing", "tests"),
            Doing::Cycles => ("synchronising", "mailboxes"),
        };
        let (done, total, elapsed) = (self.done, self.total, now.saturating_sub(self.begun));
        bar::render(Stand { doing, units, done, total, remark: &remarks.join(", "), elapsed }, columns)
    }

    fn words(&self, now: Duration) -> String {
        let Self { mailboxes, passed, failed, others, .. } = self;
        let seconds = now.saturating_sub(self.begun).as_secs();
        let mailboxes = output::counted(*mailboxes, "mailbox", "mailboxes");
        let mut words = match self.doing {
            Doing::Tests => format!("testing {mailboxes}: {passed} tests passed, {failed} failed"),
            Doing::Cycles => format!("synchronising {mailboxes}: {passed} cycles done, {failed} failed"),
        };
        if *others > 0 {
            words.push_str(&format!(", {others} not run"));
        }
        format!("{words}, {seconds} s")
    }
}

impl Listener for Progress {
    fn tell(&self, event: Event) {
        self.keep(&event);
        let mut run = self.lock();
        if !self.is_told(&mut run, &event) {
            // The bar is drawn anew a few times in a second at most, by the tick.
            return;
        }
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
