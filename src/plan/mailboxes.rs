//! The steps of the mailboxes, and what they tell about the profiles, secrets and the organization behind them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::desired::{Declared, DesiredNote};
use crate::model::mailbox::{Accept, Mailbox};
use crate::model::name::Name;
use crate::model::operation::{Operation, Readiness};
use crate::model::plan::{Action, Consequence, Effect, OperationPlan, PutMailbox, Step, Target};
use crate::model::profile::ServerKind;
use crate::model::stored::StoredMailbox;

use super::cause::{self, Cause};
use super::readiness::{self, Verdict};
use super::rename::{self, Renames};
use super::{Estate, REASON_CREATE, REASON_UPDATE, Untested, fields, forwarding};

pub(super) struct Mailboxes {
    pub puts: Vec<Step>,
    pub deletes: Vec<Step>,
    /// Mailboxes that wait for a connector, by kind of server.
    pub awaiting: BTreeMap<ServerKind, u64>,
    pub untested: Untested,
    pub conflicts: Vec<DesiredNote>,
    /// What a declaration behind the mailboxes causes at them.
    pub impacts: BTreeMap<Target, Impact>,
}

#[derive(Default)]
pub(super) struct Impact {
    retests: BTreeSet<Operation>,
    keeps: BTreeSet<Operation>,
    stops: BTreeSet<Operation>,
}

impl Mailboxes {
    /// The consequences of changing `target`, as its mailboxes feel them.
    pub fn consequences_of(&self, target: &Target) -> Vec<Consequence> {
        self.impacts.get(target).map_or_else(|| vec![Consequence::NoEffectOnTraffic], Impact::consequences)
    }
}

impl Impact {
    /// What a change means to an operation, given whether it works at present.
    fn note(&mut self, operation: Operation, readiness: Readiness, works: Works) {
        match (readiness, works) {
            (Readiness::NeedsTest | Readiness::StillPending, Works::Yes) => {
                self.retests.insert(operation);
                self.keeps.insert(operation);
            }
            (Readiness::NeedsTest | Readiness::StillPending, Works::No) => {
                self.retests.insert(operation);
            }
            (Readiness::NeedsTest | Readiness::StillPending, Works::UntilNow) => {
                self.retests.insert(operation);
                self.stops.insert(operation);
            }
            (Readiness::NoConnector, Works::Yes) => {
                self.keeps.insert(operation);
            }
            (Readiness::NoConnector, Works::UntilNow) | (Readiness::Off(_), Works::Yes | Works::UntilNow) => {
                self.stops.insert(operation);
            }
            (Readiness::Off(_) | Readiness::NoConnector, Works::No)
            | (Readiness::Unchanged | Readiness::Proved, Works::Yes | Works::UntilNow | Works::No) => {}
        }
    }

    fn consequences(&self) -> Vec<Consequence> {
        let mut consequences = Vec::new();
        if !self.retests.is_empty() {
            consequences.push(Consequence::NeedsRetest(self.retests.clone()));
        }
        if !self.keeps.is_empty() {
            consequences.push(Consequence::KeepsWorking(self.keeps.clone()));
        }
        if !self.stops.is_empty() {
            consequences.push(Consequence::StopsTraffic(self.stops.clone()));
        }
        if consequences.is_empty() {
            consequences.push(Consequence::NoEffectOnTraffic);
        }
        consequences
    }
}

pub(super) fn diff(estate: &Estate<'_>) -> Mailboxes {
    let Renames { to, from, conflicts } = rename::find(estate);
    let mut mailboxes = Mailboxes {
        puts: Vec::new(),
        deletes: Vec::new(),
        awaiting: BTreeMap::new(),
        untested: Untested::default(),
        conflicts,
        impacts: BTreeMap::new(),
    };
    let stored_as = |name: &Name| estate.stored.mailboxes.get(to.get(name).copied().unwrap_or(name));
    let taken = taken_addresses(estate, stored_as);
    for (name, declared) in &estate.desired.mailboxes {
        let (previous, stored) = (to.get(name).copied(), stored_as(name));
        let hands_over =
            !taken.is_empty() && stored.is_some_and(|it| taken.contains(&it.declared.address.key()));
        let change = Change { name, declared, previous, stored, hands_over };
        let step = put(estate, &change, &mut mailboxes);
        mailboxes.puts.extend(step);
    }
    for (name, stored) in &estate.stored.mailboxes {
        if !estate.desired.mailboxes.contains_key(name) && !from.contains_key(name) {
            mailboxes.deletes.push(delete(name, stored));
        }
    }
    mailboxes
}

/// The addresses that one mailbox gives up and another one gets.
fn taken_addresses<'a>(
    estate: &Estate<'_>,
    stored_as: impl Fn(&Name) -> Option<&'a StoredMailbox>,
) -> BTreeSet<String> {
    let given_up = |(name, declared): (&Name, &Declared<Mailbox>)| {
        let before = &stored_as(name)?.declared.address;
        (!before.same_as(&declared.value.address)).then(|| before.key())
    };
    let mailboxes = &estate.desired.mailboxes;
    let given_up: BTreeSet<String> = mailboxes.iter().filter_map(given_up).collect();
    if given_up.is_empty() {
        return given_up;
    }
    mailboxes
        .values()
        .map(|declared| declared.value.address.key())
        .filter(|key| given_up.contains(key))
        .collect()
}

/// One declared mailbox and what is stored of it.
struct Change<'a> {
    name: &'a Name,
    declared: &'a Declared<Mailbox>,
    /// The name under which it is stored, when that differs.
    previous: Option<&'a Name>,
    stored: Option<&'a StoredMailbox>,
    /// Its stored address is another mailbox's by now.
    hands_over: bool,
}

impl Change<'_> {
    fn works(&self, operation: Operation) -> Works {
        match (works(self.stored, operation), self.hands_over) {
            (Works::Yes, true) => Works::UntilNow,
            (works, _) => works,
        }
    }

    /// `None`: nothing declared of the mailbox itself changes.
    fn action(&self) -> Option<Action> {
        match (self.stored, self.previous) {
            (None, _) => Some(Action::Create),
            (Some(_), Some(_)) => Some(Action::Rename),
            (Some(stored), None) if stored.declared != self.declared.value => Some(Action::Update),
            (Some(_), None) => None,
        }
    }

    fn reason(&self, causes: &[Cause]) -> String {
        let (own, implied) = match (self.stored, self.previous) {
            (None, _) => (REASON_CREATE.to_owned(), Cause::NeverTested),
            (Some(_), Some(previous)) => (format!("renamed from `{previous}`"), Cause::Connection),
            (Some(_), None) if self.action().is_some() => (REASON_UPDATE.to_owned(), Cause::Connection),
            (Some(_), None) => return cause::reason(causes.iter()),
        };
        let others = cause::reason(causes.iter().filter(|cause| **cause != implied));
        if others.is_empty() { own } else { format!("{own}; {others}") }
    }
}

fn put(estate: &Estate<'_>, change: &Change<'_>, found: &mut Mailboxes) -> Option<Step> {
    let mailbox = &change.declared.value;
    let verdicts: BTreeMap<Operation, Verdict> = Operation::ALL
        .into_iter()
        .map(|operation| (operation, readiness::judge(estate, mailbox, change.stored, operation)))
        .collect();
    count_awaiting(estate, mailbox, &verdicts, &mut found.awaiting);
    count_untested(estate, change, &verdicts, &mut found.untested);
    let own = change.action();
    let action = own.or_else(|| caused(&verdicts))?;
    if !is_reached(estate, change.name, &verdicts) {
        return None;
    }
    note_impacts(own, &verdicts, change, &mut found.impacts);

    let mut causes = Vec::new();
    let mut operations = BTreeMap::new();
    for (operation, verdict) in verdicts {
        causes.extend(verdict.causes);
        operations.insert(operation, verdict.plan);
    }
    let replay_from = change.stored.and_then(|stored| replay_from(estate, mailbox, stored));
    Some(Step {
        action,
        target: Target::Mailbox(change.name.clone()),
        changes: fields::mailbox_changes(change.stored.map(|stored| &stored.declared), mailbox),
        consequences: consequences(estate, change, &operations, replay_from),
        reason: change.reason(&causes),
        origin: Some(change.declared.origin.clone()),
        effect: Effect::PutMailbox(Box::new(PutMailbox {
            mailbox: mailbox.clone(),
            renamed_from: change.previous.cloned(),
            operations,
            replay_from,
            hands_over: change.hands_over,
        })),
    })
}

/// What a change elsewhere does to a mailbox: it is tested again, or switched without a test.
fn caused(verdicts: &BTreeMap<Operation, Verdict>) -> Option<Action> {
    let has_test =
        |verdict: &Verdict| matches!(verdict.plan.readiness, Readiness::NeedsTest | Readiness::StillPending);
    let has_cause = verdicts.values().any(|verdict| !verdict.causes.is_empty());
    let action = if verdicts.values().any(has_test) { Action::Retest } else { Action::Update };
    has_cause.then_some(action)
}

/// Whether the plan is about this mailbox, or about something whose change it feels.
fn is_reached(estate: &Estate<'_>, name: &Name, verdicts: &BTreeMap<Operation, Verdict>) -> bool {
    let mut causes = verdicts.values().flat_map(|verdict| &verdict.causes);
    estate.scope.contains(&Target::Mailbox(name.clone()))
        || causes.any(|cause| cause.culprit().is_some_and(|culprit| estate.scope.contains(&culprit)))
}

/// Once per mailbox, however many of its operations wait.
fn count_awaiting(
    estate: &Estate<'_>,
    mailbox: &Mailbox,
    verdicts: &BTreeMap<Operation, Verdict>,
    awaiting: &mut BTreeMap<ServerKind, u64>,
) {
    let profile = mailbox.profile.as_ref().and_then(|name| estate.desired.profiles.get(name));
    let waits = verdicts.values().any(|verdict| verdict.plan.readiness == Readiness::NoConnector);
    if let Some(profile) = profile.filter(|_| waits) {
        *awaiting.entry(profile.value.server.kind()).or_default() += 1;
    }
}

/// The tests that this plan neither causes nor makes needless.
fn count_untested(
    estate: &Estate<'_>,
    change: &Change<'_>,
    verdicts: &BTreeMap<Operation, Verdict>,
    untested: &mut Untested,
) {
    let Some(stored) = change.stored.filter(|stored| stored.untested() > 0) else { return };
    if !estate.scope.contains(&Target::Mailbox(change.name.clone())) {
        return;
    }
    let stays = |operation: &Operation| {
        verdicts.get(operation).is_some_and(|verdict| verdict.plan.readiness == Readiness::Unchanged)
    };
    let waiting =
        stored.operations.iter().filter(|(operation, known)| known.is_untested() && stays(operation));
    untested.add(waiting.map(|_| 1).sum());
}

/// Switching an operation on or off is the doing of what stands behind the mailbox only where the mailbox itself
/// did not change.
fn note_impacts(
    own: Option<Action>,
    verdicts: &BTreeMap<Operation, Verdict>,
    change: &Change<'_>,
    impacts: &mut BTreeMap<Target, Impact>,
) {
    for (&operation, verdict) in verdicts {
        for cause in &verdict.causes {
            let is_exact = matches!(cause, Cause::Profile(_) | Cause::Secret(_)) || own.is_none();
            let Some(culprit) = cause.culprit().filter(|_| is_exact) else { continue };
            let impact = impacts.entry(culprit).or_default();
            impact.note(operation, verdict.plan.readiness, change.works(operation));
        }
    }
}

/// Whether an operation works before the plan is applied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Works {
    Yes,
    /// Its address goes to another mailbox, so that it cannot work on as before.
    UntilNow,
    No,
}

fn works(stored: Option<&StoredMailbox>, operation: Operation) -> Works {
    match stored.and_then(|stored| stored.operations.get(&operation)) {
        Some(known) if known.state.is_driven() => Works::Yes,
        Some(_) | None => Works::No,
    }
}

/// The start date that the change sets. The mailbox's own date holds, else the one that was copied when it was enabled on
/// its profile; a profile without a date leaves the former one, because mail that nobody has read yet lies behind it.
fn replay_from(estate: &Estate<'_>, mailbox: &Mailbox, stored: &StoredMailbox) -> Option<Timestamp> {
    let mut copied = stored.process_from?;
    let held = stored.declared.process_from.unwrap_or(copied);
    if mailbox.profile != stored.declared.profile {
        let profile = mailbox.profile.as_ref().and_then(|name| estate.desired.profiles.get(name));
        copied = profile.and_then(|profile| profile.value.processing.from).unwrap_or(copied);
    }
    let holds = mailbox.process_from.unwrap_or(copied);
    (holds < held || copied != stored.process_from?).then_some(holds)
}

fn consequences(
    estate: &Estate<'_>,
    change: &Change<'_>,
    operations: &BTreeMap<Operation, OperationPlan>,
    replay_from: Option<Timestamp>,
) -> Vec<Consequence> {
    let mailbox = &change.declared.value;
    let mut impact = Impact::default();
    for (&operation, plan) in operations {
        impact.note(operation, plan.readiness, change.works(operation));
    }
    let mut others = Vec::new();
    let approval = &estate.desired.organization.value.approval;
    let has_other_address =
        change.stored.is_some_and(|stored| !stored.declared.address.same_as(&mailbox.address));
    let given = change.stored.and_then(|stored| estate.stored.approvals.get(&stored.declared.name));
    if has_other_address && !readiness::approves(approval, mailbox, given) {
        others.push(Consequence::NeedsReapproval);
    }
    others.extend(
        replay_from.filter(|from| is_earlier(*from, change)).map(|from| Consequence::ReplaysMail { from }),
    );
    others.extend(takes_over_from(change).map(|from| Consequence::TakesOverClaim { from }));
    others.extend(losses(change));
    others.extend(forwarding::consequences(mailbox, change.stored.map(|stored| &stored.declared)));
    let mut consequences = impact.consequences();
    if !others.is_empty() {
        consequences.retain(|consequence| *consequence != Consequence::NoEffectOnTraffic);
    }
    consequences.extend(others);
    consequences
}

/// What of the mail of a mailbox is recorded no more, or kept at its server no more.
fn losses(change: &Change<'_>) -> Vec<Consequence> {
    let (mailbox, before) = (&change.declared.value, change.stored.map(|stored| &stored.declared));
    let mut losses = Vec::new();
    let recorded = before.is_some_and(|before| before.accept != Accept::None);
    if mailbox.accept == Accept::None && recorded && works(change.stored, Operation::Incoming) == Works::Yes {
        losses.push(Consequence::RecordsNothing);
    }
    let copied = change.stored.and_then(|stored| stored.process_from);
    let held = before.and_then(|before| before.process_from).or(copied).filter(|_| copied.is_some());
    let holds = mailbox.process_from.or(copied);
    losses.extend(
        held.zip(holds)
            .filter(|(held, holds)| holds > held)
            .map(|(_, before)| Consequence::LeavesOutMail { before }),
    );
    if mailbox.delete_after_processing && !before.is_some_and(|before| before.delete_after_processing) {
        losses.push(Consequence::RemovesMail);
    }
    losses
}

/// Whether mail that was too old so far no longer is.
fn is_earlier(from: Timestamp, change: &Change<'_>) -> bool {
    let held = change.stored.and_then(|stored| stored.declared.process_from.or(stored.process_from));
    held.is_some_and(|held| from < held)
}

/// A claim is taken over once: when the declaration that says so is new.
fn takes_over_from(change: &Change<'_>) -> Option<String> {
    let before = change.stored.and_then(|stored| stored.declared.claim_take_over_from.as_ref());
    let wanted = change.declared.value.claim_take_over_from.as_ref();
    wanted.filter(|_| wanted != before).cloned()
}

fn delete(name: &Name, stored: &StoredMailbox) -> Step {
    let mut step = super::deletion(Target::Mailbox(name.clone()), Effect::DeleteMailbox(name.clone()));
    let working = Operation::ALL.into_iter().filter(|it| works(Some(stored), *it) == Works::Yes);
    step.consequences = Impact { stops: working.collect(), ..Impact::default() }.consequences();
    step.consequences.extend(forwarding::of_deletion(&stored.declared));
    step
}
