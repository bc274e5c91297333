//! What `doctor` makes of what it found: remarks about what works and will not for long, and which logins to try.

use jiff::{SignedDuration, Timestamp};

use crate::model::cursor::{Cursor, Listing};
use crate::model::examination::{CertificateFacts, Greeting, LoginTried, Remark};
use crate::model::failure::{StepTaken, TestStep};
use crate::model::limits;
use crate::model::name::Name;
use crate::model::profile::Authentication;
use crate::model::retirement;
use crate::model::server::Login;
use crate::sync::incoming;

/// Clocks that differ by less are good enough: certificates and dates of messages do not suffer.
const CLOCK_SKEW_TOLERATED: SignedDuration = SignedDuration::from_mins(2);

/// Whole days that a certificate is still valid; negative: it expired so many days ago. 0 is either, see [`is_expired`].
pub fn days_left(certificate: &CertificateFacts, now: Timestamp) -> i64 {
    certificate.valid_until.duration_since(now).as_secs() / 86_400
}

pub fn is_expired(certificate: &CertificateFacts, now: Timestamp) -> bool {
    certificate.valid_until < now
}

/// A test's own message is still missing.
pub fn not_received_back(mailbox: &Name, since: Timestamp) -> Remark {
    Remark {
        what: format!(
            "the message that a test sent to itself on {since:.0} has not come back (not-received-back)"
        ),
        remedy: format!(
            "look for it in mailbox `{mailbox}` (whether it is full, and among junk mail) and in the server's queue; `mailplumb test {mailbox}` \
             sends another one"
        ),
    }
}

/// One for each certificate that expires soon.
pub fn certificate_remarks(certificates: &[CertificateFacts], now: Timestamp) -> Vec<Remark> {
    let soon = certificates.iter().filter(|certificate| {
        !is_expired(certificate, now) && days_left(certificate, now) <= limits::CERTIFICATE_WARNING_DAYS
    });
    soon.map(|certificate| Remark {
        what: format!(
            "the certificate of `{}` expires in {} days, on {}",
            certificate.subject,
            days_left(certificate, now),
            certificate.valid_until.strftime("%Y-%m-%d")
        ),
        remedy: "have it renewed, and see that the server loads the new one".to_owned(),
    })
    .collect()
}

/// What a listing brings, for people. POP3 lists everything each time.
pub fn listing_words(listing: &Listing, cursor: &Cursor) -> String {
    let count = listing.messages().len();
    let new = incoming::fresh(listing.clone(), cursor).len();
    match (listing, cursor) {
        (_, Cursor::Start) => format!("{count} listed"),
        (Listing::Pop3 { .. }, _) => format!("{count} listed, {new} new since the last reading"),
        (Listing::Imap { .. } | Listing::Exchange { .. }, _) => format!("{new} new since the last reading"),
    }
}

/// A message that arrives in the future tells of clocks that differ.
pub fn clock_remark(newest: Option<Timestamp>, now: Timestamp) -> Option<Remark> {
    let ahead = newest?.duration_since(now);
    (ahead > CLOCK_SKEW_TOLERATED).then(|| Remark {
        what: format!(
            "the newest message arrived {} s in the future: this machine's clock is behind the server's",
            ahead.as_secs()
        ),
        remedy: "synchronise the clocks of both machines (NTP)".to_owned(),
    })
}

/// A server that says what time it is by its own clock (Exchange, Exim and Sendmail do when they greet) tells of one that is off.
pub fn greeting_remark(greeting: &Greeting) -> Option<Remark> {
    let theirs = said_at(&greeting.said)?;
    let ahead = theirs.duration_since(greeting.at);
    if ahead.abs() <= CLOCK_SKEW_TOLERATED {
        return None;
    }
    let side = if ahead.is_negative() { "ahead of" } else { "behind" };
    Some(Remark {
        what: format!(
            "this machine's clock is {} s {side} the server's: it is {} here and {} there",
            ahead.abs().as_secs(),
            greeting.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            theirs.strftime("%Y-%m-%dT%H:%M:%SZ")
        ),
        remedy: "synchronise the clocks of both machines (NTP); certificates, access tokens and dates depend on them"
            .to_owned(),
    })
}

/// A server that says that it is one that gets no fixes any more.
pub fn server_remark(capabilities: &[String], now: Timestamp) -> Option<Remark> {
    let version = capabilities.iter().find_map(|words| words.strip_prefix("Exchange "))?;
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let old = retirement::unsupported_server(version, today)?;
    Some(Remark {
        what: format!("the server is {} ({version}), which has had no support since {}", old.name, old.until),
        remedy: "move to Exchange Server Subscription Edition; holes in what is older stay open".to_owned(),
    })
}

/// The date of RFC 5322 within a sentence: `… ready at Sun, 22 Nov 2026 06:00:00 +0000`.
fn said_at(said: &str) -> Option<Timestamp> {
    const WORDS: usize = 6;
    let words: Vec<&str> = said.split_ascii_whitespace().collect();
    words.windows(WORDS).filter(|window| window[0].ends_with(',')).find_map(|window| {
        let text = window.join(" ");
        jiff::fmt::rfc2822::parse(text.trim_end_matches([';', '.', ')'])).ok().map(|zoned| zoned.timestamp())
    })
}

/// The mechanism that the login used, as its step tells.
pub fn mechanism_used(steps: &[StepTaken]) -> Option<String> {
    let step = steps.iter().rev().find(|step| step.step == TestStep::Authenticate)?;
    step.detail
        .as_ref()?
        .split_once(" (")
        .map_or_else(|| step.detail.clone(), |(name, _)| Some(name.to_owned()))
}

/// A mechanism that a server offers, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginToTry {
    mechanism: String,
    /// `None`: it is known already, or it cannot be tried.
    pub to_try: Option<Authentication>,
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Accepted,
    Refused(String),
    NotTried(&'static str),
}

impl LoginToTry {
    /// `None`: it was accepted.
    pub fn note(&mut self, refused: Option<String>) {
        self.outcome = refused.map_or(Outcome::Accepted, Outcome::Refused);
    }

    pub fn into_tried(self) -> LoginTried {
        let (accepted, said) = match self.outcome {
            Outcome::Accepted => (true, None),
            Outcome::Refused(said) => (false, Some(said)),
            Outcome::NotTried(reason) => (false, Some(format!("not tried: {reason}"))),
        };
        LoginTried { mechanism: self.mechanism, accepted, said }
    }
}

/// Every mechanism that a server offers, the one that was used first accepted, the others to be tried where we can.
pub fn logins_to_try(offered: &[String], used: Option<&str>, login: &Login) -> Vec<LoginToTry> {
    let mut tried: Vec<LoginToTry> = Vec::new();
    for mechanism in offered {
        if tried.iter().any(|known| known.mechanism.eq_ignore_ascii_case(mechanism)) {
            continue;
        }
        let is_used = used.is_some_and(|used| used.eq_ignore_ascii_case(mechanism));
        let (to_try, outcome) = match (authentication(mechanism, login), login) {
            (_, _) if is_used => (None, Outcome::Accepted),
            (_, Login::Host) => (None, Outcome::NotTried("the first way that worked is enough")),
            (_, Login::Anonymous) => (None, Outcome::NotTried("no login is declared")),
            (Some(known), Login::Password { .. } | Login::Oauth2 { .. }) => {
                (Some(known), Outcome::NotTried("the first way that worked is enough"))
            }
            (None, Login::Password { .. }) => {
                (None, Outcome::NotTried("it takes something else than a password"))
            }
            (None, Login::Oauth2 { .. }) => {
                (None, Outcome::NotTried("it takes something else than an access token"))
            }
        };
        tried.push(LoginToTry { mechanism: mechanism.clone(), to_try, outcome });
    }
    tried
}

/// Those that take a password, or an access token, whichever is declared.
fn authentication(mechanism: &str, login: &Login) -> Option<Authentication> {
    const WITH_PASSWORD: &[(&str, Authentication)] = &[
        ("PLAIN", Authentication::Plain),
        ("LOGIN", Authentication::Login),
        ("CRAM-MD5", Authentication::CramMd5),
        ("SCRAM-SHA-1", Authentication::ScramSha1),
        ("SCRAM-SHA-256", Authentication::ScramSha256),
        ("NTLM", Authentication::Ntlm),
        ("Negotiate", Authentication::Negotiate),
        ("Basic", Authentication::Basic),
    ];
    const WITH_TOKEN: &[(&str, Authentication)] = &[
        ("XOAUTH2", Authentication::Xoauth2),
        ("OAUTHBEARER", Authentication::Oauthbearer),
        ("Bearer", Authentication::Oauth),
    ];
    let known = match login {
        Login::Anonymous | Login::Host => return None,
        Login::Password { .. } => WITH_PASSWORD,
        Login::Oauth2 { .. } => WITH_TOKEN,
    };
    known.iter().find(|(name, _)| name.eq_ignore_ascii_case(mechanism)).map(|(_, known)| *known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::Secret;

    #[test]
    fn an_exchange_server_without_support_is_remarked_on() {
        let said =
            |version: &str| server_remark(&[format!("Exchange {version}")], at("2026-11-22T00:00:00Z"));
        assert!(said("15.1.2507.44").unwrap().what.contains("2016 (15.1.2507.44)"));
        assert_eq!(said("15.2.2562.17"), None);
        assert_eq!(server_remark(&["IMAP4rev1".to_owned()], at("2026-11-22T00:00:00Z")), None);
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_certificate_is_remarked_on_in_its_last_month() {
        let until = |text: &str| CertificateFacts {
            subject: "mail".to_owned(),
            issuer: "ca".to_owned(),
            names: Vec::new(),
            valid_from: at("2026-01-01T00:00:00Z"),
            valid_until: at(text),
        };
        let now = at("2026-11-22T12:00:00Z");
        let remarks = |text: &str| certificate_remarks(&[until(text)], now).len();
        assert_eq!(["2026-12-01T00:00:00Z", "2027-06-01T00:00:00Z"].map(remarks), [1, 0]);
        assert_eq!(remarks("2026-11-01T00:00:00Z"), 0, "an expired one is a failure, and no remark");
        let expired = until("2026-11-22T11:00:00Z");
        assert_eq!(
            (days_left(&expired, now), is_expired(&expired, now)),
            (0, true),
            "an hour ago is no day ago"
        );
        assert_eq!(days_left(&until("2026-11-21T11:00:00Z"), now), -1, "25 hours are one day");
        assert_eq!(days_left(&until("2026-11-23T13:00:00Z"), now), 1);
    }

    #[test]
    fn mail_from_the_future_tells_of_a_clock() {
        let now = at("2026-11-22T12:00:00Z");
        assert!(clock_remark(Some(at("2026-11-22T12:01:00Z")), now).is_none());
        assert!(clock_remark(Some(at("2026-11-22T12:10:00Z")), now).unwrap().what.contains("600 s"));
    }

    #[test]
    fn a_greeting_with_a_date_tells_of_a_clock_that_is_off_and_by_how_much() {
        let remark = |said: &str| {
            greeting_remark(&Greeting { said: said.to_owned(), at: at("2026-11-22T12:00:00Z") })
                .map(|remark| remark.what)
        };
        let exchange = "220 mx Microsoft ESMTP MAIL Service ready at Sun, 22 Nov 2026 13:10:00 +0100";
        let behind = "this machine's clock is 600 s behind the server's: it is 2026-11-22T12:00:00Z here and 2026-11-22T12:10:00Z there";
        assert_eq!(remark(exchange).as_deref(), Some(behind));
        let sendmail = "220 mx ESMTP Sendmail 8.17; Sun, 22 Nov 2026 06:30:00 -0500 (EST)";
        assert!(
            remark(sendmail).unwrap().starts_with("this machine's clock is 1800 s ahead of the server's")
        );
        for fine in [
            "220 mx ESMTP Exim 4.96 Sun, 22 Nov 2026 12:01:00 +0000",
            "220 mx ready",
            "",
            "220 a, b c d e f g",
        ] {
            assert_eq!(remark(fine), None, "{fine}");
        }
    }

    #[test]
    fn every_offered_login_is_told_and_those_that_take_a_password_are_tried() {
        let offered = ["SCRAM-SHA-256", "PLAIN", "XOAUTH2", "plain"].map(str::to_owned);
        let login = Login::Password { username: "a".to_owned(), password: Secret::new("b".to_owned()) };
        let tried = logins_to_try(&offered, Some("SCRAM-SHA-256"), &login);
        let names: Vec<&str> = tried.iter().map(|one| one.mechanism.as_str()).collect();
        assert_eq!(names, ["SCRAM-SHA-256", "PLAIN", "XOAUTH2"]);
        let to_try: Vec<_> = tried.iter().map(|one| one.to_try).collect();
        assert_eq!(to_try, [None, Some(Authentication::Plain), None]);
        assert!(tried[0].clone().into_tried().accepted);
    }

    #[test]
    fn of_a_listing_it_is_said_what_is_new() {
        use std::collections::BTreeMap;

        use crate::model::cursor::{Listed, RemoteId};

        let message =
            |uidl: &str| Listed { id: RemoteId::Uidl(uidl.to_owned()), size: Some(7), received: None };
        let listing = Listing::Pop3 { messages: vec![message("a"), message("b")] };
        let seen: BTreeMap<_, _> = [("a".to_owned(), Some(7))].into();
        assert_eq!(listing_words(&listing, &Cursor::Start), "2 listed");
        assert_eq!(listing_words(&listing, &Cursor::Pop3 { seen }), "2 listed, 1 new since the last reading");
    }
}
