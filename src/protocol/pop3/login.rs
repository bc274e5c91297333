//! Logging in: USER and PASS (RFC 1939 section 7), AUTH (RFC 5034).

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::BytesMut;
use zeroize::Zeroizing;

use super::opening::{Capabilities, Offer};
use super::reply::{Lines, Status, unexpected_challenge};
use crate::model::failure::Cause;
use crate::model::profile::Authentication;
use crate::model::secret::Secret;
use crate::protocol::sasl::{self, Channel, Exchange, Mechanism};
use crate::protocol::{Conversation, Progress};

/// RFC 5034 section 4: the longest AUTH line, without its end, that carries an initial response. A longer response waits for
/// the server's empty challenge.
const AUTH_LINE_BYTES_MAX: usize = 253;

/// A login, to the server's verdict.
pub struct Authenticate {
    state: State,
    lines: Lines,
}

/// Named by what is awaited, or by what is to be said first.
enum State {
    SayUser {
        username: String,
        password: Secret<String>,
    },
    ExpectUser {
        password: Secret<String>,
    },
    ExpectPass,
    SayAuth {
        mechanism: Mechanism,
        exchange: Exchange,
    },
    /// `initial`: the response for a server that sends the empty challenge: it was too long for the command, or the
    /// server has overlooked it.
    ExpectAuth {
        exchange: Exchange,
        initial: Option<Zeroizing<Vec<u8>>>,
    },
    Over,
}

impl Authenticate {
    /// AUTH with a mechanism and the exchange that was begun for it.
    pub fn sasl(mechanism: Mechanism, exchange: Exchange) -> Self {
        Self { state: State::SayAuth { mechanism, exchange }, lines: Lines::default() }
    }

    /// USER and PASS. A line end in either would let a manifest say further commands.
    pub fn user_pass(username: &str, password: &Secret<String>) -> Result<Self, Cause> {
        let breaks = |text: &str| text.contains(['\r', '\n', '\0']);
        if breaks(username) || breaks(password.expose()) {
            return Err(Cause::Unsupported { setting: "a user name or password with a line end".to_owned() });
        }
        let password = Secret::new(password.expose().clone());
        let state = State::SayUser { username: username.to_owned(), password };
        Ok(Self { state, lines: Lines::default() })
    }

    fn state_after(&mut self, status: Status) -> Result<Progress<()>, Cause> {
        let state = std::mem::replace(&mut self.state, State::Over);
        match (state, status) {
            (State::ExpectAuth { exchange, .. }, Status::Err(refusal)) => {
                Err(exchange.refused(refusal.login_cause()))
            }
            (_, Status::Err(refusal)) => Err(refusal.login_cause()),
            (State::ExpectUser { password }, Status::Ok(_)) => {
                self.state = State::ExpectPass;
                Ok(Progress::Send(format!("PASS {}\r\n", password.expose()).into_bytes()))
            }
            (State::ExpectPass, Status::Ok(_)) => Ok(Progress::Done(())),
            (State::ExpectAuth { exchange, .. }, Status::Ok(_)) => {
                exchange.finish()?;
                Ok(Progress::Done(()))
            }
            (State::ExpectAuth { exchange, initial }, Status::Continue(challenge)) => {
                self.answer(exchange, initial, &challenge)
            }
            (
                State::ExpectUser { .. }
                | State::ExpectPass
                | State::SayUser { .. }
                | State::SayAuth { .. }
                | State::Over,
                Status::Continue(_) | Status::Ok(_),
            ) => Err(unexpected_challenge()),
        }
    }

    fn answer(
        &mut self,
        mut exchange: Exchange,
        initial: Option<Zeroizing<Vec<u8>>>,
        challenge: &str,
    ) -> Result<Progress<()>, Cause> {
        let response = match initial {
            Some(initial) if challenge.is_empty() => initial,
            Some(_) | None => {
                let octets = BASE64.decode(challenge).map_err(|_| Cause::Garbage {
                    detail: "a challenge of the login is not Base64".to_owned(),
                })?;
                Zeroizing::new(exchange.respond(&octets)?)
            }
        };
        self.state = State::ExpectAuth { exchange, initial: None };
        let encoded = Zeroizing::new(BASE64.encode(response.as_slice()));
        Ok(Progress::Send(format!("{}\r\n", encoded.as_str()).into_bytes()))
    }
}

impl Conversation for Authenticate {
    type Output = ();

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<()>, Cause> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::SayUser { username, password } => {
                self.state = State::ExpectUser { password };
                Ok(Progress::Send(format!("USER {username}\r\n").into_bytes()))
            }
            State::SayAuth { mechanism, exchange } => {
                let (command, initial) = auth_command(mechanism, &exchange);
                self.state = State::ExpectAuth { exchange, initial };
                Ok(Progress::Send(command))
            }
            state @ (State::ExpectUser { .. }
            | State::ExpectPass
            | State::ExpectAuth { .. }
            | State::Over) => {
                self.state = state;
                match self.lines.next(input, Status::parse)?.transpose()? {
                    Some(status) => self.state_after(status),
                    None => Ok(Progress::NeedInput),
                }
            }
        }
    }
}

/// How a login is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    UserPass,
    Sasl(Mechanism),
}

impl Method {
    /// For people. USER and PASS count as LOGIN, see [`Capabilities::ways_to_log_in`].
    pub fn name(self) -> &'static str {
        match self {
            Self::UserPass => "LOGIN (USER and PASS)",
            Self::Sasl(mechanism) => mechanism.name(),
        }
    }
}

/// Refuses what would send a password where none may be sent, and what the server does not offer. USER and PASS show the
/// password as PLAIN does; they stand in for PLAIN and LOGIN where the server has no AUTH, and are the last choice of `auto`.
pub fn choose_method(
    capabilities: &Capabilities,
    wanted: Authentication,
    channel: Channel,
) -> Result<Method, Cause> {
    let offered = capabilities.mechanisms();
    // A server that offers STLS and no login wants TLS first.
    if let (Channel::Clear { .. }, Offer::Made, [], Offer::NotMade) =
        (channel, capabilities.offer("STLS"), offered, capabilities.offer("USER"))
    {
        return Err(Cause::LoginNeedsTls);
    }
    let refused = match sasl::select(offered, wanted, channel) {
        Ok(mechanism) => return Ok(Method::Sasl(mechanism)),
        Err(cause @ Cause::NoMechanism { .. }) => cause,
        Err(cause) => return Err(cause),
    };
    let shows_password =
        matches!(wanted, Authentication::Auto | Authentication::Plain | Authentication::Login);
    match (shows_password, capabilities.offer("USER"), channel) {
        (false, _, _) | (true, Offer::NotMade, _) => Err(refused),
        (true, Offer::Made | Offer::Unknown, Channel::Clear { allowed: false }) => Err(Cause::PlaintextLogin),
        (true, Offer::Made | Offer::Unknown, Channel::Encrypted | Channel::Clear { allowed: true }) => {
            Ok(Method::UserPass)
        }
    }
}

fn auth_command(mechanism: Mechanism, exchange: &Exchange) -> (Vec<u8>, Option<Zeroizing<Vec<u8>>>) {
    let bare = || format!("AUTH {mechanism}\r\n").into_bytes();
    let Some(initial) = exchange.initial().map(Zeroizing::new) else { return (bare(), None) };
    if mechanism == Mechanism::Xoauth2 {
        // Exchange Online takes the token on a line of its own only; others take it so, too.
        return (bare(), Some(initial));
    }
    let encoded = Zeroizing::new(BASE64.encode(initial.as_slice()));
    let command = format!("AUTH {mechanism} {}", encoded.as_str());
    if command.len() > AUTH_LINE_BYTES_MAX {
        drop(Zeroizing::new(command));
        return (bare(), Some(initial));
    }
    // A server of before RFC 5034 ignores the initial response and sends the empty challenge for it.
    (format!("{}\r\n", Zeroizing::new(command).as_str()).into_bytes(), Some(initial))
}

#[cfg(test)]
mod tests {
    use super::super::opening::AskCapabilities;
    use super::super::transcript::play;
    use super::*;
    use crate::protocol::sasl::Nonce;

    fn capabilities(lines: &str) -> Capabilities {
        play(AskCapabilities::default, &format!("C: CAPA\nS: +OK\n{lines}\nS: .")).unwrap()
    }

    fn login(
        told: &Capabilities,
        wanted: Authentication,
        channel: Channel,
        password: &str,
    ) -> Result<Authenticate, Cause> {
        let password = Secret::new(password.to_owned());
        match choose_method(told, wanted, channel)? {
            Method::UserPass => Authenticate::user_pass("anna", &password),
            Method::Sasl(mechanism) => {
                let exchange = Exchange::new(mechanism, "anna", &password, Nonce::from_random([7; 18]))?;
                Ok(Authenticate::sasl(mechanism, exchange))
            }
        }
    }

    fn auto(told: &Capabilities) -> Authenticate {
        login(told, Authentication::Auto, Channel::Encrypted, "geheim").unwrap()
    }

    #[test]
    fn user_and_pass_serve_where_auth_is_unknown() {
        let script = "C: USER anna\nS: +OK\nC: PASS geheim\nS: +OK logged in";
        assert_eq!(play(|| auto(&Capabilities::Untold), script), Ok(()));
        assert_eq!(play(|| auto(&capabilities("S: USER")), script), Ok(()));
    }

    #[test]
    fn a_server_that_hides_its_login_until_tls_wants_tls() {
        let told = capabilities("S: TOP\nS: STLS");
        let clear = Channel::Clear { allowed: true };
        let cause = login(&told, Authentication::Auto, clear, "geheim").err();
        assert_eq!(cause, Some(Cause::LoginNeedsTls));
        let cause = login(&told, Authentication::Auto, Channel::Encrypted, "geheim").err();
        assert!(matches!(cause, Some(Cause::NoMechanism { .. })), "{cause:?}");
    }

    #[test]
    fn plain_is_said_in_one_line() {
        let told = capabilities("S: USER\nS: SASL PLAIN");
        assert_eq!(play(|| auto(&told), "C: AUTH PLAIN AGFubmEAZ2VoZWlt\nS: +OK"), Ok(()));
    }

    #[test]
    fn a_server_that_overlooks_the_initial_response_gets_it_again() {
        let told = capabilities("S: SASL PLAIN");
        let script = "C: AUTH PLAIN AGFubmEAZ2VoZWlt\nS: +\nC: AGFubmEAZ2VoZWlt\nS: +OK";
        assert_eq!(play(|| auto(&told), script), Ok(()));
    }

    #[test]
    fn a_long_initial_response_waits_for_the_challenge() {
        let told = capabilities("S: SASL PLAIN");
        let password = "x".repeat(200);
        let begin = || login(&told, Authentication::Plain, Channel::Encrypted, &password).unwrap();
        let encoded = BASE64.encode(format!("\0anna\0{password}"));
        assert_eq!(play(begin, &format!("C: AUTH PLAIN\nS: + \nC: {encoded}\nS: +OK")), Ok(()));
    }

    /// Exchange Online answers a token in the command with a protocol error.
    #[test]
    fn xoauth2_says_its_token_on_a_line_of_its_own() {
        let told = capabilities("S: SASL PLAIN XOAUTH2");
        let begin = || login(&told, Authentication::Xoauth2, Channel::Encrypted, "t0ken").unwrap();
        let encoded = BASE64.encode("user=anna\x01auth=Bearer t0ken\x01\x01");
        assert_eq!(play(begin, &format!("C: AUTH XOAUTH2\nS: +\nC: {encoded}\nS: +OK")), Ok(()));
    }

    #[test]
    fn scram_goes_on_with_the_servers_first_message() {
        let told = capabilities("S: SASL SCRAM-SHA-256 PLAIN");
        let mut conversation = auto(&told);
        let mut input = BytesMut::new();
        let Ok(Progress::Send(command)) = conversation.advance(&mut input) else { panic!("a command") };
        let command = String::from_utf8(command).unwrap();
        let first = command.trim_end().strip_prefix("AUTH SCRAM-SHA-256 ").unwrap();
        let first = String::from_utf8(BASE64.decode(first).unwrap()).unwrap();
        let nonce = first.split_once("r=").unwrap().1;
        let challenge = BASE64.encode(format!("r={nonce}server,s=c2FsdHNhbHQ=,i=4096"));
        input.extend_from_slice(format!("+ {challenge}\r\n").as_bytes());
        let Ok(Progress::Send(response)) = conversation.advance(&mut input) else { panic!("a response") };
        let response = BASE64.decode(String::from_utf8(response).unwrap().trim_end()).unwrap();
        assert!(response.starts_with(b"c=biws,r="), "{}", response.escape_ascii());
        input.extend_from_slice(b"+OK come in\r\n");
        let verdict = conversation.advance(&mut input);
        assert!(
            matches!(verdict, Err(Cause::Garbage { .. })),
            "the server has not proved itself: {verdict:?}"
        );
    }

    #[test]
    fn login_answers_two_questions() {
        let told = capabilities("S: SASL LOGIN");
        let script = "C: AUTH LOGIN
             S: + VXNlcm5hbWU6
             C: YW5uYQ==
             S: + UGFzc3dvcmQ6
             C: Z2VoZWlt
             S: +OK";
        assert_eq!(play(|| auto(&told), script), Ok(()));
    }

    #[test]
    fn a_refused_password_is_a_refused_login() {
        for said in ["[AUTH] Authentication failed.", "invalid password"] {
            let script = format!("C: USER anna\nS: +OK\nC: PASS geheim\nS: -ERR {said}");
            let answer = play(|| auto(&Capabilities::Untold), &script);
            assert_eq!(answer, Err(Cause::LoginRefused { said: said.to_owned() }));
        }
    }

    #[test]
    fn a_locked_mailbox_is_not_a_refused_password() {
        for said in ["[IN-USE] locked", "[LOGIN-DELAY] wait", "[SYS/TEMP] database is away"] {
            let script = format!("C: USER anna\nS: +OK\nC: PASS geheim\nS: -ERR {said}");
            let answer = play(|| auto(&Capabilities::Untold), &script);
            assert_eq!(answer, Err(Cause::TemporarilyRefused { said: said.to_owned() }));
        }
    }

    #[test]
    fn a_password_does_not_cross_a_clear_connection_unless_allowed() {
        let clear = Channel::Clear { allowed: false };
        for told in
            [Capabilities::Untold, capabilities("S: USER"), capabilities("S: SASL PLAIN LOGIN\nS: USER")]
        {
            for wanted in [Authentication::Auto, Authentication::Plain, Authentication::Login] {
                assert_eq!(login(&told, wanted, clear, "geheim").err(), Some(Cause::PlaintextLogin));
            }
        }
        assert!(
            login(&Capabilities::Untold, Authentication::Auto, Channel::Clear { allowed: true }, "x").is_ok()
        );
    }

    #[test]
    fn a_server_without_a_common_mechanism_is_told_apart() {
        let told = capabilities("S: SASL GSSAPI");
        let cause = login(&told, Authentication::Auto, Channel::Encrypted, "geheim").err().unwrap();
        assert!(matches!(&cause, Cause::NoMechanism { offered, .. } if offered == &["GSSAPI"]), "{cause}");
        let told = capabilities("S: USER\nS: SASL PLAIN");
        let cause = login(&told, Authentication::ScramSha256, Channel::Encrypted, "geheim").err().unwrap();
        assert!(matches!(cause, Cause::NoMechanism { .. }), "a weaker mechanism than asked for: {cause}");
    }

    #[test]
    fn a_password_cannot_say_commands() {
        let cause =
            login(&Capabilities::Untold, Authentication::Auto, Channel::Encrypted, "x\r\nDELE 1").err();
        assert!(matches!(cause, Some(Cause::Unsupported { .. })), "{cause:?}");
    }

    #[test]
    fn a_challenge_that_is_no_base64_ends_the_login() {
        let answer = play(|| auto(&capabilities("S: SASL LOGIN")), "C: AUTH LOGIN\nS: + who?");
        assert!(matches!(answer, Err(Cause::Garbage { .. })), "{answer:?}");
    }
}
