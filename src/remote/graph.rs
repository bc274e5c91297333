//! A mailbox of Exchange Online as the engine sees it, by Microsoft Graph: which operations in which order.
//!
//! Reading is `messages/delta` (what changed) and `$value` (the octets, one message after another on one connection);
//! removing is DELETE, twenty in a batch; sending is a draft that is sent, and found again when the answer was lost.

mod attaching;
mod fetching;
mod line;
mod sending;
mod session;
mod waits;

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::model::cursor::{Content, Cursor, Fetched, Listed, Listing, Part, RemoteId, Shown, SyncState};
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::limits;
use crate::model::server::Destination;
use crate::net::Network;
use crate::protocol::graph::{
    Batch, Change, DeleteMessage, Folder, Link, MessagesDelta, Next, Operation, Page, Position, Refusal,
};

use super::{Arrivals, Receive, Rested, Submit, Trace};
use fetching::Kept;
use session::{GraphFailure, Session};
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
    Ok(Box::new(Inbox { session, page: limits::GRAPH_PAGE_MESSAGES }))
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
    /// Messages of one page; fewer once the service took too long.
    page: u32,
}

/// What a listing found so far: of each message what was said of it last.
#[derive(Default)]
struct Changes(BTreeMap<String, State>);

enum State {
    Present(Option<Timestamp>),
    Gone,
}

impl Changes {
    fn take(&mut self, change: Change) {
        match change {
            Change::Present { id, received } => drop(self.0.insert(id, State::Present(received))),
            // Deleted or moved: in either case it is not in the inbox, and its record stays as it is.
            Change::Gone { id, removal: _ } => drop(self.0.insert(id, State::Gone)),
        }
    }

    /// Oldest first.
    fn into_messages(self) -> (Vec<Listed>, Vec<String>) {
        let (mut present, mut gone) = (Vec::new(), Vec::new());
        for (id, state) in self.0 {
            match state {
                State::Present(received) => {
                    present.push(Listed { id: RemoteId::Item(id), size: None, received });
                }
                State::Gone => gone.push(id),
            }
        }
        present.sort_by_key(|message| message.received);
        (present, gone)
    }
}

impl Inbox {
    /// All changes since a link, page by page. When the service has forgotten what the link stands for, everything is listed
    /// again: ids do not change, so nothing is taken for new that was recorded.
    async fn changes(&mut self, cursor: &Cursor) -> Result<Listing, Cause> {
        let (mut position, mut shown) = self.position(cursor);
        let mut changes = Changes::default();
        for _ in 0..limits::GRAPH_PAGES_MAX {
            let page = match self.page_at(&position).await {
                Ok(page) => page,
                Err(GraphFailure::Refused(refusal)) if self.may_shrink(&refusal) => {
                    self.page = (self.page / 2).max(limits::GRAPH_PAGE_MESSAGES_MIN);
                    continue;
                }
                Err(GraphFailure::Refused(refusal))
                    if is_forgotten(&refusal) && position != Position::Start =>
                {
                    let again = if shown == Shown::Everything { shown } else { Shown::Again };
                    (position, shown, changes) = (Position::Start, again, Changes::default());
                    continue;
                }
                Err(failure) => return Err(failure.cause()),
            };
            let is_stuck =
                matches!((&page.next, &position), (Next::Page(next), Position::After(here)) if next == here);
            page.changes.into_iter().for_each(|change| changes.take(change));
            if changes.0.len() > limits::LISTING_MESSAGES_MAX {
                return Err(exceeded("the number of messages in a listing", limits::LISTING_MESSAGES_MAX));
            }
            match page.next {
                Next::Round(link) => return Ok(listing(changes, &link, shown)),
                Next::Page(_) if is_stuck => {
                    let detail =
                        "it says that there are more changes, and leads back to the same page".to_owned();
                    return Err(Cause::Garbage { detail });
                }
                Next::Page(link) => position = Position::After(link),
            }
        }
        Err(exceeded("the number of pages in a listing", limits::GRAPH_PAGES_MAX))
    }

    /// A kept link that leads elsewhere is none.
    fn position(&self, cursor: &Cursor) -> (Position, Shown) {
        let link = match cursor {
            Cursor::Exchange { state: SyncState(Some(link)), .. } => link,
            Cursor::Exchange { state: SyncState(None), .. }
            | Cursor::Start
            | Cursor::Imap { .. }
            | Cursor::Pop3 { .. } => return (Position::Start, Shown::Everything),
        };
        match Link::parse(link, self.session.host()) {
            Ok(link) => (Position::After(link), Shown::Changes),
            Err(_) => (Position::Start, Shown::Again),
        }
    }

    async fn page_at(&mut self, position: &Position) -> Result<Page, GraphFailure> {
        let host = self.session.host().to_owned();
        let operation =
            MessagesDelta { host: &host, folder: Folder::Inbox, position: position.clone(), page: self.page };
        self.session.call(&operation).await
    }

    fn may_shrink(&self, refusal: &Refusal) -> bool {
        refusal.took_too_long() && self.page > limits::GRAPH_PAGE_MESSAGES_MIN
    }

    /// Those that are gone already count as removed. One that the service refuses stays, and is tried again with the next
    /// reading.
    async fn delete(&mut self, messages: &[RemoteId]) -> Result<Vec<RemoteId>, Cause> {
        let mut removed = Vec::new();
        let named: Vec<(&RemoteId, &str)> = messages.iter().filter_map(|id| Some((id, item(id)?))).collect();
        for some in named.chunks(limits::GRAPH_BATCH_PARTS) {
            let mut due = some.to_vec();
            for attempt in 1.. {
                let busy = self.delete_some(&mut due, &mut removed).await?;
                let Some(busy) = busy else { break };
                match busy.retry_after {
                    Some(wait) if wait <= limits::GRAPH_WAIT_MAX && attempt < limits::GRAPH_PART_ATTEMPTS => {
                        tokio::time::sleep(wait).await;
                    }
                    Some(_) | None => return Err(self.session.throttled(busy)),
                }
            }
        }
        Ok(removed)
    }

    /// One batch. What is left in `due` is to be asked again; the refusal says when.
    async fn delete_some<'i>(
        &mut self,
        due: &mut Vec<(&'i RemoteId, &'i str)>,
        removed: &mut Vec<RemoteId>,
    ) -> Result<Option<Refusal>, Cause> {
        let user = self.session.user().clone();
        let parts = due.iter().map(|(_, id)| DeleteMessage { id }.call(&user)).collect();
        let answers = self.session.call(&Batch { parts }).await.map_err(GraphFailure::cause)?;
        let (mut waits, mut longest) = (Vec::new(), None::<Refusal>);
        for (message, answer) in due.drain(..).zip(answers) {
            match answer {
                Some(Ok(_)) => removed.push(message.0.clone()),
                Some(Err(refusal)) if refusal.is_missing() => removed.push(message.0.clone()),
                Some(Err(refusal)) if refusal.is_throttled() => {
                    waits.push(message);
                    if longest.as_ref().is_none_or(|other| other.retry_after < refusal.retry_after) {
                        longest = Some(refusal);
                    }
                }
                Some(Err(_)) | None => {}
            }
        }
        *due = waits;
        Ok(longest)
    }
}

fn is_forgotten(refusal: &Refusal) -> bool {
    refusal.has_forgotten() || refusal.status == 410
}

fn listing(changes: Changes, link: &Link, shown: Shown) -> Listing {
    let (messages, gone) = changes.into_messages();
    Listing::Exchange { messages, gone, state: link.as_str().to_owned(), shown }
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

    async fn fetch(&mut self, messages: &[Listed], part: Part) -> Result<Vec<Fetched>, RemoteError> {
        let mut kept = Kept::default();
        let fetched = fetching::fetch(&mut self.session, messages, part, &mut kept).await;
        fetched.map_err(|cause| RemoteError::new(TestStep::Read, cause))?;
        // What is too large to be held is asked for with `fetch_each`.
        for fetched in &mut kept.0 {
            if let Content::Streamed(size) = fetched.content {
                fetched.content = Content::TooLarge(size);
            }
        }
        Ok(kept.0)
    }

    async fn fetch_each(
        &mut self,
        messages: &[Listed],
        arrivals: &mut dyn Arrivals,
    ) -> Result<(), RemoteError> {
        let fetched = fetching::fetch(&mut self.session, messages, Part::Whole, arrivals).await;
        fetched.map_err(|cause| RemoteError::new(TestStep::Read, cause))
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
