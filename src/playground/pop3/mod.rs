//! POP3: RFC 1939, 2449 (CAPA), 2595 (STLS), 3206 (AUTH response code), 5034 (AUTH).

mod transaction;

use std::sync::Arc;

use bytes::Bytes;

use super::World;
use super::log::Happening;
use super::options::{ClearLogins, Pop3Sessions};
use super::sasl::{self, Credentials, Mechanism};
use super::state::{AccountId, FolderName};
use super::token;
use super::wire::{Closed, Line, Wire};

/// Refused commands before the connection is closed.
const ERRORS_MAX: usize = 50;

/// Runs one session, from the greeting to the end.
pub(super) async fn serve(mut wire: Wire) -> Result<(), Closed> {
    wire.greet("+OK playground ready").await?;
    let session = Session { wire, state: Phase::Authorization { username: None }, errors: 0 };
    session.run().await
}

enum Phase {
    Authorization { username: Option<String> },
    Transaction(Maildrop),
}

/// The mailbox as it was at login; numbers do not change during a session.
struct Maildrop {
    account: AccountId,
    messages: Vec<Message>,
    _lock: Option<Lock>,
}

struct Message {
    uidl: String,
    raw: Bytes,
    deleted: bool,
}

/// Frees the maildrop when the session ends in whatever way.
struct Lock {
    world: Arc<World>,
    account: AccountId,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.world.state.lock().unlock_pop3(self.account);
    }
}

struct Session {
    wire: Wire,
    state: Phase,
    errors: usize,
}

/// Whether the session goes on after a command.
enum Next {
    Command,
    Goodbye,
}

impl Session {
    async fn run(mut self) -> Result<(), Closed> {
        loop {
            let next = match self.wire.line().await? {
                Line::Whole(line) => self.command(&line).await?,
                Line::BareLf(_) => self.refuse("lines end with CRLF").await?,
                Line::TooLong => self.refuse("line too long").await?,
            };
            self.wire.settle()?;
            match next {
                Next::Command => {}
                Next::Goodbye => return self.wire.finish().await,
            }
        }
    }

    async fn command(&mut self, line: &[u8]) -> Result<Next, Closed> {
        let Some((verb, argument)) = split(line) else {
            self.wire.arrived("***").await?;
            return self.refuse("commands are printable text").await;
        };
        if let Some(answer) = self.wire.arrived(&redacted(&verb, argument)).await? {
            return self.say(&answer).await;
        }
        match (verb.as_str(), argument) {
            ("CAPA", None) => self.capabilities().await,
            ("QUIT", None) => self.quit().await,
            ("CAPA" | "QUIT", Some(_)) => self.refuse("no argument expected").await,
            _ => match &self.state {
                Phase::Authorization { .. } => self.authorization(&verb, argument).await,
                Phase::Transaction(_) => self.transaction(&verb, argument).await,
            },
        }
    }

    async fn authorization(&mut self, verb: &str, argument: Option<&str>) -> Result<Next, Closed> {
        match (verb, argument) {
            ("STLS", None) if self.wire.is_secure() => self.refuse("TLS is active already").await,
            ("STLS", None) => {
                self.wire.send_line("+OK begin TLS").await?;
                self.wire.settle()?;
                self.wire.secure().await?;
                self.state = Phase::Authorization { username: None };
                Ok(Next::Command)
            }
            ("USER" | "PASS" | "AUTH", Some(_)) if !self.may_log_in() => {
                self.refuse("[AUTH] passwords are accepted over TLS only, use STLS").await
            }
            ("USER", Some(name)) => {
                self.state = Phase::Authorization { username: Some(name.to_owned()) };
                self.say("+OK").await
            }
            ("PASS", Some(password)) => {
                let Phase::Authorization { username: Some(username) } = &self.state else {
                    return self.refuse("USER comes first").await;
                };
                let credentials = sasl::credentials(username, password);
                self.log_in(Some(&credentials)).await
            }
            ("AUTH", Some(argument)) => self.auth(argument).await,
            ("USER" | "PASS" | "AUTH" | "STLS", _) => self.refuse("wrong number of arguments").await,
            _ => self.refuse("unknown command, or not before login").await,
        }
    }

    fn may_log_in(&self) -> bool {
        match self.wire.world.options.clear_logins {
            ClearLogins::Allowed => true,
            ClearLogins::Refused => self.wire.is_secure(),
        }
    }

    async fn auth(&mut self, argument: &str) -> Result<Next, Closed> {
        let (name, initial) = match argument.split_once(' ') {
            Some((name, initial)) => (name, Some(initial.as_bytes().to_vec())),
            None => (argument, None),
        };
        let Some(mechanism) = Mechanism::parse(name) else {
            return self.refuse("unknown mechanism").await;
        };
        let credentials = match (mechanism, initial) {
            (Mechanism::Plain, Some(response)) => sasl::plain(&response),
            (Mechanism::Plain, None) => match self.challenge("").await? {
                Some(response) => sasl::plain(&response),
                None => return self.refuse("authentication cancelled").await,
            },
            (Mechanism::Token(framing), initial) => {
                let response = match initial {
                    Some(response) => Some(response),
                    None => self.challenge("").await?,
                };
                let Some(response) = response else { return self.refuse("authentication cancelled").await };
                let credentials = token::credentials(&self.wire.world, framing, &response);
                if credentials.is_none() {
                    // The reason, which the client has to acknowledge.
                    self.challenge(token::REFUSED).await?;
                    return self.refuse("[AUTH] authentication failed").await;
                }
                credentials
            }
            (Mechanism::Login, initial) => {
                let username = match initial {
                    Some(username) => Some(username),
                    None => self.challenge(sasl::USERNAME_PROMPT).await?,
                };
                let Some(username) = username else { return self.refuse("authentication cancelled").await };
                match self.challenge(sasl::PASSWORD_PROMPT).await? {
                    Some(password) => sasl::login(&username, &password),
                    None => return self.refuse("authentication cancelled").await,
                }
            }
        };
        self.log_in(credentials.as_ref()).await
    }

    /// Sends a challenge; `None` when the client cancels or answers with something that is no line.
    async fn challenge(&mut self, challenge: &str) -> Result<Option<Vec<u8>>, Closed> {
        self.wire.send_line(&format!("+ {challenge}")).await?;
        let line = self.wire.line().await?;
        self.wire.note(Happening::Command(String::from("***")));
        match line {
            Line::Whole(line) if line.as_ref() != b"*" => Ok(Some(line.to_vec())),
            Line::Whole(_) | Line::BareLf(_) | Line::TooLong => Ok(None),
        }
    }

    fn sasl(&self) -> &'static str {
        match token::offered(&self.wire.world) {
            true => "SASL PLAIN LOGIN OAUTHBEARER XOAUTH2",
            false => "SASL PLAIN LOGIN",
        }
    }

    /// `None`: the client sent something that cannot be read as credentials.
    async fn log_in(&mut self, credentials: Option<&Credentials>) -> Result<Next, Closed> {
        self.state = Phase::Authorization { username: None };
        let Some(credentials) = credentials else { return self.refuse("invalid response").await };
        let world = Arc::clone(&self.wire.world);
        let Some(account) = world.state.authenticate(credentials) else {
            return self.refuse("[AUTH] authentication failed").await;
        };
        let opened = {
            let mut inner = world.state.lock();
            let lock = match world.options.pop3_sessions {
                Pop3Sessions::Shared => Some(None),
                Pop3Sessions::Exclusive => {
                    inner.lock_pop3(account).then(|| Some(Lock { world: world.clone(), account }))
                }
            };
            lock.map(|lock| {
                let held = &inner.folder_mut(account, FolderName::Inbox).held;
                let messages = held.iter().map(|held| Message {
                    uidl: held.uidl.clone(),
                    raw: held.raw.clone(),
                    deleted: false,
                });
                Maildrop { account, messages: messages.collect(), _lock: lock }
            })
        };
        match opened {
            Some(maildrop) => {
                let greeting = format!("+OK {} messages", maildrop.messages.len());
                self.state = Phase::Transaction(maildrop);
                self.say(&greeting).await
            }
            None => self.refuse("[IN-USE] another session has the maildrop open").await,
        }
    }

    async fn capabilities(&mut self) -> Result<Next, Closed> {
        let mut lines =
            vec!["+OK capabilities follow", "TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE"];
        match &self.state {
            Phase::Authorization { .. } => {
                if self.may_log_in() {
                    lines.extend(["USER", self.sasl()]);
                }
                if !self.wire.is_secure() {
                    lines.push("STLS");
                }
            }
            Phase::Transaction(_) => lines.extend(["USER", self.sasl()]),
        }
        lines.extend(["EXPIRE NEVER", "IMPLEMENTATION playground", "."]);
        for line in lines {
            self.wire.send_line(line).await?;
        }
        Ok(Next::Command)
    }

    async fn say(&mut self, line: &str) -> Result<Next, Closed> {
        self.wire.send_line(line).await?;
        Ok(Next::Command)
    }

    async fn refuse(&mut self, reason: &str) -> Result<Next, Closed> {
        self.errors += 1;
        self.wire.send_line(&format!("-ERR {reason}")).await?;
        if self.errors < ERRORS_MAX { Ok(Next::Command) } else { Ok(Next::Goodbye) }
    }
}

/// Parts a command from its argument: one space between them, printable ASCII throughout (RFC 1939 section 3).
fn split(line: &[u8]) -> Option<(String, Option<&str>)> {
    let text = std::str::from_utf8(line).ok()?;
    let (verb, argument) = match text.split_once(' ') {
        Some((verb, argument)) => (verb, Some(argument)),
        None => (text, None),
    };
    let keyword = (3..=4).contains(&verb.len()) && verb.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let printable = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    (keyword && printable).then(|| (verb.to_ascii_uppercase(), argument))
}

/// The command as the log may show it. What is not known may be a mistyped password, so it is not shown.
fn redacted(verb: &str, argument: Option<&str>) -> String {
    const HARMLESS: [&str; 12] =
        ["CAPA", "QUIT", "STLS", "USER", "STAT", "LIST", "UIDL", "TOP", "RETR", "DELE", "RSET", "NOOP"];
    match argument {
        None => verb.to_owned(),
        Some(argument) if HARMLESS.contains(&verb) => format!("{verb} {argument}"),
        Some(argument) if verb == "AUTH" => match argument.split_once(' ') {
            Some((mechanism, _)) => format!("AUTH {mechanism} ***"),
            None => format!("AUTH {argument}"),
        },
        Some(_) => format!("{verb} ***"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_logged() {
        assert_eq!(redacted("PASS", Some("s3cret")), "PASS ***");
        assert_eq!(redacted("PAS", Some("s3cret")), "PAS ***");
        assert_eq!(redacted("AUTH", Some("PLAIN AGFubmEA")), "AUTH PLAIN ***");
        assert_eq!(redacted("RETR", Some("1")), "RETR 1");
    }

    #[test]
    fn a_command_is_a_keyword_a_space_and_printable_text() {
        assert_eq!(split(b"retr 1"), Some((String::from("RETR"), Some("1"))));
        assert_eq!(split(b"PASS with  spaces"), Some((String::from("PASS"), Some("with  spaces"))));
        assert_eq!(split(b""), None);
        assert_eq!(split(b"RETR\t1"), None);
        assert_eq!(split("PASS geh\u{e4}im".as_bytes()), None);
    }
}
