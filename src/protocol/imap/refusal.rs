//! What a NO or a BAD means (response codes of RFC 5530, and what well-known servers say instead).

use crate::model::failure::Cause;

use super::exchange::Completion;
use super::response::Outcome;

/// Where a session stood when the server refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Login,
    /// Any other command.
    Session,
}

/// Codes that say that the same command may succeed later.
const TEMPORARY_CODES: [&str; 5] = ["UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "THROTTLED"];

/// Words of servers that refuse for a while without a code: Exchange Online when it throttles (it says BAD), Exchange
/// when a back end is down, Gmail at its limit of connections.
const TEMPORARY_WORDS: [&str; 3] =
    ["authenticated but not connected", "server unavailable", "too many simultaneous connections"];

pub(super) fn is_temporary(completion: &Completion) -> bool {
    let said = completion.reply.said.to_ascii_lowercase();
    TEMPORARY_CODES.iter().any(|code| completion.reply.has_code(code))
        || TEMPORARY_WORDS.iter().any(|words| said.contains(words))
}

/// The cause for a completion that is not OK.
pub(super) fn refusal(stage: Stage, completion: &Completion) -> Cause {
    let said = completion.reply.said.clone();
    if is_temporary(completion) {
        return Cause::TemporarilyRefused { said };
    }
    if completion.reply.has_code("PRIVACYREQUIRED") {
        return Cause::PlaintextLogin;
    }
    match (stage, completion.outcome) {
        (Stage::Login, Outcome::No) => Cause::LoginRefused { said },
        (Stage::Login, Outcome::Ok | Outcome::Bad) | (Stage::Session, _) => Cause::Refused { said },
    }
}
