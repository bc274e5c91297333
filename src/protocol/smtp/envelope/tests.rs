use super::*;
use crate::protocol::smtp::transcript::play;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn pipelining() -> Capabilities {
    Capabilities { pipelining: true, ..Capabilities::default() }
}

fn submit(raw: &str, to: &[&str], offered: &Capabilities, transcript: &str) -> Result<Verdict, Cause> {
    let recipients: Vec<Address> = to.iter().map(|text| address(text)).collect();
    let content = Content::prepare(raw.as_bytes()).fitting(offered);
    let mut envelope = Envelope::new(&address("anna@a.example"), &recipients, &content, offered);
    play(&mut envelope, transcript)
}

const ASCII: &str = "Subject: x\n\ntext\n";
const TWO: [&str; 2] = ["b@b.example", "c@c.example"];

/// One word for each recipient, and what comes next.
fn told(verdict: Result<Verdict, Cause>) -> (Vec<String>, Next) {
    let verdict = verdict.unwrap();
    let next = verdict.next;
    let submitted = verdict.settle(&RecipientResult::Accepted { said: "-".to_owned() });
    let words = submitted.recipients.into_iter().map(|result| match result {
        RecipientResult::Accepted { .. } => "open".to_owned(),
        RecipientResult::Deferred { said } => format!("deferred: {said}"),
        RecipientResult::Refused { said } => format!("refused: {said}"),
        RecipientResult::Unsure { detail } => format!("unsure: {detail}"),
    });
    (words.collect(), next)
}

#[test]
fn with_pipelining_the_envelope_is_one_write() {
    let verdict = submit(
        ASCII,
        &TWO,
        &pipelining(),
        "C: MAIL FROM:<anna@a.example>\nC: RCPT TO:<b@b.example>\nC: RCPT TO:<c@c.example>\nC: DATA\n\
         S: 250 ok\nS: 550 5.1.1 no such user\nS: 251 forwarded\nS: 354 go",
    );
    let expected = vec!["refused: 550 5.1.1 no such user".to_owned(), "open".to_owned()];
    assert_eq!(told(verdict), (expected, Next::Deliver));
}

#[test]
fn without_pipelining_each_command_awaits_its_reply() {
    let verdict = submit(
        ASCII,
        &TWO,
        &Capabilities::default(),
        "C: MAIL FROM:<anna@a.example>\nS: 250 ok\nC: RCPT TO:<b@b.example>\nS: 250 ok\n\
         C: RCPT TO:<c@c.example>\nS: 452 4.5.3 too many\nC: DATA\nS: 354 go",
    );
    let expected = vec!["open".to_owned(), "deferred: 452 4.5.3 too many".to_owned()];
    assert_eq!(told(verdict), (expected, Next::Deliver));
}

#[test]
fn a_go_ahead_although_everybody_was_refused_ends_in_a_lone_dot() {
    let verdict = submit(
        ASCII,
        &["b@b.example"],
        &pipelining(),
        "C: MAIL FROM:<anna@a.example>\nC: RCPT TO:<b@b.example>\nC: DATA\n\
         S: 250 ok\nS: 550 no\nS: 354 go",
    );
    assert_eq!(told(verdict), (vec!["refused: 550 no".to_owned()], Next::LoneDot));
}

#[test]
fn the_reply_to_data_does_not_replace_what_was_said_of_a_recipient() {
    let verdict = submit(
        ASCII,
        &["b@b.example"],
        &pipelining(),
        "C: MAIL FROM:<anna@a.example>\nC: RCPT TO:<b@b.example>\nC: DATA\n\
         S: 250 ok\nS: 450 greylisted\nS: 554 no valid recipients",
    );
    assert_eq!(told(verdict), (vec!["deferred: 450 greylisted".to_owned()], Next::Reset));
}

#[test]
fn without_pipelining_data_is_not_said_when_everybody_was_refused() {
    let verdict = submit(
        ASCII,
        &["b@b.example"],
        &Capabilities::default(),
        "C: MAIL FROM:<anna@a.example>\nS: 250 ok\nC: RCPT TO:<b@b.example>\nS: 550 no",
    );
    assert_eq!(told(verdict), (vec!["refused: 550 no".to_owned()], Next::Reset));
}

#[test]
fn a_refused_sender_holds_for_all_and_every_reply_is_read() {
    let verdict = submit(
        ASCII,
        &TWO,
        &pipelining(),
        "C: MAIL FROM:<anna@a.example>\nC: RCPT TO:<b@b.example>\nC: RCPT TO:<c@c.example>\nC: DATA\n\
         S: 553 5.1.8 not yours\nS: 503 first MAIL\nS: 503 first MAIL\nS: 503 first RCPT",
    );
    let expected = vec!["refused: 553 5.1.8 not yours".to_owned(); 2];
    assert_eq!(told(verdict), (expected, Next::Reset));
}

#[test]
fn without_pipelining_a_refused_sender_ends_the_transaction() {
    let offered = Capabilities::default();
    let verdict = submit(ASCII, &TWO, &offered, "C: MAIL FROM:<anna@a.example>\nS: 451 later");
    assert_eq!(told(verdict), (vec!["deferred: 451 later".to_owned(); 2], Next::Reset));
}

#[test]
fn a_refused_data_holds_for_those_without_an_answer_of_their_own() {
    let verdict = submit(
        ASCII,
        &TWO,
        &pipelining(),
        "C: MAIL FROM:<anna@a.example>\nC: RCPT TO:<b@b.example>\nC: RCPT TO:<c@c.example>\nC: DATA\n\
         S: 250 ok\nS: 550 no\nS: 250 ok\nS: 451 disk full",
    );
    let expected = vec!["refused: 550 no".to_owned(), "deferred: 451 disk full".to_owned()];
    assert_eq!(told(verdict), (expected, Next::Reset));
}

#[test]
fn many_recipients_are_said_in_several_writes_with_data_in_the_last() {
    let all: Vec<String> = (0..150).map(|number| format!("r{number}@b.example")).collect();
    let to: Vec<&str> = all.iter().map(String::as_str).collect();
    let said = |part: &[String]| -> String {
        part.iter().map(|recipient| format!("C: RCPT TO:<{recipient}>\n")).collect()
    };
    let transcript = format!(
        "C: MAIL FROM:<anna@a.example>\n{}{}{}C: DATA\n{}S: 354 go",
        said(&all[..99]),
        "S: 250 ok\n".repeat(100),
        said(&all[99..]),
        "S: 250 ok\n".repeat(51),
    );
    let (words, next) = told(submit(ASCII, &to, &pipelining(), &transcript));
    assert_eq!((words, next), (vec!["open".to_owned(); 150], Next::Deliver));
}

#[test]
fn a_goodbye_before_the_message_is_certainly_no_acceptance() {
    for replies in ["S: 421 bye", "S: 250 ok\nS: 421 bye", "S: 250 ok\nS: 250 ok\nS: 421 bye"] {
        let transcript =
            format!("C: MAIL FROM:<anna@a.example>\nC: RCPT TO:<b@b.example>\nC: DATA\n{replies}");
        let error = submit(ASCII, &["b@b.example"], &pipelining(), &transcript);
        assert_eq!(error, Err(Cause::ServerBye { said: "421 bye".to_owned() }));
    }
}

#[test]
fn a_server_that_demands_a_login_refuses_the_profile_not_the_message() {
    let transcript = "C: MAIL FROM:<anna@a.example>\nS: 530 5.7.0 authentication required";
    let error = submit(ASCII, &TWO, &Capabilities::default(), transcript);
    assert!(matches!(error, Err(Cause::LoginRefused { .. })));
}

#[test]
fn a_reply_too_many_ends_the_session_before_the_message_is_sent() {
    let transcript = "C: MAIL FROM:<anna@a.example>\nC: RCPT TO:<b@b.example>\nC: DATA\n\
                      S: 250 ok\nS: 250 ok\nS: 354 go\nS: 250 queued";
    let error = submit(ASCII, &["b@b.example"], &pipelining(), transcript);
    assert!(matches!(error, Err(Cause::Garbage { .. })), "{error:?}");
}

#[test]
fn replies_that_contradict_each_other_are_garbage() {
    for replies in [
        "S: 550 no\nS: 250 ok\nS: 354 go",
        "S: 354 go",
        "S: 250 ok\nS: 354 go",
        "S: 250 ok\nS: 250 ok\nS: 250 queued",
    ] {
        let transcript =
            format!("C: MAIL FROM:<anna@a.example>\nC: RCPT TO:<b@b.example>\nC: DATA\n{replies}");
        let error = submit(ASCII, &["b@b.example"], &pipelining(), &transcript);
        assert!(matches!(error, Err(Cause::Garbage { .. })), "{replies}: {error:?}");
    }
}

#[test]
fn too_many_recipients_in_the_words_of_rfc_821_is_for_later() {
    for (reply, expected) in [
        ("552 too many", "deferred: 552 too many"),
        ("552 5.5.3 too many", "deferred: 552 5.5.3 too many"),
        ("552 5.2.2 mailbox full", "refused: 552 5.2.2 mailbox full"),
    ] {
        let transcript = format!(
            "C: MAIL FROM:<anna@a.example>\nS: 250 ok\nC: RCPT TO:<b@b.example>\nS: 250 ok\n\
             C: RCPT TO:<c@c.example>\nS: {reply}\nC: DATA\nS: 354 go"
        );
        let (words, _) = told(submit(ASCII, &TWO, &Capabilities::default(), &transcript));
        assert_eq!(words[1], expected);
    }
}

#[test]
fn what_the_message_needs_is_declared_when_it_is_offered() {
    let offered = Capabilities {
        pipelining: true,
        eight_bit: true,
        smtputf8: true,
        size: SizeLimit::Bytes(1000),
        ..Capabilities::default()
    };
    let rest = "C: RCPT TO:<b@b.example>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go";
    for (raw, parameters) in [
        (ASCII, "SIZE=20"),
        ("Subject: x\n\nß\n", "SIZE=18 BODY=8BITMIME"),
        ("Subject: ß\n\n", "SIZE=15 BODY=8BITMIME SMTPUTF8"),
    ] {
        let transcript = format!("C: MAIL FROM:<anna@a.example> {parameters}\n{rest}");
        let (_, next) = told(submit(raw, &["b@b.example"], &offered, &transcript));
        assert_eq!(next, Next::Deliver);
    }
}

#[test]
fn what_the_server_cannot_carry_is_refused_before_anything_is_said() {
    let small = Capabilities { size: SizeLimit::Bytes(10), ..pipelining() };
    let eight_bit = Capabilities { eight_bit: true, ..pipelining() };
    for (raw, offered, words) in [
        (ASCII, &small, "refused: not sent: the message has 20 bytes, and the server takes at most 10"),
        (
            "\nß\n",
            &pipelining(),
            "refused: not sent: the message holds 8-bit text, the server does not offer 8BITMIME, and it cannot be told in 7 bits: it does not say what its text is written in",
        ),
        (
            "To: x\nSubject: y\n ß\nX: z\n\n",
            &eight_bit,
            "refused: not sent: the header field `Subject` is written in UTF-8, and the server does not offer SMTPUTF8",
        ),
    ] {
        let verdict = submit(raw, &["b@b.example"], offered, "");
        assert_eq!(told(verdict), (vec![words.to_owned()], Next::Nothing));
    }
}

#[test]
fn an_international_address_keeps_nobody_else_from_getting_the_message() {
    let verdict = submit(
        ASCII,
        &["grüße@b.example", "c@c.example"],
        &pipelining(),
        "C: MAIL FROM:<anna@a.example>\nC: RCPT TO:<c@c.example>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go",
    );
    let (words, next) = told(verdict);
    assert!(words[0].contains("SMTPUTF8"), "{}", words[0]);
    assert_eq!((words[1].as_str(), next), ("open", Next::Deliver));
}

#[test]
fn a_domain_beyond_ascii_needs_no_smtputf8() {
    for smtputf8 in [false, true] {
        let offered = Capabilities { smtputf8, dsn: true, ..pipelining() };
        let verdict = submit(
            ASCII,
            &["q@bücher.example"],
            &offered,
            "C: MAIL FROM:<anna@a.example> RET=HDRS\n\
             C: RCPT TO:<q@xn--bcher-kva.example> NOTIFY=FAILURE,DELAY ORCPT=rfc822;q@xn--bcher-kva.example\nC: DATA\n\
             S: 250 ok\nS: 250 ok\nS: 354 go",
        );
        assert_eq!(told(verdict), (vec!["open".to_owned()], Next::Deliver));
    }
}

#[test]
fn an_address_that_cannot_be_said_is_blamed_before_the_header_that_repeats_it() {
    let verdict = submit("To: grün@b.example\n\nx", &["grün@b.example", "c@c.example"], &pipelining(), "");
    let (words, _) = told(verdict);
    assert!(words[0].contains("the address is not ASCII before its `@`"), "{words:?}");
    assert!(words[1].contains("the header field `To` is written in UTF-8"), "{words:?}");
}

#[test]
fn a_line_that_cannot_be_broken_is_refused_with_its_reason() {
    let raw = format!("DKIM-Signature: v=1\n\n{}\n", "y".repeat(999));
    let (words, next) = told(submit(&raw, &["b@b.example"], &pipelining(), ""));
    let expected = "refused: not sent: the message has a line of 999 octets, SMTP carries at most 998, and it cannot be broken: \
                    it has a DKIM signature, which that would break";
    assert_eq!((words, next), (vec![expected.to_owned()], Next::Nothing));
}

#[test]
fn a_lost_connection_before_the_go_ahead_is_an_error() {
    let error = submit(
        ASCII,
        &TWO,
        &Capabilities::default(),
        "C: MAIL FROM:<anna@a.example>\nS: 250 ok\nC: RCPT TO:<b@b.example>",
    );
    assert!(matches!(error, Err(Cause::ConnectionLost { .. })));
}
