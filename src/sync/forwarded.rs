//! What a forward mailbox receives: messages as attachments of messages. The attached one is what the record is about; the octets
//! stay as they came.

use super::{message, mime};
use crate::model::record::{Attachment, Forwarded, MessageFacts};

/// The facts of the message that was forwarded. Where it is not one whole message that was, and nothing beside it, they are those of
/// the message that came: nothing that anybody wrote is passed over.
pub fn unwrapped(raw: &[u8], outer: MessageFacts) -> MessageFacts {
    let Some(place) = mime::forwarded(raw) else { return outer };
    let Ok(inner) = message::parse(&raw[place.clone()]) else { return outer };
    let shift = place.start as u64;
    let shifted = |attachment: Attachment| Attachment {
        start: attachment.start + shift,
        end: attachment.end + shift,
        ..attachment
    };
    let by = outer.from.into_iter().next().map(|sender| sender.address);
    MessageFacts {
        attachments: inner.attachments.into_iter().map(shifted).collect(),
        received: outer.received.or(inner.received),
        forwarded: Some(Forwarded { by, start: shift, end: place.end as u64 }),
        ..inner
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INNER: &str = "From: c@d.example\r\nTo: anna@a.example\r\nSubject: Question\r\nMessage-ID: <q@d.example>\r\n\
        Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nWhy?\r\n--i\r\nContent-Type: text/csv; name=a.csv\r\n\
        Content-Disposition: attachment\r\n\r\n1,2\r\n--i--\r\n";

    fn wrapped(text: &str, attached: &str) -> String {
        format!(
            "Received: from x by y; Sun, 22 Nov 2026 10:00:00 +0000\r\nFrom: Anna <anna@a.example>\r\n\
             To: collector@a.example\r\nSubject: FW: Question\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n\
             --o\r\nContent-Type: text/html\r\n\r\n{text}\r\n--o\r\n{attached}\r\n--o--\r\n"
        )
    }

    fn attached(head: &str) -> String {
        format!("Content-Type: message/rfc822\r\n{head}\r\n{INNER}")
    }

    fn facts(raw: &str) -> MessageFacts {
        unwrapped(raw.as_bytes(), message::parse(raw.as_bytes()).unwrap())
    }

    #[test]
    fn the_record_is_about_the_message_that_was_forwarded_and_says_by_whom() {
        let raw = wrapped("<html><body>&nbsp;<br></body></html>", &attached(""));
        let facts = facts(&raw);
        assert_eq!(facts.subject.as_deref(), Some("Question"));
        assert_eq!(facts.message_id.as_deref(), Some("q@d.example"));
        assert_eq!(facts.from[0].address, "c@d.example");
        let forwarded = facts.forwarded.unwrap();
        assert_eq!(forwarded.by.as_deref(), Some("anna@a.example"));
        let slice =
            |start: u64, end: u64| &raw[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
        assert!(slice(forwarded.start, forwarded.end).starts_with("From: c@d.example\r\nTo: anna@"));
        let [csv] = facts.attachments.as_slice() else { panic!("{:?}", facts.attachments) };
        assert!(slice(csv.start, csv.end).starts_with("1,2"), "places are those in the octets that came");
        assert_eq!(facts.received.unwrap().to_string(), "2026-11-22T10:00:00Z");
    }

    #[test]
    fn what_somebody_wrote_beside_it_is_not_passed_over() {
        let two = format!("{}\r\n--o\r\n{}", attached(""), attached(""));
        let file = format!("{}\r\n--o\r\nContent-Type: application/pdf\r\n\r\nx", attached(""));
        let encoded =
            "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nRnJvbTogYUBiCgp4\r\n";
        let raws = [
            wrapped("Look at this!", &attached("")),
            wrapped("", &two),
            wrapped("", &file),
            wrapped("", encoded),
            wrapped("", "Content-Type: message/rfc822\r\n\r\n\r\n"),
            INNER.to_owned(),
        ];
        for raw in raws {
            let facts = facts(&raw);
            assert_eq!(facts.forwarded, None, "{raw}");
            assert_eq!(facts, message::parse(raw.as_bytes()).unwrap());
        }
    }

    proptest::proptest! {
        #[test]
        fn places_are_in_the_message_whatever_it_claims(text in "(?s).{0,40}", cut in 0_usize..400) {
            let raw = wrapped(&text, &attached(""));
            let raw = &raw.as_bytes()[..raw.len().saturating_sub(cut)];
            if let Ok(outer) = message::parse(raw) {
                let facts = unwrapped(raw, outer);
                let ends = facts.attachments.iter().map(|it| it.end).chain(facts.forwarded.map(|it| it.end));
                for end in ends {
                    proptest::prop_assert!(end <= raw.len() as u64);
                }
            }
        }
    }
}
