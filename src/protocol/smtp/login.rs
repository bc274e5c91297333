//! AUTH (RFC 4954).

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::BytesMut;

use super::reply::{Class, Replies, Reply};
use crate::model::failure::Cause;
use crate::protocol::sasl::{Exchange, Mechanism};
use crate::protocol::{Conversation, Progress};

/// A command line has at most this many bytes (RFC 5321 section 4.5.3.1.4); a longer initial response waits for the
/// server's empty challenge.
const COMMAND_BYTES_MAX: usize = 512;

pub struct Login {
    mechanism: Mechanism,
    exchange: Exchange,
    replies: Replies,
    state: State,
}

/// Named by what is awaited.
enum State {
    Nothing,
    /// The empty challenge that the initial response answers.
    Invitation(Vec<u8>),
    Challenge,
}

impl Login {
    pub fn new(mechanism: Mechanism, exchange: Exchange) -> Self {
        Self { mechanism, exchange, replies: Replies::default(), state: State::Nothing }
    }

    fn begin(&mut self) -> Vec<u8> {
        let alone = format!("AUTH {}\r\n", self.mechanism);
        let Some(initial) = self.exchange.initial() else {
            self.state = State::Challenge;
            return alone.into_bytes();
        };
        let together = format!("AUTH {} {}\r\n", self.mechanism, BASE64.encode(&initial));
        if together.len() > COMMAND_BYTES_MAX {
            self.state = State::Invitation(initial);
            return alone.into_bytes();
        }
        self.state = State::Challenge;
        together.into_bytes()
    }

    fn respond(&mut self, reply: &Reply) -> Result<Progress<()>, Cause> {
        let response = match std::mem::replace(&mut self.state, State::Challenge) {
            State::Invitation(initial) => initial,
            State::Nothing | State::Challenge => {
                let text = reply.lines.first().map_or("", |line| line.trim());
                let challenge = BASE64.decode(text).map_err(|_| reply.out_of_place())?;
                self.exchange.respond(&challenge)?
            }
        };
        Ok(Progress::Send(format!("{}\r\n", BASE64.encode(response)).into_bytes()))
    }
}

/// Whether the server judged a user name and a password, and not the way in which they were told: a command, an argument or a
/// mechanism that it does not know (RFC 5321 section 4.2.2, RFC 4954 section 6), or a connection that has to be encrypted first.
fn is_about_the_account(reply: &Reply) -> bool {
    let is_syntax = (500..=504).contains(&reply.code);
    let wants_tls = matches!(reply.code, 530 | 538);
    !is_syntax && !wants_tls
}

impl Conversation for Login {
    type Output = ();

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<()>, Cause> {
        if let State::Nothing = self.state {
            return Ok(Progress::Send(self.begin()));
        }
        let Some(reply) = self.replies.next(input)? else { return Ok(Progress::NeedInput) };
        match (reply.code, reply.class) {
            (334, _) => self.respond(&reply),
            (235, _) => self.exchange.finish().map(Progress::Done),
            (_, Class::Permanent) => Err(self.exchange.refused(match is_about_the_account(&reply) {
                true => Cause::LoginRefused { said: reply.said() },
                false => reply.refusal(),
            })),
            (_, Class::Transient) => Err(self.exchange.refused(reply.refusal())),
            (_, Class::Success | Class::Intermediate) => Err(reply.refusal()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::Secret;
    use crate::protocol::sasl::Nonce;
    use crate::protocol::smtp::transcript::play;

    fn login(mechanism: Mechanism, password: &str, transcript: &str) -> Result<(), Cause> {
        let nonce = Nonce::from_random([0; 18]);
        let exchange = Exchange::new(mechanism, "anna", &Secret::new(password.to_owned()), nonce).unwrap();
        play(&mut Login::new(mechanism, exchange), transcript)
    }

    #[test]
    fn plain_takes_one_round_trip() {
        let transcript = "C: AUTH PLAIN AGFubmEAc2VjcmV0\nS: 235 2.7.0 welcome";
        assert_eq!(login(Mechanism::Plain, "secret", transcript), Ok(()));
    }

    #[test]
    fn an_initial_response_that_does_not_fit_into_a_line_waits() {
        let password = "x".repeat(400);
        let encoded = BASE64.encode(format!("\0anna\0{password}"));
        let transcript = format!("C: AUTH PLAIN\nS: 334 \nC: {encoded}\nS: 235 welcome");
        assert_eq!(login(Mechanism::Plain, &password, &transcript), Ok(()));
    }

    #[test]
    fn login_answers_the_prompts() {
        let transcript = "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YW5uYQ==\nS: 334 UGFzc3dvcmQ6\n\
                          C: c2VjcmV0\nS: 235 welcome";
        assert_eq!(login(Mechanism::Login, "secret", transcript), Ok(()));
    }

    #[test]
    fn a_way_to_log_in_that_the_server_does_not_take_says_nothing_about_the_password() {
        for said in [
            "504 5.5.4 Unrecognized mechanism",
            "501 5.5.2 cannot decode",
            "530 5.7.0 Must issue a STARTTLS command first",
            "538 5.7.11 Encryption required",
        ] {
            let transcript = format!("C: AUTH PLAIN AGFubmEAc2VjcmV0\nS: {said}");
            let refused = login(Mechanism::Plain, "secret", &transcript);
            assert_eq!(refused, Err(Cause::Refused { said: said.to_owned() }));
        }
    }

    #[test]
    fn a_refused_login_quotes_the_server_and_not_the_password() {
        let transcript = "C: AUTH PLAIN AGFubmEAc2VjcmV0\nS: 535 5.7.8 bad credentials";
        let refused = Cause::LoginRefused { said: "535 5.7.8 bad credentials".to_owned() };
        assert_eq!(login(Mechanism::Plain, "secret", transcript), Err(refused));
    }

    #[test]
    fn a_login_that_fails_for_now_is_not_a_refused_one() {
        let failed = |reply: &str| {
            let transcript = format!("C: AUTH PLAIN AGFubmEAc2VjcmV0\nS: {reply}");
            login(Mechanism::Plain, "secret", &transcript).unwrap_err()
        };
        assert!(matches!(failed("454 4.7.0 later"), Cause::TemporarilyRefused { .. }));
        assert!(matches!(failed("421 4.3.0 bye"), Cause::ServerBye { .. }));
        assert!(matches!(failed("250 fine"), Cause::Garbage { .. }));
    }

    #[test]
    fn a_server_that_skips_its_proof_is_not_believed() {
        let first = BASE64.encode("n,,n=anna,r=AAAAAAAAAAAAAAAAAAAAAAAA");
        let transcript = format!("C: AUTH SCRAM-SHA-256 {first}\nS: 235 welcome");
        let error = login(Mechanism::ScramSha256, "secret", &transcript);
        assert!(matches!(error, Err(Cause::Garbage { .. })), "{error:?}");
    }

    #[test]
    fn a_challenge_that_is_not_base64_is_garbage() {
        let error = login(Mechanism::CramMd5, "secret", "C: AUTH CRAM-MD5\nS: 334 <?>");
        assert!(matches!(error, Err(Cause::Garbage { .. })), "{error:?}");
    }

    #[test]
    fn a_server_that_never_stops_asking_is_stopped() {
        let transcript = "C: AUTH LOGIN\nS: 334 \nC: YW5uYQ==\nS: 334 \nC: c2VjcmV0\nS: 334 ";
        assert!(matches!(login(Mechanism::Login, "secret", transcript), Err(Cause::Garbage { .. })));
    }
}
