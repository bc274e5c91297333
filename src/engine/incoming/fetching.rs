//! The fetches of one cycle, so that a message that ends every session holds up no other.
//!
//! All are asked for together. When that has failed, the next cycle asks for one after the other: the message at which a session ends is
//! to blame when the next one is handed over, and is then owed as if the server had refused it. What is owed is asked for last.

use super::*;
use crate::model::limits;

/// How the fetch of one message ended.
enum Alone {
    Answered(Box<dyn Receive>),
    /// The session is gone, in a way that one message can bring about.
    Broke(RemoteError),
    /// The process was asked to stop.
    Stopped,
}

/// Messages at which sessions ended are noted as if the server had refused them.
fn broken(message: Listed, error: &RemoteError) -> Fetched {
    Fetched::of(message, Content::Deferred(format!("every attempt to fetch it failed: {}", error.cause)))
}

impl Incoming<'_> {
    /// Fetches and records. `again`: what is owed from earlier cycles. Returns the session to go on with; `None`: the process was
    /// asked to stop.
    pub(super) async fn fetch(
        &self,
        session: Box<dyn Receive>,
        intake: &mut Intake<'_>,
        cursor: &Cursor,
        (mut wanted, again): (Vec<Listed>, Vec<Listed>),
    ) -> Result<Option<Box<dyn Receive>>, WorkError> {
        let careful = incoming::one_by_one(self.failures_before).min(wanted.len());
        let mut rest = wanted.split_off(careful);
        let again = match again.len() > limits::DEFERRED_IN_A_ROW_MAX {
            // So many that one by one would take long, and that no single one is to blame.
            true => {
                rest.extend(again);
                Vec::new()
            }
            false => again,
        };
        let Some(session) = self.fetch_carefully(session, intake, cursor, wanted).await? else {
            return Ok(None);
        };
        let session = match rest.is_empty() {
            true => session,
            false => match intake.fetch(session, rest).await? {
                Ended::AllAnswered(session) => session,
                Ended::Failed(error) => return Err(error.into()),
                Ended::Stopped => return Ok(None),
            },
        };
        self.ask_again(session, intake, cursor, again).await
    }

    /// One after the other. Two in a row at which the session ends, or one behind which nothing comes, are taken for the server's
    /// trouble, until that has failed so often that the message is given up.
    async fn fetch_carefully(
        &self,
        mut session: Box<dyn Receive>,
        intake: &mut Intake<'_>,
        cursor: &Cursor,
        messages: Vec<Listed>,
    ) -> Result<Option<Box<dyn Receive>>, WorkError> {
        let mut suspect: Option<(Listed, RemoteError)> = None;
        for message in messages {
            let broke = match self.fetch_alone(session, intake, &message).await? {
                Alone::Stopped => return Ok(None),
                Alone::Answered(open) => {
                    session = open;
                    if let Some((message, error)) = suspect.take() {
                        intake.take(broken(message, &error)).await?;
                    }
                    continue;
                }
                Alone::Broke(error) => error,
            };
            session = self.another(cursor).await?;
            if self.failures_before >= self.retry.attempts_per_message {
                match self.give_up(session, intake, (message, cursor)).await? {
                    Some(open) => session = open,
                    None => return Ok(None),
                }
            } else if suspect.is_some() {
                return Err(broke.into());
            } else {
                suspect = Some((message, broke));
            }
        }
        match suspect {
            None => Ok(Some(session)),
            Some((_, error)) => Err(error.into()),
        }
    }

    /// Fetches a message once more, on a session of its own: when the server answers everything and then fails at the same message
    /// again, the message is quarantined.
    async fn give_up(
        &self,
        session: Box<dyn Receive>,
        intake: &mut Intake<'_>,
        (message, cursor): (Listed, &Cursor),
    ) -> Result<Option<Box<dyn Receive>>, WorkError> {
        match self.fetch_alone(session, intake, &message).await? {
            Alone::Stopped => Ok(None),
            Alone::Answered(session) => Ok(Some(session)),
            Alone::Broke(error) => {
                let said = format!("every attempt to fetch it failed: {}", error.cause);
                intake.take(Fetched::of(message, Content::Refused(said))).await?;
                Ok(Some(self.another(cursor).await?))
            }
        }
    }

    /// What is owed is to blame already.
    async fn ask_again(
        &self,
        mut session: Box<dyn Receive>,
        intake: &mut Intake<'_>,
        cursor: &Cursor,
        owed: Vec<Listed>,
    ) -> Result<Option<Box<dyn Receive>>, WorkError> {
        for message in owed {
            session = match self.fetch_alone(session, intake, &message).await? {
                Alone::Stopped => return Ok(None),
                Alone::Answered(session) => session,
                Alone::Broke(error) => {
                    intake.take(broken(message, &error)).await?;
                    self.another(cursor).await?
                }
            };
        }
        Ok(Some(session))
    }

    async fn fetch_alone(
        &self,
        session: Box<dyn Receive>,
        intake: &mut Intake<'_>,
        message: &Listed,
    ) -> Result<Alone, WorkError> {
        if self.engine.stopping.is_cancelled() {
            return Ok(Alone::Stopped);
        }
        match intake.fetch(session, vec![message.clone()]).await? {
            Ended::AllAnswered(session) => Ok(Alone::Answered(session)),
            Ended::Stopped => Ok(Alone::Stopped),
            Ended::Failed(error) if incoming::is_by_message(&error.cause) => Ok(Alone::Broke(error)),
            Ended::Failed(error) => Err(error.into()),
        }
    }

    /// Another session, which knows the mailbox's messages.
    async fn another(&self, cursor: &Cursor) -> Result<Box<dyn Receive>, WorkError> {
        let mut session = self.entrance().open().await?;
        session.wants_from(self.rules.from);
        session.tries_last(self.last.clone());
        bounded(TestStep::Read, session.list(cursor)).await?;
        Ok(session)
    }
}
