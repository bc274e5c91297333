//! SMTP submission: RFC 5321, 3207 (STARTTLS), 4954 (AUTH), 1870 (SIZE), 2920 (PIPELINING), 6152 (8BITMIME),
//! 6531 (SMTPUTF8), 2034 (enhanced codes); where the options say so, 3030 (CHUNKING) and 3461 (DSN, accepted and not acted
//! on).

mod auth;
mod chunk;
mod data;
mod envelope;
mod path;

use bytes::BytesMut;

use super::log::Happening;
use super::options::{ClearLogins, Extensions};
use super::state::AccountId;
use super::token;
use super::wire::{Closed, Line, Wire};

/// Refused commands before the connection is closed.
const ERRORS_MAX: usize = 50;

/// Runs one session, from the greeting to the end.
pub(super) async fn serve(mut wire: Wire) -> Result<(), Closed> {
    let host = host(&wire);
    wire.greet(&format!("220 {host} ESMTP playground")).await?;
    let session = Session { wire, hello: Hello::Awaited, login: None, envelope: None, errors: 0 };
    session.run().await
}

/// What the servers call themselves.
fn host(wire: &Wire) -> String {
    wire.world.options.host_names.first().cloned().unwrap_or_else(|| String::from("localhost"))
}

/// How the client introduced itself.
enum Hello {
    Awaited,
    Plain(String),
    Extended(String),
}

struct Login {
    account: AccountId,
    username: String,
}

/// A mail transaction under way.
struct Envelope {
    /// Empty for the null sender.
    from: String,
    recipients: Vec<String>,
    body: Body,
    utf8: Utf8,
    /// What BDAT has brought so far.
    chunks: BytesMut,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    SevenBit,
    EightBit,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Utf8 {
    Announced,
    Absent,
}

struct Session {
    wire: Wire,
    hello: Hello,
    login: Option<Login>,
    envelope: Option<Envelope>,
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
                Line::BareLf(_) => self.say("500 5.5.2 bare <LF> received, lines end with <CR><LF>").await?,
                Line::TooLong => self.say("500 5.5.2 line too long").await?,
            };
            self.wire.settle()?;
            match next {
                Next::Command => {}
                Next::Goodbye => return self.wire.finish().await,
            }
        }
    }

    async fn command(&mut self, line: &[u8]) -> Result<Next, Closed> {
        let text = std::str::from_utf8(line).ok().filter(|text| !text.contains(char::is_control));
        let Some(text) = text else {
            self.wire.arrived("***").await?;
            return self.say("500 5.5.2 commands are printable text").await;
        };
        let (verb, argument) = match text.split_once(' ') {
            Some((verb, argument)) => (verb.to_ascii_uppercase(), Some(argument)),
            None => (text.to_ascii_uppercase(), None),
        };
        if let Some(answer) = self.wire.arrived(&redacted(&verb, argument, text)).await? {
            if verb == "BDAT" {
                self.chunk(argument.unwrap_or_default()).await?;
            }
            return self.say(&answer).await;
        }
        match (verb.as_str(), argument) {
            ("EHLO" | "HELO", Some(name)) => self.hello(&verb, name).await,
            ("EHLO" | "HELO", None) => self.say("501 5.5.4 a host name is expected").await,
            ("STARTTLS", None) => self.start_tls().await,
            ("AUTH", Some(argument)) => self.auth(argument).await,
            ("MAIL", Some(argument)) => self.mail(argument).await,
            ("RCPT", Some(argument)) => self.rcpt(argument).await,
            ("DATA", None) => self.data().await,
            ("BDAT", Some(argument)) if self.offers_more() => self.bdat(argument).await,
            ("RSET", None) => {
                self.envelope = None;
                self.say("250 2.0.0 ok").await
            }
            ("NOOP", _) => self.say("250 2.0.0 ok").await,
            ("VRFY", Some(_)) => self.say("252 2.5.2 send mail and see").await,
            ("QUIT", None) => {
                self.say("221 2.0.0 goodbye").await?;
                Ok(Next::Goodbye)
            }
            ("STARTTLS" | "AUTH" | "MAIL" | "RCPT" | "DATA" | "RSET" | "VRFY" | "QUIT", _) => {
                self.say("501 5.5.4 wrong number of arguments").await
            }
            _ => self.say("500 5.5.2 unknown command").await,
        }
    }

    async fn hello(&mut self, verb: &str, name: &str) -> Result<Next, Closed> {
        if !path::is_host(name) {
            return self.say("501 5.5.4 this is neither a host name nor an address literal").await;
        }
        self.envelope = None;
        let host = host(&self.wire);
        if verb == "HELO" {
            self.hello = Hello::Plain(name.to_owned());
            return self.say(&format!("250 {host}")).await;
        }
        self.hello = Hello::Extended(name.to_owned());
        let size = format!("SIZE {}", self.wire.world.options.message_bytes_max);
        let mut lines =
            vec![host.as_str(), &size, "PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"];
        if !self.wire.is_secure() {
            lines.push("STARTTLS");
        }
        if self.offers_more() {
            lines.extend(["CHUNKING", "DSN"]);
        }
        if self.may_log_in() {
            lines.push(match token::offered(&self.wire.world) {
                true => "AUTH PLAIN LOGIN OAUTHBEARER XOAUTH2",
                false => "AUTH PLAIN LOGIN",
            });
        }
        let last = lines.len() - 1;
        for (at, line) in lines.iter().enumerate() {
            let between = if at == last { ' ' } else { '-' };
            self.wire.send_line(&format!("250{between}{line}")).await?;
        }
        Ok(Next::Command)
    }

    async fn start_tls(&mut self) -> Result<Next, Closed> {
        if self.wire.is_secure() {
            return self.say("503 5.5.1 TLS is active already").await;
        }
        match self.hello {
            Hello::Extended(_) => {}
            Hello::Awaited | Hello::Plain(_) => return self.say("503 5.5.1 EHLO comes first").await,
        }
        self.wire.send_line("220 2.0.0 begin TLS").await?;
        self.wire.settle()?;
        self.wire.secure().await?;
        // RFC 3207 section 4.2: nothing said before TLS counts.
        (self.hello, self.envelope, self.login) = (Hello::Awaited, None, None);
        Ok(Next::Command)
    }

    fn offers_more(&self) -> bool {
        match self.wire.world.options.extensions {
            Extensions::Usual => false,
            Extensions::ChunkingAndDsn => true,
        }
    }

    fn may_log_in(&self) -> bool {
        match self.wire.world.options.clear_logins {
            ClearLogins::Allowed => true,
            ClearLogins::Refused => self.wire.is_secure(),
        }
    }

    /// Sends a reply; a 421 ends the session, and so do too many refusals.
    async fn say(&mut self, line: &str) -> Result<Next, Closed> {
        self.wire.send_line(line).await?;
        self.errors += usize::from(line.starts_with('5'));
        if line.starts_with("421") {
            return Ok(Next::Goodbye);
        }
        if self.errors >= ERRORS_MAX {
            self.wire.send_line("421 4.7.0 too many errors").await?;
            return Ok(Next::Goodbye);
        }
        Ok(Next::Command)
    }
}

/// The command as the log may show it. What is not known may be a mistyped password, so it is not shown.
fn redacted(verb: &str, argument: Option<&str>, text: &str) -> String {
    const HARMLESS: [&str; 11] =
        ["EHLO", "HELO", "STARTTLS", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "VRFY", "QUIT"];
    match argument {
        _ if HARMLESS.contains(&verb) => text.to_owned(),
        Some(argument) if verb == "AUTH" => match argument.split_once(' ') {
            Some((mechanism, _)) => format!("AUTH {mechanism} ***"),
            None => format!("AUTH {argument}"),
        },
        None if verb.len() <= 8 && verb.bytes().all(|byte| byte.is_ascii_alphabetic()) => verb.to_owned(),
        Some(_) | None => String::from("***"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_logged() {
        assert_eq!(redacted("AUTH", Some("PLAIN AGFubmEA"), "AUTH PLAIN AGFubmEA"), "AUTH PLAIN ***");
        assert_eq!(redacted("UEFTU1dPUkQ=", None, "UEFTU1dPUkQ="), "***");
        assert_eq!(redacted("MAIL", Some("FROM:<a@b>"), "mail FROM:<a@b>"), "mail FROM:<a@b>");
    }
}
