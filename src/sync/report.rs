//! Reports on the delivery of a message that was sent before (RFC 3464): what they say, and what that changes.
//!
//! Anybody can write one. It is believed only about a message that the same mailbox has sent, whose id its writer has to know; it
//! never makes a message be sent again, and what it says stands beside what the server said that took the message.

use jiff::Timestamp;
use mail_parser::{Message, MessageParser};

use super::message::{parse_headers, text};
use super::mime;
use super::outgoing::overall;
use crate::model::failure::{FailureSummary, Nature, Scope, TestStep};
use crate::model::limits;
use crate::model::outbox::{AttemptOutcome, OutgoingMessage, OutgoingState, Recipient};
use crate::model::record::Attachment;
use crate::model::report::{DeliveryReport, ReportedAction, ReportedRecipient};

/// The code of a message that came back.
pub const RETURNED: &str = "returned";

const STATUS_TYPES: [&str; 2] = ["message/delivery-status", "message/global-delivery-status"];
const RETURNED_TYPES: [&str; 4] =
    ["message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"];

/// What a message reports. `None`: it is no report, or one that says nothing.
pub fn read(raw: &[u8], attachments: &[Attachment]) -> Option<DeliveryReport> {
    let part_of = |types: &[&str]| {
        let at = attachments.iter().position(|part| types.contains(&part.media_type.as_str()))?;
        mime::octets(raw, u32::try_from(at + 1).ok()?)
    };
    let status = part_of(&STATUS_TYPES)?;
    let mut groups = groups(&status[..status.len().min(limits::REPORT_BYTES_MAX)]);
    let of_message = groups.next()?;
    let sent_as = field(&of_message, "Original-Envelope-Id").map(|id| from_xtext(&id));
    let returned = part_of(&RETURNED_TYPES).and_then(|part| parse_headers(&part).ok()?.message_id);
    let about: Vec<String> = sent_as.into_iter().chain(returned).collect();
    let recipients: Vec<_> =
        groups.filter_map(|group| recipient(&group)).take(limits::RECIPIENTS_MAX).collect();
    (!about.is_empty() && !recipients.is_empty()).then_some(DeliveryReport { about, recipients })
}

/// The groups of fields between empty lines: the first one is about the message, each other one about a recipient.
fn groups(status: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = status;
    std::iter::from_fn(move || {
        rest = rest.trim_ascii_start();
        let ends = ["\r\n\r\n", "\n\n"].map(|end| memchr::memmem::find(rest, end.as_bytes()));
        let end = ends.into_iter().flatten().min().unwrap_or(rest.len());
        let (group, behind) = rest.split_at(end);
        rest = behind;
        (!group.is_empty()).then_some(group)
    })
    .filter_map(|group| MessageParser::new().parse_headers(group))
}

fn field(group: &Message<'_>, name: &'static str) -> Option<String> {
    let value = group.header_raw(name)?;
    let value: Vec<&str> = value.split_whitespace().collect();
    Some(text(&value.join(" "))).filter(|value| !value.is_empty())
}

fn recipient(group: &Message<'_>) -> Option<ReportedRecipient> {
    let action = field(group, "Action")?;
    let action = ReportedAction::ALL.into_iter().find(|known| action.eq_ignore_ascii_case(known.key()))?;
    let original = field(group, "Original-Recipient").map(|address| from_xtext(behind_type(&address)));
    let address = original.or_else(|| Some(behind_type(&field(group, "Final-Recipient")?).to_owned()))?;
    let status = field(group, "Status");
    let words = field(group, "Diagnostic-Code").map(|code| behind_type(&code).to_owned());
    let said: Vec<String> = status.into_iter().chain(words).collect();
    Some(ReportedRecipient { address, action, said: said.join(" ") })
}

/// `rfc822; a@b.example` → `a@b.example`.
fn behind_type(value: &str) -> &str {
    value.split_once(';').map_or(value, |(_, rest)| rest).trim()
}

/// RFC 3461 section 4: `+2B` is a plus sign. What is no such pair stands for itself.
fn from_xtext(value: &str) -> String {
    let mut octets = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, behind @ ..] = rest {
        let pair = behind.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let pair = pair.filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(octet) if *first == b'+' => {
                octets.push(octet);
                rest = behind.get(2..).unwrap_or_default();
            }
            Some(_) | None => {
                octets.push(*first);
                rest = behind;
            }
        }
    }
    text(&String::from_utf8_lossy(&octets))
}

/// What becomes of a message by a report on it. `None`: it says nothing new.
pub fn settle(message: &OutgoingMessage, report: &DeliveryReport, now: Timestamp) -> Option<AttemptOutcome> {
    match message.state {
        OutgoingState::Sent | OutgoingState::Failed | OutgoingState::Unsure | OutgoingState::Cancelled => {}
        // What is still being sent is not judged by what came of an earlier attempt.
        OutgoingState::Pending | OutgoingState::Sending => return None,
    }
    let of = |recipient: &Recipient| {
        let is_it =
            |reported: &&ReportedRecipient| reported.address.eq_ignore_ascii_case(recipient.address.as_str());
        let named = report.recipients.iter().find(is_it);
        match (message.recipients.as_slice(), report.recipients.as_slice()) {
            // Forwarded, and reported by a server that was not told of the first address.
            ([_], [alone]) => Some(alone),
            _ => named,
        }
    };
    let after =
        |recipient: &Recipient| of(recipient).map_or_else(|| recipient.clone(), |it| told(recipient, it));
    let recipients: Vec<Recipient> = message.recipients.iter().map(after).collect();
    if recipients == message.recipients {
        return None;
    }
    let state = overall(&recipients);
    let returned = recipients.iter().zip(&message.recipients).find(|(after, before)| {
        after.state == OutgoingState::Failed && before.state != OutgoingState::Failed
    });
    let failure = match returned {
        Some((after, _)) => Some(came_back(after)),
        None if state == OutgoingState::Sent => None,
        None => message.failure.clone(),
    };
    Some(AttemptOutcome {
        id: message.id,
        state,
        recipients,
        attempts: message.attempts,
        next_attempt_at: now,
        failure,
        at: now,
    })
}

fn told(recipient: &Recipient, reported: &ReportedRecipient) -> Recipient {
    let state = match (reported.action, recipient.state) {
        // Whoever it was withdrawn for is nobody's concern any more.
        (_, OutgoingState::Cancelled) => OutgoingState::Cancelled,
        (ReportedAction::Failed, _) => OutgoingState::Failed,
        (ReportedAction::Delayed, state) => state,
        // Whoever has it settles a doubt, and takes back no refusal.
        (
            ReportedAction::Delivered | ReportedAction::Relayed | ReportedAction::Expanded,
            OutgoingState::Unsure,
        ) => OutgoingState::Sent,
        (ReportedAction::Delivered | ReportedAction::Relayed | ReportedAction::Expanded, state) => state,
    };
    let is_news = state != recipient.state || reported.action == ReportedAction::Delayed;
    if !is_news || recipient.state == OutgoingState::Failed {
        return recipient.clone();
    }
    let said = format!("reported as {}: {}", reported.action.key(), reported.said);
    Recipient {
        address: recipient.address.clone(),
        state,
        said: Some(said.trim_end_matches([' ', ':']).to_owned()),
    }
}

fn came_back(recipient: &Recipient) -> FailureSummary {
    let said = recipient.said.as_deref().unwrap_or_default();
    FailureSummary {
        code: RETURNED.to_owned(),
        step: TestStep::Send,
        nature: Nature::Permanent,
        scope: Scope::Message,
        cause: format!(
            "the server had accepted the message for {}, and it came back: {said}",
            recipient.address
        ),
        remedy: format!("{}; then queue the message anew for those who did not get it", mended_by(said)),
    }
}

/// By the status of the report (RFC 3463): only some of them speak of the address.
fn mended_by(said: &str) -> &'static str {
    let status =
        said.split_whitespace().find(|word| word.starts_with("5.") && word.matches('.').count() == 2);
    let mut numbers = status.unwrap_or_default().split('.').skip(1).map(|number| number.parse().ok());
    let numbers: (Option<u16>, Option<u16>) = (numbers.next().flatten(), numbers.next().flatten());
    match numbers {
        (Some(1), _) => "check the recipient's address",
        (Some(2), Some(2)) => "have the recipient's mailbox emptied, or its quota raised",
        (Some(2), Some(3)) | (Some(3), Some(4)) => "send it with smaller attachments",
        (Some(2), _) => "have the recipient's administrator look at the mailbox",
        (Some(4), _) => "look whether the recipient's domain has a mail server that can be reached",
        (Some(6), Some(7)) => {
            "the recipient's server knows no addresses beyond ASCII (SMTPUTF8): use one in ASCII, for sender and recipient"
        }
        (Some(6), _) => {
            "the recipient's server does not take this form of a message: write it in plain forms"
        }
        (Some(7), _) => {
            "the recipient's server refuses it by its policy: look at what it says, at the sender's domain (SPF, DKIM, DMARC) and at block lists"
        }
        _ => "look at what the recipient's server says",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::{Address, Name};
    use crate::model::record::{ContentHash, MessageFacts};
    use crate::sync::message::parse;

    /// As Postfix writes it.
    const RETURNED: &str = "From: MAILER-DAEMON@relay.example (Mail Delivery System)\r\n\
        Subject: Undelivered Mail Returned to Sender\r\nTo: sales@a.example\r\n\
        Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"B/relay.example\"\r\n\r\n\
        --B/relay.example\r\nContent-Description: Notification\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
        I'm sorry to have to inform you that your message could not be delivered.\r\n\r\n\
        --B/relay.example\r\nContent-Description: Delivery report\r\nContent-Type: message/delivery-status\r\n\r\n\
        Reporting-MTA: dns; relay.example\r\nOriginal-Envelope-Id: 1+2B1@a.example\r\n\
        X-Postfix-Queue-ID: 4Z0\r\nArrival-Date: Sun, 22 Nov 2026 09:00:00 +0000 (UTC)\r\n\r\n\
        Final-Recipient: rfc822; nobody@b.example\r\nOriginal-Recipient: rfc822;n+2Bx@b.example\r\n\
        Action: ACTION\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.b.example\r\n\
        Diagnostic-Code: smtp; 550 5.1.1 <nobody@b.example>: no\r\n    such user here\r\n\r\n\
        --B/relay.example\r\nContent-Description: Undelivered Message\r\nContent-Type: message/rfc822\r\n\r\n\
        Message-ID: <1+1@a.example>\r\nSubject: x\r\n\r\nx\r\n\r\n--B/relay.example--\r\n";

    fn report(action: &str) -> DeliveryReport {
        parse(RETURNED.replace("ACTION", action).as_bytes()).unwrap().report.unwrap()
    }

    fn sent(recipients: &[(&str, OutgoingState)]) -> OutgoingMessage {
        let recipient = |(address, state): &(&str, OutgoingState)| Recipient {
            address: Address::parse(address).unwrap(),
            state: *state,
            said: Some("250 ok".to_owned()),
        };
        let recipients: Vec<Recipient> = recipients.iter().map(recipient).collect();
        OutgoingMessage {
            id: 3,
            mailbox: Name::parse("sales").unwrap(),
            message_id: "1+1@a.example".to_owned(),
            subject: None,
            content: ContentHash::of(b""),
            bytes: 0,
            state: overall(&recipients),
            recipients,
            attempts: 0,
            queued_at: Timestamp::UNIX_EPOCH,
            next_attempt_at: None,
            changed_at: Timestamp::UNIX_EPOCH,
            failure: None,
            idempotency_key: None,
            round: 1,
        }
    }

    fn settled(
        message: &OutgoingMessage,
        action: &str,
    ) -> Option<(OutgoingState, Vec<OutgoingState>, Option<String>)> {
        let outcome = settle(message, &report(action), Timestamp::UNIX_EPOCH)?;
        let states = outcome.recipients.iter().map(|recipient| recipient.state).collect();
        Some((outcome.state, states, outcome.failure.map(|failure| failure.cause)))
    }

    #[test]
    fn a_report_says_what_became_of_whom() {
        let report = report("failed");
        assert_eq!(report.about, ["1+1@a.example", "1+1@a.example"]);
        let [one] = report.recipients.as_slice() else { panic!("{report:?}") };
        assert_eq!((one.address.as_str(), one.action), ("n+x@b.example", ReportedAction::Failed));
        assert_eq!(one.said, "5.1.1 550 5.1.1 <nobody@b.example>: no such user here");
    }

    #[test]
    fn what_is_no_report_reports_nothing() {
        let nothing = [
            RETURNED.replace("message/delivery-status", "text/x-status"),
            RETURNED.replace("Original-Envelope-Id", "X").replace("Message-ID", "X-Id"),
            report_without("Action"),
            report_without("Final-Recipient").replace("Original-Recipient", "X"),
            RETURNED.replace("ACTION", "exploded"),
        ];
        for raw in nothing {
            assert_eq!(parse(raw.as_bytes()).unwrap().report, None, "{raw}");
        }
    }

    fn report_without(field: &str) -> String {
        RETURNED.replace("ACTION", "failed").replace(&format!("{field}:"), "X-Other:")
    }

    #[test]
    fn a_message_that_came_back_has_failed_for_whom_it_came_back() {
        let message = sent(&[("n+x@b.example", OutgoingState::Sent), ("ok@b.example", OutgoingState::Sent)]);
        let (state, recipients, cause) = settled(&message, "failed").unwrap();
        assert_eq!(
            (state, recipients),
            (OutgoingState::Failed, vec![OutgoingState::Failed, OutgoingState::Sent])
        );
        let cause = cause.unwrap();
        assert!(
            cause.contains("n+x@b.example") && cause.contains("no") && cause.contains("5.1.1"),
            "{cause}"
        );
        // One who was forwarded to somebody else.
        let message = sent(&[("old@b.example", OutgoingState::Sent)]);
        assert_eq!(settled(&message, "failed").unwrap().0, OutgoingState::Failed);
        // And never somebody else's.
        let message = sent(&[("p@b.example", OutgoingState::Sent), ("q@b.example", OutgoingState::Sent)]);
        assert_eq!(settled(&message, "failed"), None);
    }

    #[test]
    fn only_what_speaks_of_the_address_advises_to_check_it() {
        for (said, remedy) in [
            ("reported as failed: 5.1.1 550 no such user", "check the recipient's address"),
            ("reported as failed: 5.2.2 552 over quota", "quota"),
            ("reported as failed: 5.6.7 SMTPUTF8 is required", "SMTPUTF8"),
            ("reported as failed: 5.7.26 unauthenticated", "SPF"),
            ("reported as failed: 550 10.5.1.7 is no status", "look at what"),
            ("", "look at what"),
        ] {
            assert!(mended_by(said).contains(remedy), "{said}: {}", mended_by(said));
        }
    }

    #[test]
    fn a_delay_is_no_failure() {
        let message = sent(&[("n+x@b.example", OutgoingState::Sent)]);
        let outcome = settle(&message, &report("delayed"), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((outcome.state, outcome.failure), (OutgoingState::Sent, None));
        assert!(outcome.recipients[0].said.as_deref().unwrap().starts_with("reported as delayed: 5.1.1"));
        // The same report twice is no news.
        let told = OutgoingMessage { recipients: outcome.recipients, ..message };
        assert_eq!(settle(&told, &report("delayed"), Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn a_delivery_ends_a_doubt_and_takes_no_refusal_back() {
        let doubtful = sent(&[("n+x@b.example", OutgoingState::Unsure)]);
        for action in ["delivered", "relayed", "expanded"] {
            assert_eq!(
                settled(&doubtful, action).unwrap(),
                (OutgoingState::Sent, vec![OutgoingState::Sent], None)
            );
        }
        assert_eq!(settled(&doubtful, "failed").unwrap().0, OutgoingState::Failed);
        for state in [OutgoingState::Sent, OutgoingState::Failed] {
            assert_eq!(settled(&sent(&[("n+x@b.example", state)]), "delivered"), None);
        }
        // What waits for another attempt is not judged by what came of an earlier one.
        assert_eq!(settled(&sent(&[("n+x@b.example", OutgoingState::Pending)]), "failed"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_report_takes_longer_than_its_limit(octets in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
            let status = String::from_utf8_lossy(&octets);
            let raw = RETURNED.replace("Reporting-MTA: dns; relay.example", &status);
            let facts: MessageFacts = parse(raw.as_bytes()).unwrap_or_default();
            if let Some(report) = facts.report {
                proptest::prop_assert!(report.recipients.len() <= limits::RECIPIENTS_MAX && report.about.len() <= 2);
            }
        }
    }
}
