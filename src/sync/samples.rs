//! Values that the tests of this room begin with.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::failure::{FailureSummary, Nature, Scope, TestStep};
use crate::model::operation::{Operation, OperationState};
use crate::model::stored::{StoredMailbox, StoredOperation};

/// An operation that nothing is known of but its state.
pub(super) fn operation(state: OperationState) -> StoredOperation {
    StoredOperation {
        state,
        connection: None,
        proved: None,
        pending: None,
        changed_at: Timestamp::UNIX_EPOCH,
        tested_at: None,
        cycle_at: None,
        failed_at: None,
    }
}

/// A user's mailbox on profile `p` that is read and nothing else.
pub(super) fn mailbox(name: &str, incoming: StoredOperation) -> StoredMailbox {
    let declared = serde_json::from_value(serde_json::json!({
        "name": name, "labels": {}, "kind": "user", "address": format!("{name}@contoso.example"),
        "displayName": null, "owner": null, "active": true, "approved": null, "profile": "p",
        "incoming": "server-side-sync", "outgoing": "none", "appointmentsContactsTasks": "none",
        "accept": "all", "deleteAfterProcessing": false, "processFrom": null, "credentials": null,
        "trackedFolders": [], "claimTakeOverFrom": null,
        "lifecycle": { "preventDestroy": false, "previousNames": [] }
    }))
    .unwrap();
    let operations = BTreeMap::from([(Operation::Incoming, incoming)]);
    StoredMailbox { declared, operations, process_from: None }
}

pub(super) fn failure(code: &str, (nature, scope): (Nature, Scope)) -> FailureSummary {
    FailureSummary {
        code: code.into(),
        step: TestStep::Connect,
        nature,
        scope,
        cause: "c".into(),
        remedy: "r".into(),
    }
}
