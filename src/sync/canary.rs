//! Who is tested first when a profile with many mailboxes has changed: a few, so that a mistake in the profile costs
//! a few failures and not all.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::model::failure::{FailureSummary, Scope};
use crate::model::limits;
use crate::model::name::Name;
use crate::model::operation::{Awaiting, OperationState};
use crate::model::pending::Pending;
use crate::model::stored::{StoredMailbox, StoredOperation};

/// The mailboxes of one profile that are tested before the others; `None`: they are so few that all are tested at
/// once. Those that work, or have worked, come first: their failure says most about the profile. Among them the
/// choice is spread by a hash of the name, and always the same.
pub fn choose<'a>(mailboxes: impl IntoIterator<Item = &'a StoredMailbox>) -> Option<BTreeSet<Name>> {
    let mailboxes: Vec<&StoredMailbox> = mailboxes.into_iter().collect();
    (mailboxes.len() > limits::CANARY_FROM_MAILBOXES).then(|| few_of(&mailboxes))
}

fn few_of(mailboxes: &[&StoredMailbox]) -> BTreeSet<Name> {
    let mut ranked: Vec<(bool, [u8; 32], &Name)> = mailboxes
        .iter()
        .map(|mailbox| {
            let name = &mailbox.declared.name;
            let never_worked = !mailbox.operations.values().any(has_worked);
            (never_worked, *blake3::hash(name.as_str().as_bytes()).as_bytes(), name)
        })
        .collect();
    ranked.sort_unstable();
    let first = ranked.into_iter().take(limits::CANARY_MAILBOXES);
    first.map(|(_, _, name)| name.clone()).collect()
}

fn has_worked(operation: &StoredOperation) -> bool {
    operation.state.is_driven() || operation.proved.is_some()
}

/// Whether this failure of one mailbox holds for all of its profile.
pub fn halts(failure: &FailureSummary) -> bool {
    match failure.scope {
        Scope::Profile => true,
        Scope::Mailbox | Scope::Message => false,
    }
}

/// What is known, from the states alone, of the first tests of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// All may be tested.
    Free,
    /// Only these for now.
    First(BTreeSet<Name>),
    /// These failed for a reason that holds for all; they are tested again at their time, the others wait.
    Halted { mailbox: Name, failure: FailureSummary, first: BTreeSet<Name> },
}

/// Judges the mailboxes of one profile, without any memory of earlier rounds: a test that passed after the others
/// began to wait proves the profile, one that failed for all speaks against it.
pub fn judge(mailboxes: &[&StoredMailbox]) -> Judgement {
    let waits = |mailbox: &&&StoredMailbox| mailbox.operations.values().any(is_waiting);
    let waiting: Vec<&StoredMailbox> = mailboxes.iter().filter(waits).copied().collect();
    let begun = waiting
        .iter()
        .flat_map(|mailbox| mailbox.operations.values())
        .filter(|operation| is_waiting(operation))
        .map(waits_since)
        .max();
    let Some(begun) = begun else { return Judgement::Free };
    let mut passed = 0_usize;
    let mut against: Option<(Name, FailureSummary)> = None;
    let mut tested = BTreeSet::new();
    for mailbox in mailboxes {
        let name = &mailbox.declared.name;
        for operation in mailbox.operations.values().filter(|one| one.tested_at.is_some_and(|at| at >= begun))
        {
            tested.insert(name.clone());
            match verdict(operation) {
                Verdict::Against(failure) => {
                    against.get_or_insert_with(|| (name.clone(), failure.clone()));
                }
                Verdict::Passed => passed += 1,
                Verdict::Neither => {}
            }
        }
    }
    let under_way: Vec<&StoredMailbox> =
        mailboxes.iter().filter(|mailbox| mailbox.operations.values().any(is_under_way)).copied().collect();
    // Those that were taken first still count: with them, they were many.
    let taken = waiting.iter().chain(&under_way).map(|mailbox| &mailbox.declared.name);
    let concerned: BTreeSet<&Name> = taken.chain(&tested).collect();
    if concerned.len() <= limits::CANARY_FROM_MAILBOXES {
        return Judgement::Free;
    }
    // Those whose turn it is now count, too, so that never more than a few are at risk at once.
    let wanted =
        limits::CANARY_MAILBOXES.saturating_sub(tested.len() % limits::CANARY_MAILBOXES + under_way.len());
    match against {
        Some((mailbox, failure)) => Judgement::Halted { mailbox, failure, first: tested },
        None if tested.len() >= limits::CANARY_MAILBOXES && passed > 0 => Judgement::Free,
        None if tested.len() >= 2 * limits::CANARY_MAILBOXES => Judgement::Free,
        None => Judgement::First(few_of(&waiting).into_iter().take(wanted).collect()),
    }
}

/// What a test says about the profile.
enum Verdict<'a> {
    Passed,
    Against(&'a FailureSummary),
    Neither,
}

fn verdict(operation: &StoredOperation) -> Verdict<'_> {
    let failure = match (&operation.pending, &operation.state) {
        (Some(pending), _) => pending.failure(),
        (None, OperationState::Enabled) => return Verdict::Passed,
        (
            None,
            OperationState::Disabled(failure)
            | OperationState::Trying { failure, .. }
            | OperationState::Retrying { failure, .. },
        ) => Some(failure),
        (None, OperationState::Off(_) | OperationState::AwaitingTest(_) | OperationState::Testing) => None,
    };
    failure.filter(|failure| halts(failure)).map_or(Verdict::Neither, Verdict::Against)
}

/// Since when what is declared waits for its test.
fn waits_since(operation: &StoredOperation) -> Timestamp {
    match &operation.pending {
        Some(Pending::Waiting { since, .. }) => *since,
        Some(Pending::Failed { .. }) | None => operation.changed_at,
    }
}

fn is_under_way(operation: &StoredOperation) -> bool {
    operation.state == OperationState::Testing
}

/// Whether it waits for the first test of what is declared.
pub fn is_waiting(operation: &StoredOperation) -> bool {
    match (&operation.pending, &operation.state) {
        (Some(Pending::Waiting { awaiting, .. }), _) => *awaiting == Awaiting::Test,
        (Some(Pending::Failed { .. }), _) => false,
        (None, OperationState::AwaitingTest(awaiting)) => *awaiting == Awaiting::Test,
        (
            None,
            OperationState::Off(_)
            | OperationState::Testing
            | OperationState::Enabled
            | OperationState::Retrying { .. }
            | OperationState::Trying { .. }
            | OperationState::Disabled(_),
        ) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::model::failure::Nature;
    use crate::model::operation::{ConnectionDigest, Operation};

    /// Declared at second 10.
    fn mailbox(name: &str, state: OperationState, tested_at: Option<i64>) -> StoredMailbox {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let connection = Some(ConnectionDigest("c".into()));
        let operation = StoredOperation {
            connection,
            changed_at: at(10),
            tested_at: tested_at.map(at),
            ..samples::operation(state)
        };
        samples::mailbox(name, operation)
    }

    fn waiting(name: &str) -> StoredMailbox {
        mailbox(name, OperationState::AwaitingTest(Awaiting::Test), None)
    }

    fn failure(scope: Scope) -> FailureSummary {
        samples::failure("unreachable", (Nature::Transient, scope))
    }

    fn many(count: usize) -> Vec<StoredMailbox> {
        (0..count).map(|n| waiting(&format!("m{n:03}"))).collect()
    }

    fn judged(mailboxes: &[StoredMailbox]) -> Judgement {
        judge(&mailboxes.iter().collect::<Vec<_>>())
    }

    #[test]
    fn few_mailboxes_are_tested_at_once() {
        assert_eq!(choose(&many(limits::CANARY_FROM_MAILBOXES)), None);
        assert_eq!(judged(&many(limits::CANARY_FROM_MAILBOXES)), Judgement::Free);
    }

    #[test]
    fn of_many_the_same_five_come_first_and_those_that_have_worked_before_the_others() {
        let mut mailboxes = many(40);
        let first = choose(&mailboxes).unwrap();
        assert_eq!(first.len(), limits::CANARY_MAILBOXES);
        mailboxes.reverse();
        assert_eq!(choose(&mailboxes), Some(first.clone()));
        let newcomer = mailboxes.iter_mut().find(|one| !first.contains(&one.declared.name)).unwrap();
        let operation = newcomer.operations.get_mut(&Operation::Incoming).unwrap();
        operation.proved = Some(ConnectionDigest("c".into()));
        let name = newcomer.declared.name.clone();
        assert!(choose(&mailboxes).unwrap().contains(&name));
    }

    #[test]
    fn five_that_were_tested_decide_about_all() {
        let tested = |state: &OperationState, count: usize| -> Vec<StoredMailbox> {
            let mut mailboxes = many(40);
            for one in mailboxes.iter_mut().take(count) {
                *one = mailbox(one.declared.name.as_str(), state.clone(), Some(20));
            }
            mailboxes
        };
        let of_profile = OperationState::Disabled(failure(Scope::Profile));
        let of_mailbox = OperationState::Disabled(failure(Scope::Mailbox));
        assert!(matches!(judged(&many(40)), Judgement::First(first) if first.len() == 5));
        assert!(
            matches!(judged(&tested(&OperationState::Enabled, 3)), Judgement::First(first) if first.len() == 2)
        );
        assert_eq!(judged(&tested(&OperationState::Enabled, 5)), Judgement::Free);
        assert!(matches!(judged(&tested(&of_profile, 1)), Judgement::Halted { .. }));
        // Nothing that holds for all: five others are tried, then all.
        assert!(matches!(judged(&tested(&of_mailbox, 5)), Judgement::First(first) if first.len() == 5));
        assert_eq!(judged(&tested(&of_mailbox, 10)), Judgement::Free);
    }

    #[test]
    fn those_that_were_taken_first_still_count_as_many() {
        for state in [OperationState::Disabled(failure(Scope::Profile)), OperationState::Testing] {
            let mut mailboxes = many(limits::CANARY_FROM_MAILBOXES + 1);
            for one in mailboxes.iter_mut().take(limits::CANARY_MAILBOXES) {
                *one = mailbox(one.declared.name.as_str(), state.clone(), Some(20));
            }
            assert_ne!(judged(&mailboxes), Judgement::Free, "{state:?}");
        }
    }

    #[test]
    fn an_old_test_says_nothing_about_a_new_declaration() {
        let mut mailboxes = many(40);
        for one in mailboxes.iter_mut().take(20) {
            *one = mailbox(one.declared.name.as_str(), OperationState::Enabled, Some(5));
        }
        assert!(matches!(judged(&mailboxes), Judgement::First(_)));
    }
}
