//! A mailbox of Exchange as the engine sees it: which operations in which order.
//!
//! Reading is SyncFolderItems (what changed) and GetItem (the octets); removing is DeleteItem; sending is CreateItem with a
//! copy in Sent Items, which is found again by a marker when the answer was lost.

mod fetching;
mod sending;
mod session;

use std::collections::BTreeSet;

use async_trait::async_trait;

use crate::model::cursor::{Content, Cursor, Fetched, Listed, Listing, Part, RemoteId, Shown, SyncState};
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::limits;
use crate::model::server::Destination;
use crate::net::Network;
use crate::protocol::ews::{DeleteItem, Disposal, ItemChange, ItemId, SyncFolderItems, WellKnown};

use super::{Arrivals, Receive, Rested, Submit, Trace};
pub(super) use sending::{blind_recipients, headers};
use session::Session;

/// Connects, secures, logs in and opens the inbox: steps `resolve`, `connect`, `tls`, `authenticate`, `open`.
pub async fn open(
    network: &Network,
    destination: &Destination,
    trace: &mut Trace,
) -> Result<Box<dyn Receive>, RemoteError> {
    let mut session = Session::connect(network, destination, trace).await?;
    session.open(WellKnown::Inbox, trace).await?;
    Ok(Box::new(Inbox { session }))
}

/// The same for sending: it opens Sent Items, where the copies go.
pub async fn open_outgoing(
    network: &Network,
    destination: &Destination,
    trace: &mut Trace,
) -> Result<Box<dyn Submit>, RemoteError> {
    let mut session = Session::connect(network, destination, trace).await?;
    session.open(WellKnown::SentItems, trace).await?;
    Ok(Box::new(sending::Outgoing::new(session)))
}

struct Inbox {
    session: Session,
}

/// What a listing found so far.
#[derive(Default)]
struct Changes {
    created: Vec<Listed>,
    gone: BTreeSet<String>,
}

impl Changes {
    fn take(&mut self, change: ItemChange) {
        match change {
            ItemChange::Created(item)
                if item.is_mail() && item.id.id.len() <= limits::EWS_ITEM_ID_BYTES_MAX =>
            {
                let id = RemoteId::Item(item.id.id);
                self.created.push(Listed { id, size: item.size, received: item.received });
            }
            ItemChange::Deleted(id) => drop(self.gone.insert(id.id)),
            ItemChange::Created(_) | ItemChange::Updated(_) | ItemChange::Read { .. } => {}
        }
    }

    /// Oldest first; each once, and none that went again meanwhile.
    fn into_messages(self) -> (Vec<Listed>, Vec<String>) {
        let Self { mut created, gone } = self;
        let mut known = BTreeSet::new();
        created.retain(|message| {
            let is_gone = matches!(&message.id, RemoteId::Item(id) if gone.contains(id));
            !is_gone && known.insert(message.id.clone())
        });
        created.sort_by_key(|message| message.received);
        (created, gone.into_iter().collect())
    }
}

impl Inbox {
    /// All changes since a state, page by page.
    async fn changes(&mut self, cursor: &Cursor) -> Result<Listing, Cause> {
        let mut state = match cursor {
            Cursor::Exchange { state: SyncState(state), .. } => state.clone(),
            Cursor::Start | Cursor::Imap { .. } | Cursor::Pop3 { .. } => None,
        };
        let mut shown = if state.is_some() { Shown::Changes } else { Shown::Everything };
        let mut changes = Changes::default();
        loop {
            let folder = self.session.folder(WellKnown::Inbox);
            let operation =
                SyncFolderItems { folder, state: state.clone(), changes_max: limits::EWS_CHANGES_MAX };
            let page = match self.session.call(&operation).await {
                Err(failure) if shown == Shown::Changes && failure.is("ErrorInvalidSyncStateData") => {
                    (state, shown, changes) = (None, Shown::Again, Changes::default());
                    continue;
                }
                other => other.map_err(session::EwsFailure::cause)?,
            };
            if page.state.len() > limits::EWS_SYNC_STATE_BYTES_MAX {
                return Err(exceeded("a sync state", limits::EWS_SYNC_STATE_BYTES_MAX));
            }
            let is_stuck = page.changes.is_empty() && state.as_ref() == Some(&page.state);
            state = Some(page.state);
            page.changes.into_iter().for_each(|change| changes.take(change));
            if changes.created.len().max(changes.gone.len()) > limits::LISTING_MESSAGES_MAX {
                return Err(exceeded("the number of messages in a listing", limits::LISTING_MESSAGES_MAX));
            }
            match (page.is_last, is_stuck) {
                (true, _) => break,
                (false, true) => {
                    let detail = "it says that there are more changes, and does not tell them".to_owned();
                    return Err(Cause::Garbage { detail });
                }
                (false, false) => {}
            }
        }
        let (messages, gone) = changes.into_messages();
        Ok(Listing::Exchange { messages, gone, state: state.unwrap_or_default(), shown })
    }

    /// Those that are gone already count as removed.
    async fn delete(&mut self, messages: &[RemoteId]) -> Result<Vec<RemoteId>, Cause> {
        let mut removed = Vec::new();
        let named: Vec<&RemoteId> = messages.iter().filter(|id| matches!(id, RemoteId::Item(_))).collect();
        for some in named.chunks(limits::EWS_GET_MESSAGES) {
            let ids = some.iter().filter_map(|id| item_id(id)).collect();
            let operation = DeleteItem { ids, disposal: Disposal::SoftDelete };
            let results = self.session.call(&operation).await.map_err(session::EwsFailure::cause)?;
            for (id, result) in some.iter().zip(results) {
                match result {
                    Ok(()) => removed.push(RemoteId::clone(id)),
                    Err(refusal) if refusal.code == "ErrorItemNotFound" => removed.push(RemoteId::clone(id)),
                    Err(refusal) if refusal.is_server_busy() => return Err(refusal.cause()),
                    // It stays, and is tried again with the next reading.
                    Err(_) => {}
                }
            }
        }
        Ok(removed)
    }
}

fn item_id(id: &RemoteId) -> Option<ItemId> {
    match id {
        RemoteId::Item(id) => Some(ItemId::new(id.clone())),
        RemoteId::Uid { .. } | RemoteId::Uidl(_) => None,
    }
}

fn exceeded(what: &str, limit: usize) -> Cause {
    Cause::LimitExceeded { what: what.to_owned(), limit: limit as u64 }
}

/// Keeps what is handed over.
#[derive(Default)]
struct Kept(Vec<Fetched>);

#[async_trait]
impl Arrivals for Kept {
    async fn piece(&mut self, _: bytes::Bytes) -> Result<(), Cause> {
        Ok(())
    }

    async fn message(&mut self, fetched: Fetched) -> Result<(), Cause> {
        self.0.push(fetched);
        Ok(())
    }
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
