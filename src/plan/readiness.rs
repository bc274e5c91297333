//! What the declared configuration says of one operation, and why it has to be written anew when it has.

use crate::model::mailbox::{IncomingMethod, Mailbox, MailboxKind};
use crate::model::name::{Address, Name};
use crate::model::operation::{Awaiting, ConnectionDigest, OffReason, Operation, OperationState, Readiness};
use crate::model::organization::{Approval, ApprovalSource, Requirement};
use crate::model::pending::Pending;
use crate::model::plan::{OperationPlan, Policy};
use crate::model::profile::{Profile, ServerKind};
use crate::model::stored::{StoredMailbox, StoredOperation};

use super::cause::Cause;
use super::{Estate, connection};

/// One operation of one mailbox.
pub(super) struct Verdict {
    pub plan: OperationPlan,
    /// Why the stored operation is not what it should be, or why a new one cannot be tested. Empty: all is well.
    pub causes: Vec<Cause>,
}

/// Judges one operation of a declared mailbox against what is stored of it.
pub(super) fn judge(
    estate: &Estate<'_>,
    mailbox: &Mailbox,
    stored: Option<&StoredMailbox>,
    operation: Operation,
) -> Verdict {
    let profile = mailbox.profile.as_ref().and_then(|name| estate.desired.profiles.get(name));
    let profile = profile.map(|declared| &declared.value);
    let known = stored.and_then(|stored| stored.operations.get(&operation));
    let given = stored.and_then(|stored| estate.stored.approvals.get(&stored.declared.name));
    let (profile, connection) = match wanted(estate, mailbox, (profile, given), operation) {
        Err(reason) => return off(reason, mailbox, stored, known),
        Ok(wanted) => wanted,
    };
    let kind = profile.server.kind();
    if !is_spoken(estate.policy, kind, operation) {
        return no_connector(kind, connection, known);
    }
    let (readiness, causes) = match known {
        None => (Readiness::NeedsTest, vec![Cause::NeverTested]),
        Some(known) if known.connection.as_ref() == Some(&connection) => {
            unchanged(known, mailbox.profile.as_ref(), kind)
        }
        // What works has been proved: nothing is to be tested before it is declared again.
        Some(known) if known.state.is_driven() && known.proved.as_ref() == Some(&connection) => {
            (Readiness::Proved, vec![Cause::ChangedBack])
        }
        Some(known) => {
            let causes = match &known.state {
                OperationState::Off(reason) => vec![Cause::TurnedOn(*reason, mailbox.profile.clone())],
                OperationState::AwaitingTest(_)
                | OperationState::Testing
                | OperationState::Enabled
                | OperationState::Retrying { .. }
                | OperationState::Trying { .. }
                | OperationState::Disabled(_) => {
                    changed_connection(estate, mailbox, profile, operation, known)
                }
            };
            (Readiness::NeedsTest, causes)
        }
    };
    Verdict { plan: OperationPlan { readiness, connection: Some(connection) }, causes }
}

/// What the stored operation still needs when it declares this very connection already. A test that waits is no step: it takes
/// place by itself.
fn unchanged(known: &StoredOperation, profile: Option<&Name>, kind: ServerKind) -> (Readiness, Vec<Cause>) {
    if known.is_untested() {
        return (Readiness::Unchanged, Vec::new());
    }
    if let Some(pending) = &known.pending {
        return (Readiness::StillPending, Cause::of_pending(pending, kind).into_iter().collect());
    }
    match Cause::of_state(known, profile, kind) {
        None => (Readiness::Unchanged, Vec::new()),
        Some(cause) => (Readiness::NeedsTest, vec![cause]),
    }
}

/// Told once: in the state, or in the change that waits while the former version works on.
fn no_connector(kind: ServerKind, connection: ConnectionDigest, known: Option<&StoredOperation>) -> Verdict {
    let is_told = known.is_some_and(|known| match &known.pending {
        Some(Pending::Waiting { awaiting, since: _ }) => *awaiting == Awaiting::NoConnector,
        Some(Pending::Failed { .. }) => false,
        None => known.state == OperationState::AwaitingTest(Awaiting::NoConnector),
    });
    let causes = if is_told { Vec::new() } else { vec![Cause::NoConnector(kind)] };
    Verdict {
        plan: OperationPlan { readiness: Readiness::NoConnector, connection: Some(connection) },
        causes,
    }
}

/// What is to be reached, or why nothing is. A method that is not asked for comes first: then nothing else matters.
fn wanted<'a>(
    estate: &Estate<'_>,
    mailbox: &Mailbox,
    (profile, given): (Option<&'a Profile>, Option<&Address>),
    operation: Operation,
) -> Result<(&'a Profile, ConnectionDigest), OffReason> {
    if operation == Operation::Incoming
        && mailbox.incoming == IncomingMethod::ForwardMailbox
        && mailbox.forward_to.is_none()
    {
        return Err(OffReason::ForwardMailbox);
    }
    if !mailbox.wants(operation) {
        return Err(OffReason::MethodNone);
    }
    let Some(profile) = profile else { return Err(OffReason::NoProfile) };
    // A server that cannot do it at all is as if it had not been asked for; the manifest's rules report it.
    let outlines = estate.outlines.get(&profile.name).into_iter().flatten();
    let outline = Operation::ALL.into_iter().zip(outlines).find(|(of, _)| *of == operation);
    let outline = outline.and_then(|(_, outline)| outline.as_ref()).ok_or(OffReason::MethodNone)?;
    let approval = &estate.desired.organization.value.approval;
    match held_back(mailbox, profile, (approval, given)) {
        Some(reason) => Err(reason),
        None => Ok((profile, outline.digest(mailbox, estate.proofs()))),
    }
}

/// Why an operation that is asked for, and that the server could do, is off. `given`: the address that was approved by command.
pub(super) fn held_back(
    mailbox: &Mailbox,
    profile: &Profile,
    (approval, given): (&Approval, Option<&Address>),
) -> Option<OffReason> {
    if !mailbox.active {
        Some(OffReason::MailboxInactive)
    } else if !profile.active {
        Some(OffReason::ProfileInactive)
    } else if !approves(approval, mailbox, given) {
        Some(OffReason::NotApproved)
    } else {
        None
    }
}

/// Whether this build has a connector. None of this version does appointments, contacts and tasks.
pub(super) fn is_spoken(policy: &Policy, kind: ServerKind, operation: Operation) -> bool {
    operation != Operation::Act && policy.connectors.contains(&kind)
}

/// Whether the organization lets this address be processed. `given`: the address that was approved by command.
pub fn approves(approval: &Approval, mailbox: &Mailbox, given: Option<&Address>) -> bool {
    let requirement = match mailbox.kind {
        MailboxKind::User => approval.users,
        MailboxKind::Queue => approval.queues,
        MailboxKind::Forward => approval.forward,
    };
    match (requirement, approval.source) {
        (Requirement::NotRequired, ApprovalSource::Manifest | ApprovalSource::Command) => true,
        (Requirement::Required, ApprovalSource::Manifest) => mailbox.is_approved(),
        (Requirement::Required, ApprovalSource::Command) => {
            given.is_some_and(|given| given.same_as(&mailbox.address))
        }
    }
}

/// A new mailbox is not told what it did not ask for.
fn off(
    reason: OffReason,
    mailbox: &Mailbox,
    stored: Option<&StoredMailbox>,
    known: Option<&StoredOperation>,
) -> Verdict {
    let is_asked_for = match reason {
        OffReason::MethodNone | OffReason::ForwardMailbox => false,
        OffReason::NotApproved
        | OffReason::MailboxInactive
        | OffReason::ProfileInactive
        | OffReason::NoProfile => true,
    };
    let is_told = match stored {
        None => !is_asked_for,
        Some(_) => known.is_some_and(|known| known.state == OperationState::Off(reason)),
    };
    let causes = if is_told { Vec::new() } else { vec![Cause::TurnedOff(reason, mailbox.profile.clone())] };
    Verdict { plan: OperationPlan { readiness: Readiness::Off(reason), connection: None }, causes }
}

/// Blames what differs: the profile, each secret, or, where neither does, the mailbox itself.
fn changed_connection(
    estate: &Estate<'_>,
    mailbox: &Mailbox,
    profile: &Profile,
    operation: Operation,
    known: &StoredOperation,
) -> Vec<Cause> {
    let mut causes = Vec::new();
    let is_other_profile = estate.stored.profiles.get(&profile.name) != Some(profile);
    let without_secrets = connection::digest(profile, mailbox, &estate.stored_proofs, operation);
    if is_other_profile && without_secrets != known.connection {
        causes.push(Cause::Profile(profile.name.clone()));
    }
    for secret in connection::secrets_used(profile, mailbox, operation) {
        if estate.stored_proofs.get(secret) != estate.proofs().get(secret) {
            causes.push(Cause::Secret(secret.clone()));
        }
    }
    if causes.is_empty() {
        causes.push(Cause::Connection);
    }
    causes
}
