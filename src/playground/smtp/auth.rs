//! AUTH (RFC 4954) with PLAIN and LOGIN.

use super::super::sasl::{self, Credentials, Mechanism};
use super::super::token::{self, Framing};
use super::{Closed, Happening, Hello, Line, Login, Next, Session};

/// What a client answered to a challenge.
enum Answer {
    Response(Vec<u8>),
    Cancelled,
}

impl Session {
    pub(super) async fn auth(&mut self, argument: &str) -> Result<Next, Closed> {
        if let Some(refusal) = self.auth_refusal() {
            return self.say(refusal).await;
        }
        let (name, initial) = match argument.split_once(' ') {
            Some((name, initial)) => (name, Some(initial.as_bytes().to_vec())),
            None => (argument, None),
        };
        let Some(mechanism) = Mechanism::parse(name) else {
            return self.say("504 5.5.4 unknown mechanism").await;
        };
        let exchange = match mechanism {
            Mechanism::Plain => self.plain(initial).await?,
            Mechanism::Login => self.login(initial).await?,
            Mechanism::Token(framing) => self.token(framing, initial).await?,
        };
        match exchange {
            Exchange::Cancelled => self.say("501 5.7.0 authentication cancelled").await,
            Exchange::Unreadable => self.say("501 5.5.2 invalid response").await,
            Exchange::Refused => self.say("535 5.7.8 authentication credentials invalid").await,
            Exchange::Credentials(credentials) => self.log_in(&credentials).await,
        }
    }

    fn auth_refusal(&self) -> Option<&'static str> {
        match self.hello {
            Hello::Awaited | Hello::Plain(_) => return Some("503 5.5.1 EHLO comes first"),
            Hello::Extended(_) => {}
        }
        if !self.may_log_in() {
            Some("538 5.7.11 passwords are accepted over TLS only, use STARTTLS")
        } else if self.login.is_some() {
            Some("503 5.5.1 already authenticated")
        } else if self.envelope.is_some() {
            Some("503 5.5.1 not during a mail transaction")
        } else {
            None
        }
    }

    async fn plain(&mut self, initial: Option<Vec<u8>>) -> Result<Exchange, Closed> {
        let response = match initial {
            Some(response) => response,
            None => match self.challenge("").await? {
                Answer::Response(response) => response,
                Answer::Cancelled => return Ok(Exchange::Cancelled),
            },
        };
        Ok(sasl::plain(&response).map_or(Exchange::Unreadable, Exchange::Credentials))
    }

    /// A token that is not taken is answered with the reason first, which the client has to acknowledge.
    async fn token(&mut self, framing: Framing, initial: Option<Vec<u8>>) -> Result<Exchange, Closed> {
        let response = match initial {
            Some(response) => response,
            None => match self.challenge("").await? {
                Answer::Response(response) => response,
                Answer::Cancelled => return Ok(Exchange::Cancelled),
            },
        };
        match token::credentials(&self.wire.world, framing, &response) {
            Some(credentials) => Ok(Exchange::Credentials(credentials)),
            None => {
                self.challenge(token::REFUSED).await?;
                Ok(Exchange::Refused)
            }
        }
    }

    async fn login(&mut self, initial: Option<Vec<u8>>) -> Result<Exchange, Closed> {
        let username = match initial {
            Some(username) => username,
            None => match self.challenge(sasl::USERNAME_PROMPT).await? {
                Answer::Response(username) => username,
                Answer::Cancelled => return Ok(Exchange::Cancelled),
            },
        };
        match self.challenge(sasl::PASSWORD_PROMPT).await? {
            Answer::Response(password) => {
                let credentials = sasl::login(&username, &password);
                Ok(credentials.map_or(Exchange::Unreadable, Exchange::Credentials))
            }
            Answer::Cancelled => Ok(Exchange::Cancelled),
        }
    }

    async fn challenge(&mut self, challenge: &str) -> Result<Answer, Closed> {
        self.wire.send_line(&format!("334 {challenge}")).await?;
        let line = self.wire.line().await?;
        self.wire.note(Happening::Command(String::from("***")));
        Ok(match line {
            Line::Whole(line) if line.as_ref() == b"*" => Answer::Cancelled,
            Line::Whole(line) => Answer::Response(line.to_vec()),
            // Not base64, so the mechanism finds it unreadable.
            Line::BareLf(_) | Line::TooLong => Answer::Response(vec![b'!']),
        })
    }

    async fn log_in(&mut self, credentials: &Credentials) -> Result<Next, Closed> {
        match self.wire.world.state.authenticate(credentials) {
            Some(account) => {
                self.login = Some(Login { account, username: credentials.username.clone() });
                self.say("235 2.7.0 welcome").await
            }
            None => self.say("535 5.7.8 authentication credentials invalid").await,
        }
    }
}

enum Exchange {
    Credentials(Credentials),
    Unreadable,
    Refused,
    Cancelled,
}
