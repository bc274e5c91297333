//! Logging in: the LOGIN command, and AUTHENTICATE with any SASL mechanism (RFC 3501 section 6.2, RFC 4959).

use std::collections::VecDeque;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::model::failure::Cause;
use crate::model::profile::Authentication;

use super::capability::Capabilities;
use super::command::{self, Tag};
use super::exchange::{Answer, Asked, Completion};
use super::refusal::{Stage, refusal};
use super::response::{Code, Response};
use crate::protocol::Conversation;
use crate::protocol::sasl::{self, Channel, Exchange, Mechanism};

/// How to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginWay {
    /// The LOGIN command.
    Command,
    Sasl(Mechanism),
}

/// Chooses between what the server offers. The LOGIN command counts as the mechanism LOGIN; it is always there unless
/// LOGINDISABLED is.
pub fn choose_login(
    capabilities: &Capabilities,
    wanted: Authentication,
    channel: Channel,
) -> Result<LoginWay, Cause> {
    let offered = ways_to_log_in(capabilities);
    match sasl::select(&offered, wanted, channel) {
        Ok(Mechanism::Login) if !capabilities.login_disabled() => Ok(LoginWay::Command),
        Ok(mechanism) => Ok(LoginWay::Sasl(mechanism)),
        // The server itself wants TLS before it offers anything.
        Err(Cause::NoMechanism { .. } | Cause::PlaintextLogin)
            if offered.is_empty()
                && capabilities.login_disabled()
                && matches!(channel, Channel::Clear { .. }) =>
        {
            Err(Cause::LoginNeedsTls)
        }
        Err(cause) => Err(cause),
    }
}

/// The mechanisms offered, with the LOGIN command as the mechanism LOGIN.
pub fn ways_to_log_in(capabilities: &Capabilities) -> Vec<String> {
    let mut offered = capabilities.mechanisms();
    if !capabilities.login_disabled() {
        offered.push(Mechanism::Login.name().to_owned());
    }
    offered
}

/// LOGIN. Done: the capabilities of the authenticated session, when the server says them unasked.
pub fn login(
    tag: Tag,
    capabilities: &Capabilities,
    username: &str,
    password: &str,
) -> Result<impl Conversation<Output = Option<Capabilities>> + use<>, Cause> {
    let chunks = command::login(&tag, capabilities, username, password)?;
    Ok(Asked::new(tag, chunks, Login { seen: None, exchange: None }))
}

/// AUTHENTICATE with a mechanism and the exchange that was begun for it. Done: as for [`login`], and the server has
/// proved itself where the mechanism can.
pub fn authenticate(
    tag: Tag,
    capabilities: &Capabilities,
    mechanism: Mechanism,
    exchange: Exchange,
) -> impl Conversation<Output = Option<Capabilities>> + use<> {
    let mut line = format!("{} AUTHENTICATE {}", tag.as_str(), mechanism.name());
    let mut chunks = VecDeque::new();
    match exchange.initial() {
        Some(initial) if capabilities.sasl_ir() => {
            line.push(' ');
            // RFC 4959: an empty initial response is `=`, because nothing at all means that there is none.
            line.push_str(&if initial.is_empty() { "=".to_owned() } else { STANDARD.encode(initial) });
            chunks.push_back(format!("{line}\r\n").into_bytes());
        }
        Some(initial) => {
            chunks.push_back(format!("{line}\r\n").into_bytes());
            chunks.push_back(base64_line(&initial));
        }
        None => chunks.push_back(format!("{line}\r\n").into_bytes()),
    }
    Asked::new(tag, chunks, Login { seen: None, exchange: Some(exchange) })
}

fn base64_line(bytes: &[u8]) -> Vec<u8> {
    format!("{}\r\n", STANDARD.encode(bytes)).into_bytes()
}

struct Login {
    seen: Option<Capabilities>,
    /// `None`: the LOGIN command, which expects no challenge.
    exchange: Option<Exchange>,
}

impl Answer for Login {
    type Output = Option<Capabilities>;

    fn untagged(&mut self, response: Response) -> Result<(), Cause> {
        if let Response::Capability(capabilities) = response {
            self.seen = Some(capabilities);
        }
        Ok(())
    }

    fn challenged(&mut self, text: &[u8]) -> Result<Vec<u8>, Cause> {
        let challenge = STANDARD
            .decode(text)
            .map_err(|_| Cause::Garbage { detail: "a login challenge is not base64".to_owned() })?;
        match &mut self.exchange {
            Some(exchange) => exchange.respond(&challenge).map(|response| base64_line(&response)),
            None => {
                Err(Cause::Garbage { detail: "the server asks for more than the login holds".to_owned() })
            }
        }
    }

    fn completed(&mut self, completion: Completion) -> Result<Option<Capabilities>, Cause> {
        completion.accepted().map_err(|completion| {
            let cause = refusal(Stage::Login, &completion);
            self.exchange.as_ref().map_or_else(|| cause.clone(), |exchange| exchange.refused(cause.clone()))
        })?;
        if let Some(exchange) = &self.exchange {
            exchange.finish()?;
        }
        Ok(match completion.reply.code {
            Code::Capability(capabilities) => Some(capabilities),
            Code::None
            | Code::UidValidity(_)
            | Code::UidNext(_)
            | Code::HighestModSeq(_)
            | Code::ReadOnly
            | Code::Other(_) => self.seen.take(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::Tags;
    use super::super::transcript::play;
    use super::*;
    use crate::model::secret::Secret;
    use crate::protocol::sasl::Nonce;

    fn offer(words: &str) -> Capabilities {
        Capabilities::parse(words.as_bytes())
    }

    fn log_in(
        offered: &str,
        username: &str,
        password: &str,
        transcript: &str,
    ) -> Result<Option<Capabilities>, Cause> {
        let offered = offer(offered);
        let make = || login(Tags::default().next_tag(), &offered, username, password).unwrap();
        play(make, transcript)
    }

    fn sasl(mechanism: Mechanism, offered: &str, transcript: &str) -> Result<Option<Capabilities>, Cause> {
        let offered = offer(offered);
        let password = Secret::new("tim".to_owned());
        let make = || {
            let exchange = Exchange::new(mechanism, "tim", &password, Nonce::from_random([7; 18])).unwrap();
            authenticate(Tags::default().next_tag(), &offered, mechanism, exchange)
        };
        play(make, transcript)
    }

    #[test]
    fn names_and_passwords_are_quoted_as_needed() {
        log_in("", "anna", "pw", "C: M1 LOGIN anna pw\nS: M1 OK").unwrap();
        log_in("", "a b", r#"q"\w"#, "C: M1 LOGIN \"a b\" \"q\\\"\\\\w\"\nS: M1 OK").unwrap();
        log_in("", "", "", "C: M1 LOGIN \"\" \"\"\nS: M1 OK").unwrap();
    }

    #[test]
    fn what_cannot_be_quoted_is_a_literal_and_cannot_inject_a_command() {
        let transcript = "
            C: M1 LOGIN {6}
            S: + go
            C: grüß {19}
            S: + go
            C: pw
            C: M2 DELETE INBOX
            S: M1 OK";
        log_in("", "grüß", "pw\r\nM2 DELETE INBOX", transcript).unwrap();
    }

    #[test]
    fn short_literals_are_sent_at_once_where_the_server_allows_it() {
        let transcript = "
            C: M1 LOGIN {6+}
            C: grüß {3+}
            C: ö!
            S: * CAPABILITY IMAP4rev1 UIDPLUS
            S: M1 OK";
        for offered in ["LITERAL+", "LITERAL-"] {
            let capabilities = log_in(offered, "grüß", "ö!", transcript).unwrap();
            assert!(capabilities.unwrap().uidplus());
        }
    }

    #[test]
    fn a_server_may_refuse_in_the_middle_of_the_literals() {
        let cause = log_in("", "ü", "pw", "C: M1 LOGIN {2}\nS: M1 NO no such user").unwrap_err();
        assert_eq!(cause, Cause::LoginRefused { said: "no such user".to_owned() });
    }

    #[test]
    fn a_nul_cannot_be_sent() {
        let result = login(Tags::default().next_tag(), &offer(""), "a\0b", "c");
        assert!(matches!(result, Err(Cause::Unsupported { .. })));
    }

    #[test]
    fn refusals_say_whether_they_will_pass() {
        let refused = |reply: &str| {
            log_in("", "a", "b", &format!("C: M1 LOGIN a b\nS: * NO hm\nS: M1 {reply}")).unwrap_err()
        };
        for reply in [
            "NO [AUTHENTICATIONFAILED] Authentication failed.",
            "NO [AUTHORIZATIONFAILED] no",
            "NO [EXPIRED] change it",
            "NO Invalid credentials {12}",
            "NO",
        ] {
            assert!(matches!(refused(reply), Cause::LoginRefused { .. }), "{reply}");
        }
        for reply in [
            "NO [UNAVAILABLE] Temporary authentication failure.",
            "no [inuse] locked",
            "NO [LIMIT] too many",
            "NO [SERVERBUG] oops",
            "BAD User is authenticated but not connected.",
            "NO Server Unavailable. 15",
        ] {
            assert!(matches!(refused(reply), Cause::TemporarilyRefused { .. }), "{reply}");
        }
        assert_eq!(refused("NO [PRIVACYREQUIRED] use TLS"), Cause::PlaintextLogin);
        assert!(matches!(refused("BAD syntax"), Cause::Refused { .. }));
    }

    #[test]
    fn an_initial_response_saves_a_round_trip_where_the_server_allows_it() {
        let at_once = "C: M1 AUTHENTICATE PLAIN AHRpbQB0aW0=\nS: M1 OK [CAPABILITY X] in";
        assert!(sasl(Mechanism::Plain, "SASL-IR", at_once).unwrap().is_some());
        let later = "C: M1 AUTHENTICATE PLAIN\nS: + \nC: AHRpbQB0aW0=\nS: M1 OK in";
        assert_eq!(sasl(Mechanism::Plain, "", later).unwrap(), None);
    }

    #[test]
    fn challenges_are_answered() {
        let transcript = "
            C: M1 AUTHENTICATE LOGIN
            S: + VXNlcm5hbWU6
            C: dGlt
            S: * OK still thinking
            S: +  UGFzc3dvcmQ6
            C: dGlt
            S: M1 OK";
        sasl(Mechanism::Login, "SASL-IR", transcript).unwrap();
        let cause = sasl(Mechanism::Login, "", "C: M1 AUTHENTICATE LOGIN\nS: + not base64!").unwrap_err();
        assert!(matches!(cause, Cause::Garbage { .. }), "{cause}");
    }

    #[test]
    fn a_server_that_does_not_prove_itself_is_not_believed() {
        let first = STANDARD.encode(
            Exchange::new(
                Mechanism::ScramSha256,
                "tim",
                &Secret::new("tim".to_owned()),
                Nonce::from_random([7; 18]),
            )
            .unwrap()
            .initial()
            .unwrap(),
        );
        let transcript = format!("C: M1 AUTHENTICATE SCRAM-SHA-256 {first}\nS: M1 OK welcome");
        let cause = sasl(Mechanism::ScramSha256, "SASL-IR", &transcript).unwrap_err();
        assert!(matches!(cause, Cause::Garbage { .. }), "{cause}");
    }

    #[test]
    fn the_login_command_is_the_last_resort_and_never_crosses_a_clear_channel() {
        let choose = |offered: &str, wanted, channel| choose_login(&offer(offered), wanted, channel);
        let (auto, clear) = (Authentication::Auto, Channel::Clear { allowed: false });
        assert_eq!(choose("AUTH=PLAIN", auto, Channel::Encrypted).unwrap(), LoginWay::Sasl(Mechanism::Plain));
        assert_eq!(choose("IMAP4REV1", auto, Channel::Encrypted).unwrap(), LoginWay::Command);
        assert_eq!(
            choose("LOGINDISABLED AUTH=LOGIN", auto, Channel::Encrypted).unwrap(),
            LoginWay::Sasl(Mechanism::Login)
        );
        assert_eq!(choose("AUTH=PLAIN", auto, clear), Err(Cause::PlaintextLogin));
        assert_eq!(choose("LOGINDISABLED", auto, clear), Err(Cause::LoginNeedsTls));
        assert_eq!(
            choose("LOGINDISABLED", auto, Channel::Clear { allowed: true }),
            Err(Cause::LoginNeedsTls)
        );
        assert!(matches!(
            choose("LOGINDISABLED AUTH=XOAUTH2", auto, Channel::Encrypted),
            Err(Cause::NoMechanism { .. })
        ));
        assert_eq!(choose("", auto, Channel::Clear { allowed: true }).unwrap(), LoginWay::Command);
    }
}
