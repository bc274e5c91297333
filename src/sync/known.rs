//! What servers are known to say, and what it takes to mend it: one table, for alerts and for `doctor`.
//!
//! A row is found by what the server said, because servers say more than their codes. The first one that fits holds, so
//! that special ones stand before general ones. What no row knows is explained by its cause alone, see
//! [`super::classify`].

mod by_code;
mod by_words;

use super::patience::{self, Demand};
use crate::model::failure::{Cause, RemoteError};
use by_code::BY_CODE;
pub use by_words::ALL;

/// Something that servers are known to say.
#[derive(Debug, PartialEq, Eq)]
pub struct Known {
    /// Stable, for people who look it up.
    pub key: &'static str,
    /// Any of these, in upper case, is part of what was said.
    marks: &'static [&'static str],
    pub meaning: &'static str,
    /// What to do next.
    pub remedy: &'static str,
    /// Most likely first.
    pub likely: &'static [&'static str],
    /// Who documents it.
    pub source: &'static str,
}

/// The row for a failure, if there is one.
pub fn find(error: &RemoteError) -> Option<&'static Known> {
    let said = said(&error.cause)?.to_ascii_uppercase();
    let known = ALL.iter().find(|known| known.marks.iter().any(|mark| holds(&said, mark)));
    known.or_else(|| {
        let in_use = patience::demanded(error)?.demand == Demand::InUse;
        ALL.iter().find(|known| in_use && known.key == Demand::InUse.code())
    })
}

/// Whether a mark is part of what was said: `5.7.1` is none of `5.7.139`.
fn holds(said: &str, mark: &str) -> bool {
    let is_part_of_number = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    said.match_indices(mark).any(|(at, _)| {
        let (before, after) = (said[..at].chars().next_back(), said[at + mark.len()..].chars().next());
        let begins = mark.starts_with(|c: char| c.is_ascii_digit());
        let ends = mark.ends_with(|c: char| c.is_ascii_digit());
        !(begins && is_part_of_number(before) || ends && is_part_of_number(after))
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "in all others the server said nothing of its own")]
fn said(cause: &Cause) -> Option<&str> {
    match cause {
        Cause::LoginRefused { said }
        | Cause::TemporarilyRefused { said }
        | Cause::Refused { said }
        | Cause::ServerBye { said }
        | Cause::ConnectionLost { detail: said } => Some(said),
        _ => None,
    }
}

/// What mostly is behind a failure, by its code; most likely first.
pub fn likely(error: &RemoteError, code: &str) -> &'static [&'static str] {
    if let Some(known) = find(error) {
        return known.likely;
    }
    BY_CODE.iter().find(|(of, _)| *of == code).map_or(&[], |(_, likely)| likely)
}

/// Another token helps, which the next login asks for.
pub const TOKEN_ENDED: &str = "token-ended";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::failure::TestStep;

    fn found(said: &str) -> Option<&'static str> {
        let cause = Cause::Refused { said: said.to_owned() };
        find(&RemoteError::new(TestStep::Authenticate, cause)).map(|known| known.key)
    }

    #[test]
    fn what_well_known_servers_say_is_known() {
        for (said, key) in [
            (
                "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled",
                "smtp-auth-disabled",
            ),
            ("534-5.7.9 Application-specific password required.", "app-password-required"),
            ("550 5.7.606 Access denied, banned sending IP", "blocked-as-spam"),
            ("[UNAVAILABLE] Maximum number of connections from user+IP exceeded", "connections-exhausted"),
            ("421 4.7.0 Too many concurrent SMTP connections", "connections-exhausted"),
            ("421 4.7.0 too many messages from this sender", "sending-limit"),
            ("421 4.7.0 too many bad logins", "logins-limited"),
            ("454 4.7.0 Too many login attempts, please try again later", "logins-limited"),
            ("504 5.5.4 Unrecognized mechanism", "mechanism-refused"),
            ("501 5.5.2 cannot decode", "login-not-understood"),
            ("530 5.7.0 Must issue a STARTTLS command first", "login-needs-tls"),
            ("[IN-USE] maildrop locked", "mailbox-in-use"),
            ("unable to lock maildrop", "mailbox-in-use"),
            ("[SYS/PERM] mailbox is damaged", "server-broken"),
            ("554 5.7.1 <a@b>: Relay access denied", "relay-denied"),
            ("553 5.7.1 <a@b>: Sender address rejected: not owned by user c", "sender-not-allowed"),
            ("530 5.7.57 Client not authenticated to send mail", "login-needed-to-send"),
            ("552 5.2.2 Mailbox full", "mailbox-full"),
            ("450 4.2.0 Greylisted, see http://postgrey", "greylisted"),
            ("550 5.1.1 user unknown", "recipient-unknown"),
            ("[EXPIRED] change it", "password-expired"),
            ("[CONTACTADMIN] call us", "account-disabled"),
            (
                "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
                "sender-not-allowed",
            ),
        ] {
            assert_eq!(found(said), Some(key), "{said}");
        }
        assert_eq!(found("good morning"), None);
        assert_eq!(
            found("[AUTHENTICATIONFAILED] no"),
            None,
            "the cause says it better, with the secret's name"
        );
    }

    #[test]
    fn every_row_can_be_found_and_says_what_to_do() {
        for known in ALL {
            for mark in known.marks {
                assert_eq!(*mark, mark.to_ascii_uppercase(), "{}", known.key);
                let said = format!("x {mark} y");
                let first = ALL.iter().find(|row| row.marks.iter().any(|of| holds(&said, of)));
                assert!(
                    first.is_some_and(|row| row.key == known.key),
                    "`{mark}` of {} is never reached",
                    known.key
                );
            }
            assert!(!known.likely.is_empty() && !known.remedy.ends_with('.') && !known.source.is_empty());
        }
    }
}
