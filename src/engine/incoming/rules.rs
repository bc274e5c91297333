//! By what rules a mailbox is read.

use crate::engine::destination::Route;
use crate::model::failure::TestStep;
use crate::model::mailbox::MailboxKind;
use crate::model::operation::{Operation, OperationState};
use crate::model::stored::StoredMailbox;
use crate::sync::incoming::{Deletion, Rules, Undeliverable, Wrapping};

pub(super) fn rules(stored: &StoredMailbox, route: &Route<'_>) -> Rules {
    Rules {
        accept: stored.declared.accept,
        from: stored.mail_from(),
        delete_after: match stored.declared.delete_after_processing {
            true => Deletion::AfterProcessing,
            false => Deletion::LeaveOnServer,
        },
        undeliverable: match route.profile.server.has_undeliverable_folder() {
            true => Undeliverable::SetAside,
            false => Undeliverable::Stays,
        },
        wrapping: match stored.declared.kind {
            MailboxKind::Forward => Wrapping::TakenOff,
            MailboxKind::User | MailboxKind::Queue => Wrapping::Kept,
        },
    }
}

/// Failures in a row, the last of which was one of reading. A server that was away says nothing about its messages.
pub(super) fn failures_before(stored: &StoredMailbox) -> u16 {
    match stored.operations.get(&Operation::Incoming).map(|operation| &operation.state) {
        Some(OperationState::Retrying { attempts, failure, .. }) if failure.step == TestStep::Read => {
            *attempts
        }
        _ => 0,
    }
}
