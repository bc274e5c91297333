//! IMAP4rev1: RFC 3501, with IDLE (2177), LITERAL+ (7888), SASL-IR (4959), UIDPLUS (4315), UNSELECT (3691),
//! ESEARCH (4731). Of CONDSTORE (7162) there is what SELECT tells without being asked, and it is not offered.
//!
//! Two mailboxes, `INBOX` and `Sent`. Left out, and answered with NO: creating, renaming and deleting mailboxes,
//! ENVELOPE, BODYSTRUCTURE and MIME part numbers in FETCH.

mod command;
mod fetch;
mod folder;
mod idle;
mod login;
mod reader;
mod search;
mod section;
mod selected;
mod sequence;
mod store;

use super::options::ClearLogins;
use super::state::{AccountId, FolderName};
use super::token;
use super::wire::{Closed, Line, Wire};
use command::Command;
use reader::{Bad, Reader};
use selected::Selected;

/// Refused commands before the connection is closed.
const ERRORS_MAX: usize = 50;

/// Runs one session, from the greeting to the end.
pub(super) async fn serve(wire: Wire) -> Result<(), Closed> {
    let mut session = Session { wire, tag: String::new(), phase: Phase::NotAuthenticated, errors: 0 };
    let greeting = format!("* OK [CAPABILITY {}] playground ready", session.capabilities());
    session.wire.greet(&greeting).await?;
    session.run().await
}

enum Phase {
    NotAuthenticated,
    Authenticated { account: AccountId },
    Selected { account: AccountId, selected: Selected },
}

struct Session {
    wire: Wire,
    /// Of the command that is being answered.
    tag: String,
    phase: Phase,
    errors: usize,
}

/// How a command ended; becomes its tagged line.
enum Outcome {
    Ok(String),
    No(String),
    Bad(&'static str),
    /// Already answered, tag and all.
    Answered,
    Goodbye,
}

impl From<Bad> for Outcome {
    fn from(bad: Bad) -> Self {
        Self::Bad(bad.0)
    }
}

/// A command's own result; `Err` ends the connection.
type Step = Result<Outcome, Closed>;

fn ok(text: &str) -> Step {
    Ok(Outcome::Ok(text.to_owned()))
}

fn no(text: &str) -> Step {
    Ok(Outcome::No(text.to_owned()))
}

/// Whether EXPUNGE may be told now: not in answer to FETCH, STORE and SEARCH, whose numbers it would shift
/// (RFC 3501 section 7.4.1).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Telling {
    Everything,
    ArrivalsOnly,
}

impl Session {
    async fn run(mut self) -> Result<(), Closed> {
        loop {
            let Some(command) = self.read().await? else {
                self.wire.settle()?;
                if self.errors >= ERRORS_MAX {
                    return self.hang_up("too many errors").await;
                }
                continue;
            };
            self.tag.clone_from(&command.tag);
            let outcome = match self.wire.arrived(&command.redacted()).await? {
                Some(line) => self.replace(&command.tag, &line).await?,
                None => self.perform(&command).await?,
            };
            let tag = &command.tag;
            let line = match outcome {
                Outcome::Ok(text) => format!("{tag} OK {text}"),
                Outcome::No(text) => format!("{tag} NO {text}"),
                Outcome::Bad(text) => {
                    self.errors += 1;
                    format!("{tag} BAD {text}")
                }
                Outcome::Answered => {
                    self.wire.settle()?;
                    continue;
                }
                Outcome::Goodbye => return self.wire.finish().await,
            };
            self.wire.send_line(&line).await?;
            self.wire.settle()?;
            if self.errors >= ERRORS_MAX {
                return self.hang_up("too many errors").await;
            }
        }
    }

    /// The answer a fault wants.
    async fn replace(&mut self, tag: &str, line: &str) -> Step {
        if line.starts_with(['*', '+']) {
            self.wire.send_line(line).await?;
        } else {
            self.wire.send_line(&format!("{tag} {line}")).await?;
        }
        Ok(if line.starts_with("* BYE") { Outcome::Goodbye } else { Outcome::Answered })
    }

    async fn perform(&mut self, command: &Command) -> Step {
        let mut reader = Reader::new(&command.rest);
        match command.verb.as_str() {
            "CAPABILITY" | "NOOP" | "LOGOUT" | "STARTTLS" | "CHECK" | "CLOSE" | "UNSELECT" | "EXPUNGE" => {
                match reader.end() {
                    Ok(()) => self.plain_command(command).await,
                    Err(bad) => Ok(bad.into()),
                }
            }
            "IDLE" => match reader.end() {
                Ok(()) => self.idle().await,
                Err(bad) => Ok(bad.into()),
            },
            "LOGIN" => self.login(&mut reader).await,
            "AUTHENTICATE" => self.authenticate(&mut reader).await,
            _ => match self.phase {
                Phase::NotAuthenticated => Ok(Outcome::Bad("unknown command, or not before login")),
                Phase::Authenticated { account } | Phase::Selected { account, .. } => {
                    self.authenticated(account, &command.verb, &mut reader).await
                }
            },
        }
    }

    async fn plain_command(&mut self, command: &Command) -> Step {
        match (command.verb.as_str(), &self.phase) {
            ("CAPABILITY", _) => {
                let line = format!("* CAPABILITY {}", self.capabilities());
                self.wire.send_line(&line).await?;
                ok("done")
            }
            ("LOGOUT", _) => {
                self.wire.send_line("* BYE goodbye").await?;
                self.wire.send_line(&format!("{} OK goodbye", command.tag)).await?;
                Ok(Outcome::Goodbye)
            }
            ("STARTTLS", Phase::NotAuthenticated) => self.start_tls(&command.tag).await,
            ("STARTTLS", _) => Ok(Outcome::Bad("not after login")),
            ("NOOP", _) | ("CHECK", Phase::Selected { .. }) => {
                self.tell(Telling::Everything).await?;
                ok("done")
            }
            ("CLOSE", Phase::Selected { .. }) => self.close(),
            ("UNSELECT", Phase::Selected { account, .. }) => {
                self.phase = Phase::Authenticated { account: *account };
                ok("closed")
            }
            ("EXPUNGE", Phase::Selected { .. }) => self.expunge(None).await,
            (_, _) => Ok(Outcome::Bad("no mailbox is selected")),
        }
    }

    async fn authenticated(&mut self, account: AccountId, verb: &str, reader: &mut Reader<'_>) -> Step {
        match verb {
            "SELECT" | "EXAMINE" => self.select(account, verb, reader).await,
            "LIST" | "LSUB" => self.list(verb, reader).await,
            "STATUS" => self.status(account, reader).await,
            "APPEND" => self.append(account, reader).await,
            "CREATE" | "DELETE" | "RENAME" => no("[CANNOT] the mailboxes here are fixed"),
            "SUBSCRIBE" | "UNSUBSCRIBE" => no("[CANNOT] subscriptions are fixed"),
            "FETCH" | "STORE" | "SEARCH" | "COPY" | "UID" => match self.phase {
                Phase::Selected { .. } => self.in_mailbox(verb, reader).await,
                Phase::NotAuthenticated | Phase::Authenticated { .. } => {
                    Ok(Outcome::Bad("no mailbox is selected"))
                }
            },
            _ => Ok(Outcome::Bad("unknown command")),
        }
    }

    fn capabilities(&self) -> String {
        let mut capabilities = String::from("IMAP4rev1 LITERAL+ SASL-IR");
        match &self.phase {
            Phase::NotAuthenticated => {
                if !self.wire.is_secure() {
                    capabilities.push_str(" STARTTLS");
                }
                capabilities.push_str(match (self.may_log_in(), token::offered(&self.wire.world)) {
                    (true, true) => " AUTH=PLAIN AUTH=OAUTHBEARER AUTH=XOAUTH2",
                    (true, false) => " AUTH=PLAIN",
                    (false, _) => " LOGINDISABLED",
                });
            }
            Phase::Authenticated { .. } | Phase::Selected { .. } => {
                capabilities.push_str(" IDLE UIDPLUS UNSELECT ESEARCH")
            }
        }
        capabilities
    }

    fn may_log_in(&self) -> bool {
        match self.wire.world.options.clear_logins {
            ClearLogins::Allowed => true,
            ClearLogins::Refused => self.wire.is_secure(),
        }
    }

    async fn bad(&mut self, tag: &str, reason: &str) -> Result<(), Closed> {
        self.errors += 1;
        self.wire.send_line(&format!("{tag} BAD {reason}")).await
    }

    async fn hang_up(mut self, reason: &str) -> Result<(), Closed> {
        self.wire.send_line(&format!("* BYE {reason}")).await?;
        self.wire.finish().await
    }
}
