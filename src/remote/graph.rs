//! A mailbox of Exchange Online as the engine sees it, by Microsoft Graph: which operations in which order.
//!
//! Reading is `messages/delta` (what changed) and `$value` (the octets, one message after another on one connection; of one that
//! the service cannot make into MIME, its properties);
//! removing is DELETE, setting aside is `move`, twenty in a batch; sending is a draft that is sent, and found again when the answer was lost.

mod attaching;
mod batches;
mod failure;
mod fetching;
mod forwarding;
mod line;
mod listing;
mod moving;
mod rebuilding;
mod sending;
mod session;
mod tracking;
mod waits;

use std::collections::BTreeSet;

use async_trait::async_trait;

use crate::model::cursor::{Cursor, Fetched, Listed, Listing, Part, RemoteId};
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::forwarding::{RuleOutcome, RuleWish};
use crate::model::limits;
use crate::model::record::{Categorised, Standing};
use crate::model::server::Destination;
use crate::net::Network;
use crate::protocol::graph::{DeleteMessage, Folder, Operation};

use super::ews::Told;
use super::forwarding as rules;
use super::kept::Kept;
use super::{Arrivals, Receive, Rested, SetAside, Submit, Trace};
use fetching::How;
use session::Session;
pub(super) use waits::Waits;

/// Connects, secures, signs in and opens the inbox: steps `resolve`, `connect`, `tls`, `authenticate`, `open`.
pub(super) async fn open(
    network: &Network,
    waits: &std::sync::Arc<Waits>,
    destination: &Destination,
    trace: &mut Trace,
) -> Result<Box<dyn Receive>, RemoteError> {
    let mut session = Session::connect(network, waits, destination, trace).await?;
    session.open(Folder::Inbox, trace).await?;
    let paths = destination.service.as_ref().map_or(&[][..], |service| &service.tracked);
    let folders = tracked(&mut session, paths, trace).await?;
    let category = destination.service.as_ref().and_then(|service| service.category.clone());
    let page = limits::GRAPH_PAGE_MESSAGES;
    Ok(Box::new(Inbox { session, folders, category, told: Told::default(), page, last: BTreeSet::new() }))
}

/// Finds the tracked folders, as a further step `open`. One that is not there holds up nobody: people rename folders.
async fn tracked(
    session: &mut Session,
    paths: &[String],
    trace: &mut Trace,
) -> Result<Vec<String>, RemoteError> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let tracked = trace.step(TestStep::Open, tracking::find(session, paths)).await?;
    trace.detail(tracked.words(paths.len()));
    Ok(tracked.folders)
}

/// The same for sending: it opens Sent Items, where the copies go.
pub(super) async fn open_outgoing(
    network: &Network,
    waits: &std::sync::Arc<Waits>,
    destination: &Destination,
    trace: &mut Trace,
) -> Result<Box<dyn Submit>, RemoteError> {
    let mut session = Session::connect(network, waits, destination, trace).await?;
    let sent = session.open(Folder::SentItems, trace).await?;
    Ok(Box::new(sending::Outgoing::new(session, sent.id)))
}

struct Inbox {
    session: Session,
    /// Ids of those that are read beside the inbox.
    folders: Vec<String>,
    /// The category by which people track a message.
    category: Option<String>,
    /// What the last listing told of messages beside their ids.
    told: Told,
    /// Messages of one page; fewer once the service took too long.
    page: u32,
    /// Those that are asked for the last time.
    last: BTreeSet<RemoteId>,
}

impl Inbox {
    /// Those that are gone already count as removed. One that the service refuses stays, and is tried again with the next
    /// reading.
    async fn delete(&mut self, messages: &[RemoteId]) -> Result<Vec<RemoteId>, Cause> {
        batches::each(&mut self.session, messages, |id, user| DeleteMessage { id }.call(user)).await
    }
}

fn item(id: &RemoteId) -> Option<&str> {
    match id {
        RemoteId::Item(id) => Some(id),
        RemoteId::Uid { .. } | RemoteId::Uidl(_) => None,
    }
}

fn exceeded(what: &str, limit: usize) -> Cause {
    Cause::LimitExceeded { what: what.to_owned(), limit: limit as u64 }
}

#[async_trait]
impl Receive for Inbox {
    async fn list(&mut self, cursor: &Cursor) -> Result<Listing, RemoteError> {
        self.changes(cursor).await.map_err(|cause| RemoteError::new(TestStep::Read, cause))
    }

    async fn keep_rule(&mut self, wish: &RuleWish) -> Result<RuleOutcome, RemoteError> {
        let kept = rules::keep(&mut self.session, wish).await;
        kept.map_err(|cause| RemoteError::new(TestStep::ForwardRule, cause))
    }

    async fn look_for_rule(&mut self, wish: &RuleWish) -> Result<RuleOutcome, RemoteError> {
        let found = rules::look(&mut self.session, wish).await;
        found.map_err(|cause| RemoteError::new(TestStep::ForwardRule, cause))
    }

    fn standing(&self, message: &RemoteId) -> Standing {
        self.told.standings.get(message).copied().unwrap_or_default()
    }

    fn categorised(&self) -> Vec<Categorised> {
        self.told.categorised.clone()
    }

    fn tries_last(&mut self, messages: BTreeSet<RemoteId>) {
        self.last = messages;
    }

    async fn fetch(&mut self, messages: &[Listed], part: Part) -> Result<Vec<Fetched>, RemoteError> {
        let mut kept = Kept::default();
        let fetched =
            fetching::fetch(&mut self.session, messages, How { part, last: &self.last }, &mut kept).await;
        fetched.map_err(|cause| RemoteError::new(TestStep::Read, cause))?;
        Ok(kept.into_fetched())
    }

    async fn fetch_each(
        &mut self,
        messages: &[Listed],
        arrivals: &mut dyn Arrivals,
    ) -> Result<(), RemoteError> {
        let how = How { part: Part::Whole, last: &self.last };
        let fetched = fetching::fetch(&mut self.session, messages, how, arrivals).await;
        fetched.map_err(|cause| RemoteError::new(TestStep::Read, cause))
    }

    async fn set_aside(
        &mut self,
        messages: &[RemoteId],
        known: Option<&str>,
    ) -> Result<Option<SetAside>, RemoteError> {
        let moved = moving::set_aside(&mut self.session, messages, known).await;
        moved.map(Some).map_err(|cause| RemoteError::new(TestStep::Delete, cause))
    }

    async fn delete_and_close(
        mut self: Box<Self>,
        messages: &[RemoteId],
    ) -> Result<Vec<RemoteId>, RemoteError> {
        self.delete(messages).await.map_err(|cause| RemoteError::new(TestStep::Delete, cause))
    }

    async fn delete_and_rest(mut self: Box<Self>, messages: &[RemoteId]) -> Result<Rested, RemoteError> {
        let removed = self.delete(messages).await;
        let removed = removed.map_err(|cause| RemoteError::new(TestStep::Delete, cause))?;
        self.session.rest();
        Ok(Rested { removed, session: Some(self) })
    }
}
