//! Properties that hold whatever a server or a message contains.

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::model::failure::Cause;
use crate::model::name::Address;
use crate::model::secret::Secret;
use crate::protocol::sasl::{Exchange, Mechanism, Nonce};
use crate::protocol::{Conversation, Progress};

/// Feeds everything at once and lets the conversation come to its end, or to asking for more.
fn hear<C: Conversation>(mut conversation: C, said: &[u8]) -> Option<Result<C::Output, Cause>> {
    let mut input = BytesMut::new();
    // Where the client speaks first, nothing may have been said before.
    if let Ok(Progress::Done(output)) = conversation.advance(&mut input) {
        return Some(Ok(output));
    }
    input.extend_from_slice(said);
    for _ in 0..=said.len() {
        match conversation.advance(&mut input) {
            Ok(Progress::Send(_)) => {}
            Ok(Progress::NeedInput) => return None,
            Ok(Progress::Done(output)) => return Some(Ok(output)),
            Err(cause) => return Some(Err(cause)),
        }
    }
    None
}

fn envelope() -> Envelope {
    let from = Address::parse("a@a.example").unwrap();
    let to = ["b@b.example", "c@c.example"].map(|text| Address::parse(text).unwrap());
    let offered = Capabilities { pipelining: true, ..Capabilities::default() };
    Envelope::new(&from, &to, &Content::prepare(b"x\n"), &offered)
}

/// Mostly replies, with a flaw here and there.
fn replies() -> impl Strategy<Value = Vec<u8>> {
    let code =
        prop_oneof![Just("250"), Just("334"), Just("354"), Just("235"), Just("421"), Just("550"), Just("9")];
    let line = (code, "[ -]?", "[ -~\\\\x00\\u{e9}]{0,12}", "\r?\n");
    let lines = prop::collection::vec(
        line.prop_map(|(code, gap, text, end)| format!("{code}{gap}{text}{end}")),
        0..8,
    );
    prop_oneof![
        lines.prop_map(|lines| lines.concat().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..200),
    ]
}

proptest! {
    #[test]
    fn no_reply_makes_a_conversation_panic_or_run_on(said in replies()) {
        hear(Hello::greeted("a.example"), &said);
        hear(Hello::again("a.example"), &said);
        hear(StartTls::default(), &said);
        hear(Quit::default(), &said);
        hear(Abandon::new(Next::LoneDot), &said);
        for mechanism in [Mechanism::ScramSha256, Mechanism::CramMd5, Mechanism::Login, Mechanism::Plain] {
            let password = Secret::new("geheim".to_owned());
            let exchange = Exchange::new(mechanism, "anna", &password, Nonce::from_random([7; 18])).unwrap();
            hear(Login::new(mechanism, exchange), &said);
        }
    }

    #[test]
    fn a_go_ahead_is_given_by_354_only_and_every_recipient_gets_an_answer(said in replies()) {
        if let Some(Ok(verdict)) = hear(envelope(), &said) {
            let go_ahead = said.windows(3).any(|bytes| bytes == b"354");
            prop_assert!(verdict.next != Next::Deliver || go_ahead);
            prop_assert_eq!(verdict.without_delivery().recipients.len(), 2);
        }
    }

    #[test]
    fn only_a_2xx_after_the_last_write_is_an_acceptance(said in replies()) {
        let mut delivery = Delivery::new(&Content::prepare(b"x\n"), Transfer::Data);
        let mut input = BytesMut::new();
        prop_assert!(matches!(delivery.advance(&mut input), Ok(Progress::Send(_))));
        input.extend_from_slice(&said);
        let end = match delivery.advance(&mut input) {
            Ok(Progress::Done(reply)) => Ok(reply),
            Err(cause) => Err(cause),
            Ok(Progress::NeedInput | Progress::Send(_)) => return Ok(()),
        };
        match delivery.judge(&end) {
            Ok(crate::model::outbox::RecipientResult::Accepted { .. }) => prop_assert!(said.starts_with(b"2")),
            Ok(_) => {}
            Err(cause) => prop_assert!(false, "certain, although the final dot was handed out: {cause}"),
        }
    }

    #[test]
    fn what_is_written_reads_back_as_the_message_with_crlf(raw in prop::collection::vec(
        prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'x'), any::<u8>()], 0..300,
    )) {
        let (first, last) = Content::prepare(&raw).writes(Transfer::Data);
        let written = [first, last].concat();
        // RFC 5321 section 4.5.2, as a receiver does it.
        let mut received = Vec::new();
        let mut rest = &written[..];
        let mut ended = false;
        while let Some(end) = rest.windows(2).position(|bytes| bytes == b"\r\n") {
            let line = &rest[..end];
            rest = &rest[end + 2..];
            if line == b"." {
                ended = true;
                break;
            }
            received.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            received.extend_from_slice(b"\r\n");
        }
        prop_assert!(ended && rest.is_empty(), "one end, at the end");
        prop_assert_eq!(received, with_crlf(&raw));
    }

    #[test]
    fn a_chunk_holds_exactly_the_octets_that_it_announces(raw in prop::collection::vec(
        prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'x'), any::<u8>()], 0..300,
    )) {
        let (first, last) = Content::prepare(&raw).writes(Transfer::Chunk);
        let normal = with_crlf(&raw);
        let expected = [format!("BDAT {} LAST\r\n", normal.len()).as_bytes(), &normal].concat();
        prop_assert_eq!([first, last].concat(), expected);
    }
}
