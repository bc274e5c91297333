//! What comes before the mailbox is read: greeting, CAPA, STLS, STAT.

use std::collections::BTreeMap;

use bytes::BytesMut;

use super::Pipelining;
use super::reply::{BlockLine, Lines, Refusal, ResponseCode, Status, unexpected_challenge};
use crate::model::failure::{Cause, server_words};
use crate::model::limits;
use crate::protocol::{Conversation, Progress};

/// Waits for the greeting; its words.
#[derive(Debug, Default)]
pub struct Greet {
    lines: Lines,
}

/// A greeting without a line end is looked at after this many bytes; RFC 2449 allows 512.
const GREETING_BYTES_MAX: usize = 512;

impl Conversation for Greet {
    type Output = String;

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<String>, Cause> {
        let foreign = input.first().is_some_and(|byte| !byte.is_ascii_graphic());
        if foreign || (input.len() > GREETING_BYTES_MAX && !input.starts_with(b"+OK")) {
            return Err(wrong_protocol(input));
        }
        match self.lines.next(input, greeting)? {
            Some(words) => Ok(Progress::Done(words?)),
            None => Ok(Progress::NeedInput),
        }
    }
}

fn greeting(line: &[u8]) -> Result<String, Cause> {
    match Status::parse(line) {
        Ok(Status::Ok(words)) => Ok(server_words(&words)),
        Ok(Status::Err(refusal)) => Err(turned_away(refusal)),
        Ok(Status::Continue(_)) | Err(_) => Err(wrong_protocol(line)),
    }
}

/// `-ERR` in the place of a greeting: the server wants nobody at present.
fn turned_away(refusal: Refusal) -> Cause {
    match refusal.code {
        ResponseCode::None
        | ResponseCode::SystemPermanent
        | ResponseCode::Authentication
        | ResponseCode::Unknown => Cause::ServerBye { said: refusal.said },
        ResponseCode::InUse | ResponseCode::LoginDelay | ResponseCode::SystemTemporary => refusal.cause(),
    }
}

fn wrong_protocol(said: &[u8]) -> Cause {
    let shown = said.len().min(GREETING_BYTES_MAX);
    let text = String::from_utf8_lossy(said.get(..shown).unwrap_or_default()).into_owned();
    Cause::WrongProtocol { protocol: "POP3".to_owned(), said: server_words(&text) }
}

/// What CAPA has told: names in upper case, with their arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capabilities {
    /// The server does not know the command.
    Untold,
    Told(BTreeMap<String, Vec<String>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    Made,
    NotMade,
    Unknown,
}

impl Capabilities {
    pub fn offer(&self, name: &str) -> Offer {
        match self {
            Self::Untold => Offer::Unknown,
            Self::Told(told) if told.contains_key(name) => Offer::Made,
            Self::Told(_) => Offer::NotMade,
        }
    }

    pub fn pipelining(&self) -> Pipelining {
        match self.offer("PIPELINING") {
            Offer::Made => Pipelining::Offered,
            Offer::NotMade | Offer::Unknown => Pipelining::NotOffered,
        }
    }

    /// The names alone.
    pub fn words(&self) -> Vec<String> {
        match self {
            Self::Untold => Vec::new(),
            Self::Told(told) => {
                let mechanisms = self.mechanisms().iter().map(|mechanism| format!("SASL={mechanism}"));
                let others = told.keys().filter(|name| *name != "SASL").cloned();
                others.chain(mechanisms).collect()
            }
        }
    }

    /// [`Capabilities::mechanisms`], with USER and PASS as `LOGIN`, which shows as much of the password.
    pub fn ways_to_log_in(&self) -> Vec<String> {
        let mut ways = self.mechanisms().to_vec();
        match self.offer("USER") {
            Offer::Made => ways.push("LOGIN".to_owned()),
            Offer::NotMade | Offer::Unknown => {}
        }
        ways
    }

    /// The names after `SASL`.
    pub fn mechanisms(&self) -> &[String] {
        match self {
            Self::Untold => &[],
            Self::Told(told) => told.get("SASL").map_or(&[], Vec::as_slice),
        }
    }
}

/// CAPA. A server that does not know it is no error.
#[derive(Debug, Default)]
pub struct AskCapabilities {
    state: CapaState,
    lines: Lines,
}

#[derive(Debug, Default)]
enum CapaState {
    #[default]
    Begin,
    ExpectStatus,
    ExpectLines(Noting),
}

#[derive(Debug, Default)]
struct Noting {
    told: BTreeMap<String, Vec<String>>,
    lines: usize,
    bytes: usize,
}

impl Conversation for AskCapabilities {
    type Output = Capabilities;

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<Capabilities>, Cause> {
        loop {
            match &mut self.state {
                CapaState::Begin => {
                    self.state = CapaState::ExpectStatus;
                    return Ok(Progress::Send(b"CAPA\r\n".to_vec()));
                }
                CapaState::ExpectStatus => match self.lines.next(input, Status::parse)?.transpose()? {
                    None => return Ok(Progress::NeedInput),
                    Some(Status::Ok(_)) => self.state = CapaState::ExpectLines(Noting::default()),
                    Some(Status::Err(_)) => return Ok(Progress::Done(Capabilities::Untold)),
                    Some(Status::Continue(_)) => return Err(unexpected_challenge()),
                },
                CapaState::ExpectLines(noting) => match self.lines.next(input, |line| noting.note(line))? {
                    None => return Ok(Progress::NeedInput),
                    Some(Noted::More) => {}
                    Some(Noted::TooMany) => return Err(too_many_capabilities()),
                    Some(Noted::End) => {
                        return Ok(Progress::Done(Capabilities::Told(std::mem::take(&mut noting.told))));
                    }
                },
            }
        }
    }
}

enum Noted {
    More,
    TooMany,
    End,
}

impl Noting {
    fn note(&mut self, line: &[u8]) -> Noted {
        let text = match BlockLine::of(line) {
            BlockLine::End => return Noted::End,
            BlockLine::Text(text) => String::from_utf8_lossy(text),
        };
        // What is told twice counts twice: the same name could go on for ever.
        self.lines += 1;
        self.bytes += line.len();
        if self.lines > limits::REPLY_LINES_MAX || self.bytes > limits::REPLY_BYTES_MAX {
            return Noted::TooMany;
        }
        let mut words = text.split_ascii_whitespace().map(str::to_ascii_uppercase);
        if let Some(name) = words.next() {
            self.told.entry(name).or_default().extend(words);
        }
        Noted::More
    }
}

fn too_many_capabilities() -> Cause {
    Cause::LimitExceeded {
        what: "the list of capabilities".to_owned(),
        limit: limits::REPLY_LINES_MAX as u64,
    }
}

/// STLS. After it, the connection is to be secured before anything else is said, and what CAPA has told is void.
#[derive(Debug)]
pub struct BeginTls {
    command: Command,
    offer: Offer,
}

impl BeginTls {
    /// Refuses when the server has told that it has no STLS. Whoever has not told is asked.
    pub fn new(capabilities: &Capabilities) -> Result<Self, Cause> {
        match capabilities.offer("STLS") {
            Offer::NotMade => Err(Cause::StarttlsNotOffered),
            offer @ (Offer::Made | Offer::Unknown) => Ok(Self { command: Command::new("STLS"), offer }),
        }
    }
}

impl Conversation for BeginTls {
    type Output = ();

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<()>, Cause> {
        match self.command.advance(input)? {
            Progress::Send(bytes) => Ok(Progress::Send(bytes)),
            Progress::NeedInput => Ok(Progress::NeedInput),
            Progress::Done(Ok(_)) => Ok(Progress::Done(())),
            Progress::Done(Err(refusal)) => match self.offer {
                Offer::Unknown => Err(Cause::StarttlsNotOffered),
                Offer::Made | Offer::NotMade => Err(refusal.cause()),
            },
        }
    }
}

/// STAT: how many messages the mailbox holds.
#[derive(Debug)]
pub struct MailboxSize(Command);

impl Default for MailboxSize {
    fn default() -> Self {
        Self(Command::new("STAT"))
    }
}

impl Conversation for MailboxSize {
    type Output = u64;

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<u64>, Cause> {
        match self.0.advance(input)? {
            Progress::Send(bytes) => Ok(Progress::Send(bytes)),
            Progress::NeedInput => Ok(Progress::NeedInput),
            Progress::Done(Err(refusal)) => Err(refusal.cause()),
            Progress::Done(Ok(words)) => {
                let count = words.split_ascii_whitespace().next().and_then(|word| word.parse().ok());
                count.map(Progress::Done).ok_or_else(|| Cause::Garbage {
                    detail: format!("STAT has no count of messages: `{}`", server_words(&words)),
                })
            }
        }
    }
}

/// A command whose answer is one line.
#[derive(Debug)]
struct Command {
    unsent: Option<&'static str>,
    lines: Lines,
}

impl Command {
    fn new(name: &'static str) -> Self {
        Self { unsent: Some(name), lines: Lines::default() }
    }

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<Result<String, Refusal>>, Cause> {
        if let Some(name) = self.unsent.take() {
            return Ok(Progress::Send(format!("{name}\r\n").into_bytes()));
        }
        match self.lines.next(input, Status::parse)?.transpose()? {
            None => Ok(Progress::NeedInput),
            Some(Status::Ok(words)) => Ok(Progress::Done(Ok(words))),
            Some(Status::Err(refusal)) => Ok(Progress::Done(Err(refusal))),
            Some(Status::Continue(_)) => Err(unexpected_challenge()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::transcript::play;
    use super::*;

    fn told(lines: &[&str]) -> Capabilities {
        let mut noting = Noting::default();
        for line in lines {
            noting.note(line.as_bytes());
        }
        Capabilities::Told(noting.told)
    }

    #[test]
    fn a_greeting_is_ok_with_any_words() {
        assert_eq!(play(Greet::default, "S: +OK Dovecot ready."), Ok("Dovecot ready.".to_owned()));
        assert_eq!(play(Greet::default, "S: +OK"), Ok("(no words)".to_owned()));
    }

    #[test]
    fn other_protocols_are_recognised_by_their_greeting() {
        for said in
            ["220 mail ESMTP", "* OK IMAP4rev1 ready", "HTTP/1.1 400 Bad Request", "SSH-2.0-OpenSSH_9"]
        {
            let cause = play(Greet::default, &format!("S: {said}")).unwrap_err();
            assert_eq!(cause, Cause::WrongProtocol { protocol: "POP3".to_owned(), said: said.to_owned() });
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_another_protocol() {
        let mut input = BytesMut::from(&b"\x15\x03\x01\x00\x02\x02\x0a"[..]);
        let answer = Greet::default().advance(&mut input);
        assert!(matches!(answer, Err(Cause::WrongProtocol { .. })), "{answer:?}");
    }

    #[test]
    fn a_greeting_without_end_is_not_waited_for() {
        let mut input = BytesMut::from(&vec![b'x'; GREETING_BYTES_MAX + 1][..]);
        let answer = Greet::default().advance(&mut input);
        assert!(matches!(answer, Err(Cause::WrongProtocol { .. })), "{answer:?}");
    }

    #[test]
    fn a_server_that_turns_visitors_away_says_why() {
        let busy = play(Greet::default, "S: -ERR [SYS/TEMP] try later");
        assert_eq!(busy, Err(Cause::TemporarilyRefused { said: "[SYS/TEMP] try later".to_owned() }));
        let full = play(Greet::default, "S: -ERR too many connections");
        assert_eq!(full, Err(Cause::ServerBye { said: "too many connections".to_owned() }));
    }

    #[test]
    fn capabilities_have_names_and_arguments() {
        let answer = play(
            AskCapabilities::default,
            "C: CAPA
             S: +OK
             S: TOP
             S: sasl PLAIN LOGIN
             S: PIPELINING
             S: .",
        )
        .unwrap();
        assert_eq!(answer, told(&["TOP", "SASL PLAIN LOGIN", "PIPELINING"]));
        assert_eq!(answer.mechanisms(), ["PLAIN", "LOGIN"]);
        assert_eq!(answer.pipelining(), Pipelining::Offered);
        assert_eq!(answer.offer("STLS"), Offer::NotMade);
    }

    #[test]
    fn an_endless_list_is_an_error_also_when_it_repeats_itself() {
        for line in ["SASL PLAIN", "+OK hello"] {
            let endless = format!("C: CAPA\nS: +OK{}", format!("\nS: {line}").repeat(2000));
            let answer = play(AskCapabilities::default, &endless);
            assert!(matches!(answer, Err(Cause::LimitExceeded { .. })), "{line}");
        }
    }

    #[test]
    fn a_server_may_not_know_capa() {
        let answer = play(AskCapabilities::default, "C: CAPA\nS: -ERR unknown command");
        assert_eq!(answer, Ok(Capabilities::Untold));
    }

    #[test]
    fn stls_that_is_not_offered_is_not_asked_for() {
        assert_eq!(BeginTls::new(&told(&["TOP"])).err(), Some(Cause::StarttlsNotOffered));
        let unasked = || BeginTls::new(&Capabilities::Untold).unwrap();
        assert_eq!(play(unasked, "C: STLS\nS: -ERR unknown"), Err(Cause::StarttlsNotOffered));
    }

    #[test]
    fn bytes_after_the_go_ahead_stay_where_the_connection_finds_them() {
        let mut conversation = BeginTls::new(&told(&["STLS"])).unwrap();
        let mut input = BytesMut::new();
        assert!(matches!(conversation.advance(&mut input), Ok(Progress::Send(_))));
        input.extend_from_slice(b"+OK begin\r\n+OK injected\r\n");
        assert!(matches!(conversation.advance(&mut input), Ok(Progress::Done(()))));
        assert_eq!(&input[..], b"+OK injected\r\n");
    }

    #[test]
    fn stat_counts_messages() {
        assert_eq!(play(MailboxSize::default, "C: STAT\nS: +OK 312 90211 octets"), Ok(312));
        assert_eq!(play(MailboxSize::default, "C: STAT\nS: +OK 0 0"), Ok(0));
        let cause = play(MailboxSize::default, "C: STAT\nS: +OK many").unwrap_err();
        assert!(matches!(cause, Cause::Garbage { .. }), "{cause}");
    }
}
