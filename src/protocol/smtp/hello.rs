//! The greeting, EHLO, and what the server offers.

use bytes::BytesMut;

use super::content::Transfer;
use super::reply::{Class, Replies, Reply};
use crate::model::failure::{Cause, server_words};
use crate::model::name::Address;
use crate::protocol::{Conversation, Progress};

/// The extensions offered that mean something to us. Those offered before TLS are forgotten behind it (RFC 3207
/// section 4.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    pub starttls: bool,
    pub pipelining: bool,
    /// 8BITMIME
    pub eight_bit: bool,
    pub smtputf8: bool,
    /// CHUNKING (RFC 3030): BDAT in place of DATA.
    pub chunking: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    pub size: SizeLimit,
    /// SASL mechanisms, as offered.
    pub auth: Vec<String>,
    /// What the server said first, where it said something: some say what time it is.
    pub greeting: String,
    /// The answer to EHLO of a server that took only HELO, and so offers nothing.
    pub ehlo_refused: Option<String>,
}

/// SIZE (RFC 1870).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SizeLimit {
    #[default]
    NotOffered,
    /// `SIZE` or `SIZE 0`: sizes may be declared, no limit is known.
    Unknown,
    Bytes(u64),
}

impl Capabilities {
    /// What we understand of it, as servers write it.
    pub fn words(&self) -> Vec<String> {
        let flags = [
            (self.starttls, "STARTTLS"),
            (self.pipelining, "PIPELINING"),
            (self.eight_bit, "8BITMIME"),
            (self.smtputf8, "SMTPUTF8"),
            (self.chunking, "CHUNKING"),
            (self.dsn, "DSN"),
        ];
        let mut words: Vec<String> =
            flags.iter().filter(|(offered, _)| *offered).map(|(_, word)| (*word).to_owned()).collect();
        match self.size {
            SizeLimit::NotOffered => {}
            SizeLimit::Unknown => words.push("SIZE".to_owned()),
            SizeLimit::Bytes(limit) => words.push(format!("SIZE {limit}")),
        }
        words.extend(self.auth.iter().map(|mechanism| format!("AUTH={mechanism}")));
        words
    }

    /// How messages are handed over.
    pub fn transfer(&self) -> Transfer {
        if self.chunking { Transfer::Chunk } else { Transfer::Data }
    }

    /// From the reply to EHLO, whose first line is the server's name.
    fn parse(reply: &Reply) -> Self {
        let mut offered = Self::default();
        for line in reply.lines.iter().skip(1) {
            // `AUTH=LOGIN` is what servers said before RFC 2554, and some still say both.
            let (keyword, parameters) = line.split_once([' ', '=']).unwrap_or((line, ""));
            let mut parameters = parameters.split_ascii_whitespace();
            match keyword.to_ascii_uppercase().as_str() {
                "STARTTLS" => offered.starttls = true,
                "PIPELINING" => offered.pipelining = true,
                "8BITMIME" => offered.eight_bit = true,
                "SMTPUTF8" => offered.smtputf8 = true,
                "CHUNKING" => offered.chunking = true,
                "DSN" => offered.dsn = true,
                "SIZE" => offered.size = SizeLimit::parse(parameters.next()),
                "AUTH" => offered.auth.extend(parameters.map(str::to_ascii_uppercase)),
                _ => {}
            }
        }
        offered
    }
}

impl SizeLimit {
    fn parse(parameter: Option<&str>) -> Self {
        match parameter.and_then(|text| text.parse().ok()) {
            None | Some(0) => Self::Unknown,
            Some(bytes) => Self::Bytes(bytes),
        }
    }
}

/// Our name in EHLO where this machine has none that others know: the domain that the mail is from. A server may check that the
/// name resolves or fits the sender, which an address literal or the name of a container would not. A domain that is not a plain
/// ASCII host name becomes `localhost`.
pub fn client_name(sender: &Address) -> &str {
    let domain = sender.domain();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if domain.bytes().all(plain) { domain } else { "localhost" }
}

/// Waits for the greeting and says EHLO, or HELO to a server that does not know EHLO.
pub struct Hello {
    name: String,
    replies: Replies,
    greeting: String,
    ehlo_refused: Option<String>,
    state: State,
}

/// Named by what is awaited.
enum State {
    Greeting,
    /// EHLO is to be said without a greeting: the connection has just become encrypted.
    Nothing,
    Ehlo,
    Helo,
}

impl Hello {
    /// On a new connection.
    pub fn greeted(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            replies: Replies::default(),
            greeting: String::new(),
            ehlo_refused: None,
            state: State::Greeting,
        }
    }

    /// Behind STARTTLS.
    pub fn again(name: &str) -> Self {
        Self { state: State::Nothing, ..Self::greeted(name) }
    }

    fn say(&mut self, verb: &str, awaited: State) -> Result<Progress<Capabilities>, Cause> {
        self.state = awaited;
        Ok(Progress::Send(format!("{verb} {}\r\n", self.name).into_bytes()))
    }

    fn answer(&mut self, reply: &Reply) -> Result<Progress<Capabilities>, Cause> {
        match (&self.state, reply.class, reply.code) {
            (State::Greeting, _, 220) => {
                self.greeting = reply.said();
                self.say("EHLO", State::Ehlo)
            }
            // 421 here is a server that is busy; no session has begun that it could end.
            (State::Greeting, Class::Transient, _) => Err(Cause::TemporarilyRefused { said: reply.said() }),
            (State::Greeting, Class::Permanent, _) => Err(Cause::Refused { said: reply.said() }),
            (State::Greeting, Class::Success | Class::Intermediate, _) => Err(wrong_protocol(&reply.said())),
            (State::Ehlo, _, 250) => {
                let greeting = std::mem::take(&mut self.greeting);
                Ok(Progress::Done(Capabilities { greeting, ..Capabilities::parse(reply) }))
            }
            (State::Ehlo, Class::Permanent, _) => {
                self.ehlo_refused = Some(reply.said());
                self.say("HELO", State::Helo)
            }
            (State::Helo, _, 250) => {
                let greeting = std::mem::take(&mut self.greeting);
                let ehlo_refused = self.ehlo_refused.take();
                Ok(Progress::Done(Capabilities { greeting, ehlo_refused, ..Capabilities::default() }))
            }
            (State::Nothing | State::Ehlo | State::Helo, _, _) => Err(reply.refusal()),
        }
    }
}

impl Conversation for Hello {
    type Output = Capabilities;

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<Capabilities>, Cause> {
        match self.state {
            State::Nothing => return self.say("EHLO", State::Ehlo),
            State::Greeting => recognise(input)?,
            State::Ehlo | State::Helo => {}
        }
        match self.replies.next(input)? {
            Some(reply) => self.answer(&reply),
            None => Ok(Progress::NeedInput),
        }
    }
}

/// `+OK`, `* OK`, `SSH-2.0`, a binary greeting: said as soon as it is plain, because no line end may ever come.
fn recognise(input: &BytesMut) -> Result<(), Cause> {
    let start = &input[..input.len().min(3)];
    if start.iter().all(u8::is_ascii_digit) {
        return Ok(());
    }
    let line = input[..].split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    Err(wrong_protocol(&String::from_utf8_lossy(line)))
}

fn wrong_protocol(said: &str) -> Cause {
    Cause::WrongProtocol { protocol: "SMTP".to_owned(), said: server_words(said) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::smtp::transcript::play;

    fn greeted(transcript: &str) -> Result<Capabilities, Cause> {
        play(&mut Hello::greeted("contoso.example"), transcript)
    }

    fn nothing(greeting: &str) -> Capabilities {
        Capabilities { greeting: greeting.to_owned(), ..Capabilities::default() }
    }

    #[test]
    fn the_offer_is_read_whatever_its_case_and_order() {
        let offered = greeted(
            "S: 220-mail.example ESMTP\nS: 220 no spam\nC: EHLO contoso.example\n\
             S: 250-mail.example hello\nS: 250-pipelining\nS: 250-SIZE 1000\nS: 250-AUTH plain LOGIN\n\
             S: 250-AUTH=CRAM-MD5\nS: 250-8BITMIME\nS: 250-STARTTLS\nS: 250-X-NEW thing\nS: 250-Chunking\n\
             S: 250-DSN\nS: 250 SMTPUTF8",
        );
        let expected = Capabilities {
            starttls: true,
            pipelining: true,
            eight_bit: true,
            smtputf8: true,
            chunking: true,
            dsn: true,
            size: SizeLimit::Bytes(1000),
            auth: vec!["PLAIN".to_owned(), "LOGIN".to_owned(), "CRAM-MD5".to_owned()],
            greeting: "220 mail.example ESMTP no spam".to_owned(),
            ehlo_refused: None,
        };
        assert_eq!(offered, Ok(expected));
    }

    #[test]
    fn a_server_named_like_an_extension_offers_nothing() {
        let offered = greeted("S: 220 x\nC: EHLO contoso.example\nS: 250 STARTTLS");
        assert_eq!(offered, Ok(nothing("220 x")));
    }

    #[test]
    fn a_size_of_zero_or_none_is_no_limit() {
        for size in ["SIZE", "SIZE 0", "SIZE lots"] {
            let text = format!("S: 220 x\nC: EHLO contoso.example\nS: 250-x\nS: 250 {size}");
            assert_eq!(greeted(&text).unwrap().size, SizeLimit::Unknown, "{size}");
        }
    }

    #[test]
    fn a_server_without_ehlo_is_greeted_with_helo() {
        let transcript =
            "S: 220 old\nC: EHLO contoso.example\nS: 502 what?\nC: HELO contoso.example\nS: 250 old";
        let ehlo_refused = Some("502 what?".to_owned());
        assert_eq!(greeted(transcript), Ok(Capabilities { ehlo_refused, ..nothing("220 old") }));
    }

    #[test]
    fn behind_starttls_nothing_is_awaited_before_ehlo() {
        let offered = play(&mut Hello::again("a.example"), "C: EHLO a.example\nS: 250-x\nS: 250 AUTH PLAIN");
        assert_eq!(offered.unwrap().auth, vec!["PLAIN"]);
    }

    #[test]
    fn another_protocol_is_recognised_by_its_greeting() {
        for said in
            ["+OK POP3 ready", "* OK IMAP4rev1", "HTTP/1.1 400 Bad Request", "SSH-2.0-OpenSSH", "200 NNTP"]
        {
            let error = greeted(&format!("S: {said}")).unwrap_err();
            let Cause::WrongProtocol { said: quoted, .. } = error else { panic!("{error:?}") };
            assert_eq!(quoted, said);
        }
    }

    #[test]
    fn a_binary_greeting_without_a_line_end_is_recognised_too() {
        let mut input = BytesMut::from(&b"\x4a\0\0\0\x0a5.5.5"[..]);
        let mut hello = Hello::greeted("a.example");
        assert!(matches!(hello.advance(&mut input), Err(Cause::WrongProtocol { .. })));
    }

    #[test]
    fn a_refusing_greeting_is_final_or_temporary_as_it_says() {
        assert_eq!(greeted("S: 554 go away"), Err(Cause::Refused { said: "554 go away".to_owned() }));
        let busy = Cause::TemporarilyRefused { said: "421 4.3.2 busy".to_owned() };
        assert_eq!(greeted("S: 421 4.3.2 busy"), Err(busy));
    }

    #[test]
    fn a_goodbye_instead_of_capabilities_ends_the_session() {
        let error = greeted("S: 220 x\nC: EHLO contoso.example\nS: 421 shutting down");
        assert_eq!(error, Err(Cause::ServerBye { said: "421 shutting down".to_owned() }));
    }

    #[test]
    fn our_name_is_the_senders_domain_if_it_is_a_host_name() {
        for (sender, name) in [
            ("anna@contoso.example", "contoso.example"),
            ("anna@müller.example", "localhost"),
            ("anna@under_score.example", "localhost"),
        ] {
            assert_eq!(client_name(&Address::parse(sender).unwrap()), name);
        }
    }
}
