//! What servers are known to say, and what it takes to mend it: one table, for alerts and for `doctor`.
//!
//! A row is found by what the server said, because servers say more than their codes. The first one that fits holds, so
//! that special ones stand before general ones. What no row knows is explained by its cause alone, see
//! [`super::classify`].

mod by_code;

use super::patience::{self, Demand};
use crate::model::failure::{Cause, RemoteError};
use by_code::BY_CODE;

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

/// Every row.
pub const ALL: &[Known] = &[
    Known {
        key: "bound-login-refused",
        marks: &["THAT IS BOUND TO THE CERTIFICATE"],
        meaning: "the server refused a login with NTLM or Kerberos: the account, its password or its key is wrong, or the \
                  login reached the server over another TLS connection than ours",
        remedy: "check the account first (its secret, the keytab, whether it is locked); where a proxy or load \
                 balancer ends TLS before Exchange, a server with Extended Protection refuses every such login: pass TLS \
                 through, or give the proxy the same certificate as the server has",
        likely: &[
            "a wrong password, or an account that is locked or may not log in from here",
            "a proxy that ends TLS with a certificate of its own, before a server with Extended Protection",
            "the server takes no NTLM (policy of the domain), or the user name lacks its domain: `CONTOSO\\anna`",
        ],
        source: "Microsoft: Extended Protection in Exchange Server; RFC 5929",
    },
    Known {
        key: "smtp-auth-disabled",
        marks: &["5.7.139", "SMTPCLIENTAUTHENTICATION IS DISABLED"],
        meaning: "the tenant has switched off sending with user name and password (SMTP AUTH)",
        remedy: "switch SMTP AUTH on for this mailbox in the Exchange admin center, or use `oauth2` credentials or a relay",
        likely: &[
            "SMTP AUTH is off for the tenant or the mailbox",
            "a Conditional Access or security-default policy",
        ],
        source: "Microsoft: authenticated client SMTP submission",
    },
    Known {
        key: "basic-authentication-blocked",
        marks: &["BASICAUTHBLOCKED", "BASIC AUTHENTICATION IS DISABLED", "LOGONDENIED-BASICAUTHBLOCKED"],
        meaning: "the provider does not accept passwords for this protocol any more",
        remedy: "use `oauth2` credentials in the profile",
        likely: &["the provider has retired Basic authentication"],
        source: "Microsoft: deprecation of Basic authentication in Exchange Online",
    },
    Known {
        key: "app-password-required",
        marks: &["APPLICATION-SPECIFIC PASSWORD", "5.7.9", "APP PASSWORD", "INVALIDSECONDFACTOR"],
        meaning: "the account has a second factor, which a program cannot give",
        remedy: "create an app password for this account and set it as the secret, or use `oauth2` credentials",
        likely: &[
            "two-step verification is on",
            "the app password was revoked with a change of the password",
        ],
        source: "Google: sign in with app passwords",
    },
    Known {
        key: "web-login-required",
        marks: &["WEBALERT", "WEB LOGIN REQUIRED", "LOG IN VIA YOUR WEB BROWSER", "5.7.14"],
        meaning: "the provider found the login suspicious and wants a person to sign in",
        remedy: "sign in to the account in a browser, from this network if possible, and confirm the login",
        likely: &["a login from a new network", "less secure access is switched off"],
        source: "Google: IMAP and SMTP error messages",
    },
    Known {
        key: "protocol-not-enabled",
        marks: &[
            "NOT ENABLED FOR IMAP",
            "NOT ENABLED FOR POP",
            "IMAP ACCESS IS DISABLED",
            "POP ACCESS IS DISABLED",
            "PROTOCOL IS DISABLED",
            "LOGONDENIED",
        ],
        meaning: "the account may not be read by this protocol",
        remedy: "switch the protocol on for the account in the provider's administration",
        likely: &["POP3 or IMAP is switched off for the account", "the account has no licence for it"],
        source: "Google and Microsoft: POP and IMAP settings",
    },
    Known {
        key: "password-expired",
        marks: &["[EXPIRED]", "PASSWORD EXPIRED", "PASSWORD HAS EXPIRED", "5.7.11"],
        meaning: "the password has expired",
        remedy: "set a new password for the account, then the same one where its secret is taken from (`mailplumb secrets set`, \
                 its file or its variable)",
        likely: &["the account's password policy"],
        source: "RFC 5530 EXPIRED",
    },
    Known {
        key: "account-disabled",
        marks: &[
            "ACCOUNT DISABLED",
            "ACCOUNT IS DISABLED",
            "ACCOUNT LOCKED",
            "ACCOUNT IS LOCKED",
            "USER DISABLED",
            "[CONTACTADMIN]",
            "ACCOUNT HAS BEEN DISABLED",
            "LOGIN DISABLED",
        ],
        meaning: "the account is disabled or locked",
        remedy: "ask the server's administrator to unlock it; do not repeat the login before, it may lengthen the lock",
        likely: &["too many wrong passwords", "the person has left", "an unpaid or suspended account"],
        source: "RFC 5530 CONTACTADMIN; the vendor's 8005E273",
    },
    Known {
        key: "not-authorized",
        marks: &["[AUTHORIZATIONFAILED]", "AUTHENTICATED BUT NOT CONNECTED"],
        meaning: "the login is right, and the account has no access to this mailbox",
        remedy: "check that the mailbox exists and is licensed, and that the account may open it",
        likely: &[
            "a shared mailbox without full access",
            "a licence that was taken away",
            "a mailbox being moved",
        ],
        source: "RFC 5530 AUTHORIZATIONFAILED; the vendor's 8005E274",
    },
    Known {
        key: "connections-exhausted",
        marks: &[
            "TOO MANY SIMULTANEOUS",
            "MAXIMUM NUMBER OF CONNECTIONS",
            "TOO MANY CONNECTIONS",
            "TOO MANY CONCURRENT",
            "TOO MANY SESSIONS",
        ],
        meaning: "the server allows no more connections at once",
        remedy: "nothing at once: fewer are made by themselves; lower `maxConcurrentConnections` of the profile if it goes on",
        likely: &["other programs and phones that read the same account", "sessions that hang after a crash"],
        source: "Dovecot mail_max_userip_connections; Gmail: 15 IMAP connections for each account",
    },
    Known {
        key: TOKEN_ENDED,
        marks: &[
            "ACCESS TOKEN HAS EXPIRED",
            "ACCESS TOKEN EXPIRED",
            "ACCESSTOKENEXPIRED",
            "TOKEN IS EXPIRED",
            "TOKEN HAS EXPIRED",
        ],
        meaning: "the access token ended while it was in use, as tokens do after about an hour",
        remedy: "nothing to do: the next session asks for another one by itself",
        likely: &["a session that was open when the token came to its end", "a token that was withdrawn"],
        source: "RFC 6750 section 3.1 invalid_token",
    },
    Known {
        key: "unavailable-for-a-while",
        marks: &["[UNAVAILABLE] HTTP 503"],
        meaning: "what answers is up, and the service behind it is not available just now",
        remedy: "nothing at once: it is tried again by itself; if it stays so, look whether the service runs (on premises: its \
                 application pools, and the load balancer in front)",
        likely: &["a restart or maintenance of the service", "a load balancer without a server behind it"],
        source: "RFC 9110 section 15.6.4",
    },
    Known {
        key: "logins-limited",
        marks: &["TOO MANY LOGIN", "TOO MANY AUTH", "TOO MANY BAD", "TOO MANY FAILED", "TOO MANY INVALID"],
        meaning: "the server has seen too many logins, or wrong ones, and refuses further ones for a while",
        remedy: "nothing at once: it is tried again by itself; see that no mailbox logs in with a wrong password, and lengthen \
                 `minPollingInterval` of the profile if it goes on",
        likely: &[
            "another program or phone that goes on with a former password",
            "many mailboxes that log in from one address",
        ],
        source: "Gmail: 454 4.7.0 Too many login attempts; Postfix smtpd_client_auth_rate_limit",
    },
    Known {
        key: "throttled",
        marks: &["[THROTTLED]", "[LIMIT]", "THROTTLED", "RATE LIMIT", "BACKOFF TIME"],
        meaning: "the server limits how much is asked of it",
        remedy: "nothing at once: it is asked less often by itself; lengthen `minPollingInterval` of the profile if it goes on",
        likely: &["a short polling interval", "a first reading of a large mailbox"],
        source: "RFC 9051 LIMIT; the vendor's throttling policies",
    },
    Known {
        key: "login-delay",
        marks: &["[LOGIN-DELAY]"],
        meaning: "the server wants more time between two logins",
        remedy: "set `minPollingInterval` of the profile to at least what the server announces",
        likely: &["the polling interval is shorter than the server's LOGIN-DELAY"],
        source: "RFC 2449 section 6.5",
    },
    Known {
        key: "mailbox-in-use",
        marks: &["[IN-USE]", "[INUSE]", "LOCKED BY ANOTHER", "MAILDROP ALREADY LOCKED"],
        meaning: "somebody else has the mailbox open, and this server lets in only one",
        remedy: "nothing at once: it is tried again; if it goes on, find the other program that reads the mailbox",
        likely: &[
            "another mail program",
            "a session that hangs after a crash; the server drops it after some minutes",
            "`watch` or another command of mailplumb on this mailbox",
        ],
        source: "RFC 1939 section 4, RFC 2449 section 8.1.2",
    },
    Known {
        key: "sender-not-allowed",
        marks: &["5.7.60", "SENDASDENIED", "NOT OWNED BY USER", "SENDER ADDRESS REJECTED", "5.2.252"],
        meaning: "the account may not send under this address",
        remedy: "give the account the right to send as this address, or let the profile log in with the mailbox's own account",
        likely: &[
            "a shared login without the right to send as others",
            "an alias that the server does not know",
        ],
        source: "Microsoft: Send As; Postfix reject_sender_login_mismatch",
    },
    Known {
        key: "relay-denied",
        marks: &["RELAY ACCESS DENIED", "RELAYING DENIED", "UNABLE TO RELAY", "5.7.54"],
        meaning: "the server does not send to other domains for us",
        remedy: "log in for sending (`credentials`), or have this machine's address allowed to relay",
        likely: &["anonymous sending that the server takes only for its own domains"],
        source: "Postfix smtpd_relay_restrictions; Microsoft 5.7.54",
    },
    Known {
        key: "login-needed-to-send",
        marks: &["5.7.57", "5.7.3 AUTH", "AUTHENTICATION REQUIRED", "5.5.1 AUTH"],
        meaning: "the server wants a login, or TLS, before it takes mail",
        remedy: "set `credentials` and `tls` of the profile's `outgoing`",
        likely: &["`anonymous` where a login is needed", "port 25 in the place of 587"],
        source: "RFC 4954 530; Microsoft 5.7.57",
    },
    Known {
        key: "sending-limit",
        marks: &[
            "5.4.5",
            "DAILY USER SENDING",
            "SUBMISSIONQUOTAEXCEEDED",
            "5.2.253",
            "DAILY SENDING",
            "5.1.90",
            "TOO MANY MESSAGES",
            "TOO MUCH MAIL",
        ],
        meaning: "the account has sent as much as it may for now",
        remedy: "nothing at once: it is tried again; send less, or through a relay made for bulk mail",
        likely: &["a mass mailing", "an account that was abused"],
        source: "Google: sending limits; the vendor's ErrorSubmissionQuotaExceeded (10,000 recipients a day)",
    },
    Known {
        key: "mailbox-full",
        marks: &[
            "[OVERQUOTA]",
            "5.2.2",
            "4.2.2",
            "MAILBOX FULL",
            "MAILBOX IS FULL",
            "QUOTA EXCEEDED",
            "OVER QUOTA",
            "452 4.3.1",
        ],
        meaning: "the mailbox or the server's disk is full",
        remedy: "make space in the mailbox, or have its quota raised",
        likely: &["mail that is left on the server", "a quota that is too small"],
        source: "RFC 3463 X.2.2, RFC 5530 OVERQUOTA; the vendor's ErrorQuotaExceeded",
    },
    Known {
        key: "greylisted",
        marks: &["GREYLIST", "GRAYLIST", "4.7.1 TRY AGAIN"],
        meaning: "the server takes mail from strangers only at the second attempt",
        remedy: "nothing: it is tried again by itself",
        likely: &["the first message of this sender to this server"],
        source: "RFC 6647",
    },
    Known {
        key: "message-too-large",
        marks: &["5.3.4", "5.2.3", "[TOOBIG]", "MESSAGE TOO LARGE", "EXCEEDS FIXED", "EXCEEDS MAXIMUM"],
        meaning: "the message is larger than the server takes",
        remedy: "send it with smaller attachments; the server's limit is in its EHLO answer (SIZE)",
        likely: &["attachments, which grow by a third on the way"],
        source: "RFC 1870, RFC 3463 X.3.4",
    },
    Known {
        key: "recipient-unknown",
        marks: &["5.1.1", "5.1.10", "USER UNKNOWN", "NO SUCH USER", "RECIPIENT REJECTED"],
        meaning: "the recipient does not exist there",
        remedy: "check the address",
        likely: &["a typing error", "an account that was removed"],
        source: "RFC 3463 X.1.1",
    },
    Known {
        key: "blocked-as-spam",
        marks: &["BLOCKED USING", "SPAMHAUS", "BLOCK LIST", "BLOCKLIST", "BLACKLIST", "5.7.511", "5.7.606"],
        meaning: "the server distrusts this machine's address",
        remedy: "look the address up at the list that is named, or send through a relay",
        likely: &["a dynamic or shared address", "a machine in the same network that was abused"],
        source: "RFC 5782",
    },
    Known {
        key: "login-needs-tls",
        marks: &[
            "[PRIVACYREQUIRED]",
            "PLAINTEXT AUTHENTICATION DISALLOWED",
            "MUST USE TLS",
            "MUST ISSUE A STARTTLS",
            "ENCRYPTION REQUIRED",
        ],
        meaning: "the server takes logins and mail over TLS only",
        remedy: "set `tls: implicit` or `tls: starttls` in the profile",
        likely: &["`tls: none` with a server that refuses it"],
        source: "RFC 5530 PRIVACYREQUIRED, RFC 4954",
    },
    Known {
        key: "mechanism-refused",
        marks: &[
            "UNRECOGNIZED MECHANISM",
            "UNRECOGNIZED AUTHENTICATION",
            "MECHANISM NOT SUPPORTED",
            "504 5.5.4",
            "504 5.7.4",
        ],
        meaning: "the server does not know the way in which we log in, whatever it offers; the password was not looked at",
        remedy: "set another `authentication` in the profile; `mailplumb doctor` tries those that the server offers",
        likely: &["a proxy that offers for the servers behind it what they do not know"],
        source: "RFC 4954 section 4, 504 5.5.4",
    },
    Known {
        key: "login-not-understood",
        marks: &["501 5.5.2", "501 5.5.4", "CANNOT DECODE", "INVALID BASE64"],
        meaning: "the server cannot read the login as it is written; whether the password is right, it does not say",
        remedy: "set another `authentication` in the profile; if it stays so, look for letters beyond ASCII in user name and password",
        likely: &[
            "an access token in the place of a password, or the other way round",
            "a proxy that changes what passes",
        ],
        source: "RFC 4954 section 4, 501",
    },
    Known {
        key: "server-broken",
        marks: &["[SYS/PERM]"],
        meaning: "something is wrong within the server that does not pass by itself, as it says",
        remedy: "have its administrator mend it (the server's log at this time says what), then `mailplumb test`",
        likely: &["a mailbox that is damaged or was moved away", "an account that is set up wrongly"],
        source: "RFC 3206 section 4 SYS/PERM",
    },
    Known {
        key: "server-trouble",
        marks: &["[SERVERBUG]", "[CORRUPTION]", "[SYS/TEMP]", "[UNAVAILABLE]", "INTERNAL ERROR"],
        meaning: "something is wrong within the server",
        remedy: "look at the server's log at this time; it is tried again by itself",
        likely: &["a back end or a disk that is away", "a damaged index of the mailbox"],
        source: "RFC 5530, RFC 3206",
    },
];

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
