//! What a mailbox is due for, by what is stored of it and by the files that its password comes from.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Round;
use crate::engine::job::jitter;
use crate::engine::permits::Lane;
use crate::engine::queue::{Job, Places, Restriction};
use crate::engine::rotation;
use crate::model::limits;
use crate::model::name::Name;
use crate::model::operation::{Operation, OperationState};
use crate::model::profile::Profile;
use crate::model::stored::StoredOperation;
use crate::store::MailboxRow;
use crate::sync::patience;
use crate::sync::schedule::{self, Pace};
use crate::sync::transition::later;

impl Round {
    /// Queues what a mailbox is due for.
    pub(super) fn queue_mailbox(&mut self, row: &MailboxRow) {
        let Some(profile) = &row.profile else { return };
        let name = &row.stored.declared.name;
        // Of the profile that is worked with, and of that one as it is declared now, if it still is the mailbox's.
        let worked_with = row.effective.get(&Operation::Incoming).map(|version| &version.profile);
        let worked_with = worked_with.filter(|former| former.name != profile.name).unwrap_or(profile);
        let places = Places::of(worked_with, &self.watch.engine.permits);
        self.queue.set_places(name.clone(), places);
        let now = self.watch.engine.clock.now();
        for (operation, stored) in &row.stored.operations {
            let throttling = &self.watch.engine.permits.throttling;
            let retry = patience::retry_of_tests(&stored.state, &self.retry, throttling);
            if self.has_connector(profile.server.kind(), *operation)
                && self.first.allows(&profile.name, name, stored)
                && let Some(due) = schedule::next_test(stored, now, &retry)
            {
                self.queue.push(due, name.clone(), Job::Test);
            }
            match operation {
                Operation::Incoming => {
                    let pace = self.pace(profile, name, &stored.state);
                    if let Some(due) = schedule::next_cycle(&stored.state, pace, stored.cycle_at, now) {
                        let due = if self.is_to_be_heard(profile, name, &stored.state) { now } else { due };
                        self.queue.push(due, name.clone(), Job::Cycle(Operation::Incoming));
                    }
                }
                Operation::Outgoing => self.note_sender(name, &stored.state, now),
                Operation::Act => {}
            }
        }
    }

    /// Whether its server may tell of mail as soon as somebody listens. What came while this program did not run, and what comes
    /// from now on, does not wait for the interval of the former process.
    fn is_to_be_heard(&mut self, profile: &Profile, mailbox: &Name, state: &OperationState) -> bool {
        *state == OperationState::Enabled
            && profile.server.may_tell_of_mail()
            && self.watch.engine.sessions.keeps()
            && self.listening.is_unheard(mailbox)
    }

    fn pace(&self, profile: &Profile, mailbox: &Name, state: &OperationState) -> Pace {
        let declared = profile.processing.min_polling_interval_minutes;
        let interval_minutes = match self.listening.is_on(mailbox) {
            // Whoever sets no floor wants mail soon, which its server sees to.
            true if declared == 0 => limits::PUSH_POLL_INTERVAL_MINUTES,
            true | false => declared,
        };
        let throttling = &self.watch.engine.permits.throttling;
        let retry_wait = patience::longest_wait(state, &self.retry, throttling);
        Pace { interval_minutes, jitter: jitter(mailbox), retry_wait }
    }

    /// What a server that asked for patience leaves of the places of its profile.
    pub(super) fn restrict(&mut self, profile: &Profile) {
        let engine = &self.watch.engine;
        for operation in [Operation::Incoming, Operation::Outgoing] {
            let allowance = engine.permits.allowance(profile, operation);
            let restriction = (allowance.places < engine.permits.places(profile, operation)).then(|| {
                let wait = allowance.from.saturating_sub(engine.clock.elapsed());
                Restriction { places: allowance.places, from: later(engine.clock.now(), wait) }
            });
            self.queue.restrict(&Lane::of(profile, operation), restriction);
        }
    }

    /// Closes the sessions of mailboxes that are not read any more, and those that are too old.
    pub(super) fn sweep(&self, rows: &[MailboxRow]) {
        let is_read = |row: &&MailboxRow| {
            let incoming = row.stored.operations.get(&Operation::Incoming);
            incoming.is_some_and(|incoming| incoming.state.is_driven())
        };
        let read: BTreeSet<&Name> =
            rows.iter().filter(is_read).map(|row| &row.stored.declared.name).collect();
        let engine = &self.watch.engine;
        engine.sessions.sweep(engine.clock.elapsed(), |mailbox| read.contains(mailbox));
    }

    /// Keeps who may send, and from when on.
    fn note_sender(&mut self, name: &Name, state: &OperationState, now: Timestamp) {
        let from = match state {
            OperationState::Enabled => now,
            OperationState::Retrying { until, .. } => {
                let throttling = &self.watch.engine.permits.throttling;
                schedule::next_try(*until, now, patience::longest_wait(state, &self.retry, throttling))
            }
            OperationState::Off(_)
            | OperationState::AwaitingTest(_)
            | OperationState::Testing
            | OperationState::Trying { .. }
            | OperationState::Disabled(_) => {
                self.may_send.remove(name);
                return;
            }
        };
        self.may_send.insert(name.clone(), from);
    }

    /// Files that passwords come from may have changed.
    pub(super) async fn rotated(&mut self) {
        let queue = &self.queue;
        for name in self.rotation.look(|name| queue.is_running(name)) {
            match self.watch.engine.store.mailbox(&name).await {
                Ok(row) => row.iter().for_each(|row| self.test_again(row)),
                Err(error) => self.warn(&error),
            }
        }
        self.begin_due(self.watch.engine.clock.now());
    }

    /// Tests at once what failed with a password that is another one now.
    pub(super) fn test_again(&mut self, row: &MailboxRow) {
        let Some(profile) = &row.profile else { return };
        let name = &row.stored.declared.name;
        let is_due = |(operation, stored): (&Operation, &StoredOperation)| {
            rotation::is_failing(stored)
                && self.has_connector(profile.server.kind(), *operation)
                && self.first.allows(&profile.name, name, stored)
        };
        if row.stored.operations.iter().any(is_due) {
            self.queue.push(self.watch.engine.clock.now(), name.clone(), Job::Retest);
        }
    }
}
