//! Sending: of a draft, or in one step.

use super::super::super::state::Held;
use super::super::changes;
use super::super::compose::recipients;
use super::super::folders::Place;
use super::super::node::Node;
use super::super::soap::Message;
use super::route::Errand;
use super::{Answer, compose, messages};

pub(super) fn draft(errand: &mut Errand<'_, '_>, (place, held): (&Place, &Held)) -> Answer {
    if place.key != "drafts" {
        return Answer::error(400, "ErrorInvalidOperation", "Only a draft can be sent.");
    }
    if let Err(answer) = submit(errand, &held.raw) {
        return answer;
    }
    let sent = Place { account: place.account, key: "sentitems".to_owned() };
    messages::to_folder(errand, (place, held), &sent);
    Answer::nothing(202)
}

pub(super) fn at_once(errand: &mut Errand<'_, '_>) -> Answer {
    let (raw, is_kept) = if errand.request.is_json() {
        let body = errand.request.json().unwrap_or_default();
        let from = messages::address(errand);
        let raw = compose::octets(&body["message"], &from, errand.turn.world.state.now());
        (raw, body["saveToSentItems"].as_bool() != Some(false))
    } else {
        (messages::octets(errand), true)
    };
    let Some(raw) = raw else {
        return Answer::error(
            400,
            "ErrorMimeContentInvalid",
            "The MIME content of the item could not be read.",
        );
    };
    if let Err(answer) = submit(errand, &raw) {
        return answer;
    }
    if is_kept {
        let sent = Place { account: errand.account, key: "sentitems".to_owned() };
        changes::put(errand.turn, &sent, raw.into());
    }
    Answer::nothing(202)
}

fn submit(errand: &mut Errand<'_, '_>, raw: &[u8]) -> Result<(), Answer> {
    let from = messages::address(errand);
    let all = recipients(&Node::default(), raw);
    let sent = changes::submit(errand.turn, (&from, all), &without_bcc(raw));
    sent.map_err(|refused| match refused {
        Message::Error { code: "ErrorInvalidRecipients", words, rest: _ } => {
            Answer::error(400, "ErrorInvalidRecipients", words)
        }
        Message::Error { .. } | Message::Success(_) => {
            Answer::error(507, "ErrorQuotaExceeded", "The mailbox is full.")
        }
    })
}

/// What the recipients get does not say who else got it blind.
fn without_bcc(raw: &[u8]) -> Vec<u8> {
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n").map_or(raw.len(), |at| at + 2);
    let (head, rest) = raw.split_at(end);
    let mut kept = Vec::with_capacity(raw.len());
    let mut is_bcc = false;
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            is_bcc = line.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"bcc:"));
        }
        if !is_bcc {
            kept.extend_from_slice(line);
        }
    }
    kept.extend_from_slice(rest);
    kept
}
