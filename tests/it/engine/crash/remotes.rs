//! Servers whose every call is a moment to die at; calls that change something outside are two: before and after.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use mailplumb::model::claim::{Claimed, Wish};
use mailplumb::model::cursor::{Cursor, Fetched, Listed, Listing, Part, RemoteId};
use mailplumb::model::failure::{Cause, RemoteError};
use mailplumb::model::forwarding::{RuleOutcome, RuleWish};
use mailplumb::model::name::Address;
use mailplumb::model::outbox::Submitted;
use mailplumb::model::profile::ServerKind;
use mailplumb::model::record::{Categorised, Standing};
use mailplumb::model::server::Destination;
use mailplumb::remote::{Arrivals, Connector, Receive, Remotes, SetAside, Submit, Trace};

use super::points::Points;

pub struct CrashingRemotes {
    pub real: Arc<dyn Remotes>,
    pub points: Arc<Points>,
}

impl Remotes for CrashingRemotes {
    fn connector(&self, kind: ServerKind) -> Option<Arc<dyn Connector>> {
        let real = self.real.connector(kind)?;
        Some(Arc::new(CrashingConnector { real, points: Arc::clone(&self.points) }))
    }
}

struct CrashingConnector {
    real: Arc<dyn Connector>,
    points: Arc<Points>,
}

#[async_trait]
impl Connector for CrashingConnector {
    async fn receive(
        &self,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Box<dyn Receive>, RemoteError> {
        self.points.reach("Connector::receive");
        let real = self.real.receive(destination, trace).await?;
        Ok(Box::new(CrashingReceive { real, points: Arc::clone(&self.points) }))
    }

    async fn submit(
        &self,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Box<dyn Submit>, RemoteError> {
        self.points.reach("Connector::submit");
        let real = self.real.submit(destination, trace).await?;
        Ok(Box::new(CrashingSubmit { real, points: Arc::clone(&self.points) }))
    }
}

struct CrashingReceive {
    real: Box<dyn Receive>,
    points: Arc<Points>,
}

#[async_trait]
impl Receive for CrashingReceive {
    fn wants_from(&mut self, from: Option<jiff::Timestamp>) {
        self.real.wants_from(from);
    }

    fn can_claim(&self) -> bool {
        self.real.can_claim()
    }

    async fn claim(&mut self, wish: &Wish) -> Result<Claimed, RemoteError> {
        self.real.claim(wish).await
    }

    async fn keep_rule(&mut self, wish: &RuleWish) -> Result<RuleOutcome, RemoteError> {
        self.points.reach("Receive::keep_rule");
        self.real.keep_rule(wish).await
    }

    async fn look_for_rule(&mut self, wish: &RuleWish) -> Result<RuleOutcome, RemoteError> {
        self.real.look_for_rule(wish).await
    }

    async fn list(&mut self, cursor: &Cursor) -> Result<Listing, RemoteError> {
        self.points.reach("Receive::list");
        self.real.list(cursor).await
    }

    fn tries_last(&mut self, messages: std::collections::BTreeSet<RemoteId>) {
        self.real.tries_last(messages);
    }

    fn standing(&self, message: &RemoteId) -> Standing {
        self.real.standing(message)
    }

    fn categorised(&self) -> Vec<Categorised> {
        self.real.categorised()
    }

    fn holds(&self) -> u64 {
        self.real.holds()
    }

    async fn fetch(&mut self, messages: &[Listed], part: Part) -> Result<Vec<Fetched>, RemoteError> {
        self.points.reach("Receive::fetch");
        self.real.fetch(messages, part).await
    }

    async fn fetch_each(
        &mut self,
        messages: &[Listed],
        arrivals: &mut dyn Arrivals,
    ) -> Result<(), RemoteError> {
        self.points.reach("Receive::fetch_each");
        let mut crashing = CrashingArrivals { real: arrivals, points: Arc::clone(&self.points), messages: 0 };
        self.real.fetch_each(messages, &mut crashing).await
    }

    async fn set_aside(
        &mut self,
        messages: &[RemoteId],
        known: Option<&str>,
    ) -> Result<Option<SetAside>, RemoteError> {
        self.real.set_aside(messages, known).await
    }

    async fn delete_and_close(self: Box<Self>, messages: &[RemoteId]) -> Result<Vec<RemoteId>, RemoteError> {
        self.points.reach("Receive::delete_and_close");
        let answer = self.real.delete_and_close(messages).await;
        self.points.reach(DELETED);
        answer
    }
}

/// A process that is to die at each of hundreds of messages would die for hours.
const MESSAGES_PER_POINT: usize = 24;

/// Dies before each piece and before some messages.
struct CrashingArrivals<'a> {
    real: &'a mut dyn Arrivals,
    points: Arc<Points>,
    messages: usize,
}

#[async_trait]
impl Arrivals for CrashingArrivals<'_> {
    async fn piece(&mut self, octets: Bytes) -> Result<(), Cause> {
        self.points.reach("Arrivals::piece");
        self.real.piece(octets).await
    }

    async fn message(&mut self, fetched: Fetched) -> Result<(), Cause> {
        if self.messages.is_multiple_of(MESSAGES_PER_POINT) {
            self.points.reach("Arrivals::message");
        }
        self.messages += 1;
        self.real.message(fetched).await
    }
}

struct CrashingSubmit {
    real: Box<dyn Submit>,
    points: Arc<Points>,
}

pub const DELETED: &str = "Receive::delete_and_close, done";
pub const SEND: &str = "Submit::send";
pub const SENT: &str = "Submit::send, done";

#[async_trait]
impl Submit for CrashingSubmit {
    fn begins(&mut self, attempt: mailplumb::model::outbox::Attempt) {
        self.real.begins(attempt);
    }

    async fn send(
        &mut self,
        from: &Address,
        recipients: &[Address],
        raw: &[u8],
    ) -> Result<Submitted, RemoteError> {
        self.points.reach(SEND);
        let answer = self.real.send(from, recipients, raw).await;
        self.points.reach(SENT);
        answer
    }

    fn is_open(&self) -> bool {
        self.real.is_open()
    }

    async fn close(self: Box<Self>) {
        self.points.reach("Submit::close");
        self.real.close().await;
    }
}
