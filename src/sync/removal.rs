//! What is known of messages that are, or were to be, removed from their server.

use crate::model::cursor::{CursorAdvance, RemoteId};
use crate::model::failure::{Cause, RemoteError, TestStep};

/// Whether a server says that nothing may be removed here: a mailbox of others without that right (RFC 4314 `t`, `e`), a folder that
/// is read-only. Trouble on the way is another matter.
pub fn refuses_removal(error: &RemoteError) -> bool {
    error.step == TestStep::Delete && matches!(error.cause, Cause::Refused { .. })
}

/// Those ids that a server may give to another message as soon as theirs is gone (RFC 1939 section 7).
pub fn reusable(ids: &[RemoteId]) -> Vec<RemoteId> {
    let is_reusable = |id: &&RemoteId| match id {
        RemoteId::Uidl(_) => true,
        RemoteId::Uid { .. } | RemoteId::Item(_) => false,
    };
    ids.iter().filter(is_reusable).cloned().collect()
}

/// The cursor with these ids put back, which name what they named before. Without their sizes, which are not at hand any more.
pub fn known_still(ids: Vec<RemoteId>) -> Option<CursorAdvance> {
    let name = |id: RemoteId| match id {
        RemoteId::Uidl(uidl) => Some((uidl, None)),
        RemoteId::Uid { .. } | RemoteId::Item(_) => None,
    };
    let seen: Vec<(String, Option<u64>)> = ids.into_iter().filter_map(name).collect();
    (!seen.is_empty()).then(|| CursorAdvance::Pop3 { seen, gone: Vec::new() })
}
