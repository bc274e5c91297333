//! One session of a cycle: while one group of messages is being sent, the store notes how the former one ended and that
//! the next one begins.

use std::pin::Pin;

use bytes::Bytes;
use jiff::Timestamp;

use super::desk::{Attempt, Desk, Ended, Ready};
use crate::engine::WorkError;
use crate::model::failure::{Cause, RemoteError, Scope, TestStep};
use crate::model::limits;
use crate::model::name::Address;
use crate::model::outbox::{self, OutgoingMessage};
use crate::remote::{Submit, Trace};
use crate::sync::outgoing;

pub(super) type Running<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The session whose failure is that of the cycle.
pub(super) fn first<'a>(desk: &'a Desk<'a>) -> Running<'a, Result<(), WorkError>> {
    Box::pin(async move {
        let result = match connect(desk).await {
            Ok(open) => work(desk, open).await,
            Err(error) => Err(error),
        };
        result.inspect_err(|_| desk.halt())
    })
}

/// A session that helps. A server that lets it not in has enough connections: the others go on.
pub(super) fn further<'a>(desk: &'a Desk<'a>) -> Running<'a, Result<(), WorkError>> {
    Box::pin(async move {
        match connect(desk).await {
            Ok(open) => work(desk, open).await.inspect_err(|_| desk.halt()),
            Err(WorkError::Remote(_)) => Ok(()),
            Err(error @ WorkError::Store(_)) => Err(error),
        }
    })
}

pub(super) async fn connect(desk: &Desk<'_>) -> Result<Box<dyn Submit>, WorkError> {
    let mut trace = Trace::new(desk.engine.clock.clone());
    let destination = desk.route.destination(desk.engine).await?;
    Ok(desk.route.connector.submit(&destination, &mut trace).await?)
}

async fn work(desk: &Desk<'_>, open: Box<dyn Submit>) -> Result<(), WorkError> {
    let mut sending = Sending { desk, open: Some(open) };
    let result = sending.all().await;
    if let Some(open) = sending.open {
        open.close().await;
    }
    result
}

struct Sending<'a> {
    desk: &'a Desk<'a>,
    open: Option<Box<dyn Submit>>,
}

impl Sending<'_> {
    async fn all(&mut self) -> Result<(), WorkError> {
        let desk = self.desk;
        let mut ended = Vec::new();
        let mut group = desk.turn(Vec::new()).await?;
        while !group.is_empty() {
            let (sent, next) = tokio::join!(self.group(group), desk.turn(std::mem::take(&mut ended)));
            let (outcomes, result) = sent;
            ended = outcomes;
            group = match (result, next) {
                (Ok(()), Ok(next)) => next,
                // What has ended is noted in any case; the first error is the one to report.
                (Err(error), Ok(next)) => {
                    ended.extend(self.give_back(next));
                    desk.end(ended).await?;
                    return Err(error);
                }
                (_, Err(error)) => {
                    desk.end(ended).await?;
                    return Err(error);
                }
            };
        }
        desk.end(ended).await
    }

    /// Sends until the end of the group, or until nothing more is to be begun; what is left over is given back.
    async fn group(&mut self, group: Vec<Ready>) -> (Vec<Ended>, Result<(), WorkError>) {
        let mut ended = Vec::with_capacity(group.len());
        let mut left = group.into_iter();
        let mut result = Ok(());
        while !self.desk.is_halted()
            && let Some(ready) = left.next()
        {
            let (one, outcome) = self.one(ready).await;
            ended.extend(one);
            if let Err(error) = outcome {
                self.desk.halt();
                result = Err(error);
            }
        }
        ended.extend(self.give_back(left));
        (ended, result)
    }

    /// Attempts that were noted and are not made.
    fn give_back(&self, ready: impl IntoIterator<Item = Ready>) -> Vec<Ended> {
        let now = self.desk.engine.clock.now();
        let back = |Ready { message, .. }| withdrawn(message, now);
        ready.into_iter().map(back).collect()
    }

    /// `None`: it stays as it is, for the next cycle to find out what became of it.
    async fn one(&mut self, Ready { message, raw }: Ready) -> (Option<Ended>, Result<(), WorkError>) {
        let clock = &self.desk.engine.clock;
        let raw = match raw {
            Ok(raw) => raw,
            // One damaged message must not hold up the others.
            Err(cause) => {
                let outcome = outgoing::damaged(&message, &cause, clock.now());
                return (Some(Ended { message, outcome, attempt: Attempt::Made }), Ok(()));
            }
        };
        // A session that the server has ended is replaced before the next message is begun.
        if !self.open.as_ref().is_some_and(|open| open.is_open()) {
            let connecting = connect(self.desk);
            match self.desk.engine.unless_stopped(limits::STOP_ANSWER_WAIT, connecting).await {
                Some(Ok(open)) => self.open = Some(open),
                Some(Err(error)) => return (Some(withdrawn(message, clock.now())), Err(error)),
                None => return (Some(withdrawn(message, clock.now())), Ok(())),
            }
        }
        let (ended, result) = self.hand_over(message, &raw).await;
        let result = result.and_then(|()| ended.as_ref().map_or(Ok(()), |ended| self.doubted(ended)));
        (ended, result)
    }

    /// A server that leaves one message after the other in doubt is not given any more of them.
    fn doubted(&self, ended: &Ended) -> Result<(), WorkError> {
        let in_a_row = self.desk.unsure_in_a_row(ended.outcome.state);
        if in_a_row < limits::OUTGOING_UNSURE_IN_A_ROW_MAX {
            return Ok(());
        }
        let detail = format!(
            "the server left {in_a_row} messages in a row without an answer to their last octet; the others wait"
        );
        Err(RemoteError::new(TestStep::Send, Cause::ConnectionLost { detail }).into())
    }

    async fn hand_over(
        &mut self,
        message: OutgoingMessage,
        raw: &Bytes,
    ) -> (Option<Ended>, Result<(), WorkError>) {
        let Desk { engine, route, settings, .. } = self.desk;
        let open = self.open.as_mut().expect("a session was opened just before");
        let recipients: Vec<Address> = outgoing::open_recipients(&message)
            .into_iter()
            .map(|recipient| recipient.address.clone())
            .collect();
        open.begins(outbox::Attempt::of(&message));
        let sending = open.send(&route.mailbox.address, &recipients, raw);
        let Some(result) = engine.unless_stopped(limits::STOP_ANSWER_WAIT, sending).await else {
            return (self.given_up(message), Ok(()));
        };
        let now = engine.clock.now();
        match result {
            Ok(submitted) => {
                let moment = (now, self.desk.is_early);
                let outcome = outgoing::settle(&message, &submitted, moment, &settings.retry);
                let bye =
                    outgoing::farewell(&submitted).map(|said| Cause::ServerBye { said: said.to_owned() });
                let result = bye.map_or(Ok(()), |cause| Err(RemoteError::new(TestStep::Send, cause).into()));
                (Some(Ended { message, outcome, attempt: Attempt::Made }), result)
            }
            Err(error) => {
                let failure = route.judge(engine, error.clone()).await;
                let paused = outgoing::paused(&message, &failure, now, &settings.retry);
                let outcome = paused
                    .filter(|_| self.desk.is_early)
                    .unwrap_or_else(|| outgoing::not_sent(&message, &failure, now, &settings.retry));
                let result = match failure.scope {
                    Scope::Message => Ok(()),
                    Scope::Mailbox | Scope::Profile => Err(error.into()),
                };
                (Some(Ended { message, outcome, attempt: Attempt::Made }), result)
            }
        }
    }

    /// The process has to stop, and the server owes an answer.
    fn given_up(&self, message: OutgoingMessage) -> Option<Ended> {
        let (desk, now) = (self.desk, self.desk.engine.clock.now());
        if !self.open.as_ref().is_none_or(|open| open.may_have_taken()) {
            return Some(withdrawn(message, now));
        }
        // A server that can be asked is asked by the next cycle.
        let outcome = (!desk.route.connector.traces_sent()).then(|| outgoing::lost(&message, now))?;
        Some(Ended { message, outcome, attempt: Attempt::Made })
    }
}

fn withdrawn(message: OutgoingMessage, now: Timestamp) -> Ended {
    Ended { outcome: outgoing::untouched(&message, now), message, attempt: Attempt::Withdrawn }
}
