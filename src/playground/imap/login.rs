//! STARTTLS, LOGIN and AUTHENTICATE.

use super::super::log::Happening;
use super::super::sasl::{self, Credentials, Mechanism};
use super::super::token;
use super::{Bad, Closed, Line, Outcome, Phase, Reader, Session, Step, no, ok};

const TLS_WANTED: &str = "[PRIVACYREQUIRED] passwords are accepted over TLS only, use STARTTLS";

impl Session {
    pub(super) async fn start_tls(&mut self, tag: &str) -> Step {
        if self.wire.is_secure() {
            return Ok(Outcome::Bad("TLS is active already"));
        }
        self.wire.send_line(&format!("{tag} OK begin TLS")).await?;
        self.wire.settle()?;
        self.wire.secure().await?;
        Ok(Outcome::Answered)
    }

    pub(super) async fn login(&mut self, reader: &mut Reader<'_>) -> Step {
        match (&self.phase, login_arguments(reader)) {
            (Phase::Authenticated { .. } | Phase::Selected { .. }, _) => {
                Ok(Outcome::Bad("logged in already"))
            }
            (Phase::NotAuthenticated, Err(bad)) => Ok(bad.into()),
            (Phase::NotAuthenticated, Ok(_)) if !self.may_log_in() => no(TLS_WANTED),
            (Phase::NotAuthenticated, Ok(credentials)) => self.log_in(&credentials),
        }
    }

    pub(super) async fn authenticate(&mut self, reader: &mut Reader<'_>) -> Step {
        let (mechanism, initial) = match (&self.phase, authenticate_arguments(reader)) {
            (Phase::Authenticated { .. } | Phase::Selected { .. }, _) => {
                return Ok(Outcome::Bad("logged in already"));
            }
            (Phase::NotAuthenticated, Err(bad)) => return Ok(bad.into()),
            (Phase::NotAuthenticated, Ok(arguments)) => arguments,
        };
        let mechanism = match Mechanism::parse(&mechanism) {
            Some(mechanism @ (Mechanism::Plain | Mechanism::Token(_))) => mechanism,
            Some(Mechanism::Login) | None => return no("[CANNOT] unknown mechanism"),
        };
        if !self.may_log_in() {
            return no(TLS_WANTED);
        }
        let response = match initial {
            Some(initial) => Some(initial.into_bytes()),
            None => self.challenge("").await?,
        };
        let Some(response) = response else { return Ok(Outcome::Bad("authentication cancelled")) };
        let framing = match mechanism {
            Mechanism::Token(framing) => framing,
            Mechanism::Plain | Mechanism::Login => {
                return match sasl::plain(&response) {
                    Some(credentials) => self.log_in(&credentials),
                    None => Ok(Outcome::Bad("invalid response")),
                };
            }
        };
        match token::credentials(&self.wire.world, framing, &response) {
            Some(credentials) => self.log_in(&credentials),
            None => {
                // The reason, which the client has to acknowledge.
                self.challenge(token::REFUSED).await?;
                no("[AUTHENTICATIONFAILED] authentication failed")
            }
        }
    }

    /// Asks for a response; `None` when the client cancels.
    async fn challenge(&mut self, challenge: &str) -> Result<Option<Vec<u8>>, Closed> {
        self.wire.send_line(&format!("+ {challenge}")).await?;
        let line = self.wire.line().await?;
        self.wire.note(Happening::Command(String::from("***")));
        match line {
            Line::Whole(line) if line.as_ref() != b"*" => Ok(Some(line.to_vec())),
            Line::Whole(_) | Line::BareLf(_) | Line::TooLong => Ok(None),
        }
    }

    fn log_in(&mut self, credentials: &Credentials) -> Step {
        match self.wire.world.state.authenticate(credentials) {
            Some(account) => {
                self.phase = Phase::Authenticated { account };
                ok(&format!("[CAPABILITY {}] welcome", self.capabilities()))
            }
            None => no("[AUTHENTICATIONFAILED] authentication failed"),
        }
    }
}

fn login_arguments(reader: &mut Reader) -> Result<Credentials, Bad> {
    reader.space()?;
    let username = reader.astring()?;
    reader.space()?;
    let password = reader.astring()?;
    reader.end()?;
    Ok(sasl::credentials(&username, &password))
}

fn authenticate_arguments(reader: &mut Reader) -> Result<(String, Option<String>), Bad> {
    reader.space()?;
    let mechanism = reader.keyword()?;
    let initial = match reader.eat(b' ') {
        true => Some(reader.word(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))?),
        false => None,
    };
    reader.end()?;
    Ok((mechanism, initial))
}
