//! What changed in a mailbox since it was read: in the inbox, in the tracked folders and in Sent Items.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::cursor::{Cursor, Listed, Listing, RemoteId, Shown, SyncState};
use crate::model::failure::Cause;
use crate::model::limits;
use crate::model::record::{Categorised, CategoryChange, Direction, Standing, TrackedBy};
use crate::model::server::{Destination, SentItems};
use crate::protocol::ews::{FolderRef, Further, Item, ItemChange, SyncFolderItems, WellKnown};

use super::session::EwsFailure;
use super::tracking::States;
use super::{Inbox, exceeded};

/// What is read of a mailbox, and by what a message is tracked.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    category: Option<String>,
    sent_items: SentItems,
}

impl Scope {
    pub fn of(destination: &Destination) -> Self {
        let service = destination.service.as_ref();
        Self {
            category: service.and_then(|service| service.category.clone()),
            sent_items: service.map_or(SentItems::Ignored, |service| service.sent_items),
        }
    }

    /// What is asked about each item.
    pub fn further(&self) -> &'static [Further] {
        match (&self.category, self.sent_items) {
            (None, SentItems::Ignored) => &[],
            (Some(_), SentItems::Ignored) => &[Further::Categories],
            (None, SentItems::Recorded) => &[Further::Marker],
            (Some(_), SentItems::Recorded) => &[Further::Categories, Further::Marker],
        }
    }

    /// Outlook does not tell upper from lower case in the names of categories.
    fn is_categorised(&self, item: &Item) -> bool {
        self.category.as_deref().is_some_and(|category| is_category(&item.categories, category))
    }
}

pub(in crate::remote) fn is_category(names: &[String], category: &str) -> bool {
    let category = category.to_lowercase();
    names.iter().any(|name| name.trim().to_lowercase() == category)
}

/// Which folder a change was told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::remote) enum Place {
    Inbox,
    Tracked,
    Sent,
}

impl Place {
    /// How a message stands that lies there. `by_category`: it bears the tracking category.
    pub fn standing(self, by_category: Option<TrackedBy>) -> Standing {
        match self {
            Self::Inbox => Standing { direction: Direction::Incoming, tracked: by_category },
            Self::Tracked => {
                Standing { direction: Direction::Incoming, tracked: by_category.or(Some(TrackedBy::Folder)) }
            }
            Self::Sent => Standing { direction: Direction::Outgoing, tracked: by_category },
        }
    }
}

/// What a listing told of messages beside their ids.
#[derive(Default)]
pub(in crate::remote) struct Told {
    /// Of those that stand out.
    pub standings: BTreeMap<RemoteId, Standing>,
    pub categorised: Vec<Categorised>,
}

/// What a listing found so far.
#[derive(Default)]
struct Changes {
    created: Vec<Listed>,
    gone: BTreeSet<String>,
    told: Told,
}

impl Changes {
    fn take(&mut self, change: ItemChange, place: Place, scope: &Scope) {
        match change {
            ItemChange::Created(item) if is_wanted(&item, place) => self.list(item, place, scope),
            ItemChange::Updated(item) if scope.category.is_some() && is_wanted(&item, place) => {
                let is_given = scope.is_categorised(&item);
                let change = if is_given { CategoryChange::Given } else { CategoryChange::Absent };
                self.told.categorised.push(Categorised { id: RemoteId::Item(item.id.id.clone()), change });
                if is_given {
                    self.list(item, place, scope);
                }
            }
            ItemChange::Deleted(id) => drop(self.gone.insert(id.id)),
            ItemChange::Created(_) | ItemChange::Updated(_) | ItemChange::Read { .. } => {}
        }
    }

    fn list(&mut self, item: Item, place: Place, scope: &Scope) {
        let standing = place.standing(scope.is_categorised(&item).then_some(TrackedBy::Category));
        let id = RemoteId::Item(item.id.id);
        if standing != Standing::default() {
            self.told.standings.insert(id.clone(), standing);
        }
        self.created.push(Listed { id, size: item.size, received: item.received });
    }

    fn is_too_long(&self) -> bool {
        let most = self.created.len().max(self.gone.len()).max(self.told.categorised.len());
        most > limits::LISTING_MESSAGES_MAX
    }

    /// Oldest first; each once, and none that went again meanwhile.
    fn into_messages(self) -> (Vec<Listed>, Vec<String>) {
        let Self { mut created, gone, told: _ } = self;
        let mut known = BTreeSet::new();
        created.retain(|message| {
            let is_gone = matches!(&message.id, RemoteId::Item(id) if gone.contains(id));
            !is_gone && known.insert(message.id.clone())
        });
        created.sort_by_key(|message| message.received);
        (created, gone.into_iter().collect())
    }
}

/// What was sent through us has its place in the outbox.
fn is_wanted(item: &Item, place: Place) -> bool {
    let is_ours = place == Place::Sent && item.marker.is_some();
    item.is_mail() && !is_ours && item.id.id.len() <= limits::EWS_ITEM_ID_BYTES_MAX
}

fn is_gone(failure: &EwsFailure) -> bool {
    failure.is("ErrorFolderNotFound")
        || failure.is("ErrorSyncFolderNotFound")
        || failure.is("ErrorItemNotFound")
}

impl Inbox {
    /// All changes since a state. When the server does not know one of the states any more, everything is read again.
    pub(super) async fn changes(&mut self, cursor: &Cursor) -> Result<Listing, Cause> {
        let known = match cursor {
            Cursor::Exchange { state: SyncState(Some(state)), .. } => States::parse(state),
            Cursor::Exchange { state: SyncState(None), .. }
            | Cursor::Start
            | Cursor::Imap { .. }
            | Cursor::Pop3 { .. } => States::default(),
        };
        let mut shown = if known.inbox.is_some() { Shown::Changes } else { Shown::Everything };
        let changed = match self.of_all(&known).await {
            Err(failure) if shown == Shown::Changes && failure.is("ErrorInvalidSyncStateData") => {
                shown = Shown::Again;
                self.of_all(&States::default()).await
            }
            other => other,
        };
        let (mut changes, states) = changed.map_err(EwsFailure::cause)?;
        self.told = std::mem::take(&mut changes.told);
        self.read.clone_from(&states.inbox);
        let (messages, gone) = changes.into_messages();
        Ok(Listing::Exchange { messages, gone, state: states.render()?, shown })
    }

    async fn of_all(&mut self, known: &States) -> Result<(Changes, States), EwsFailure> {
        let mut changes = Changes::default();
        let mut states = States::default();
        let inbox = self.session.folder(WellKnown::Inbox);
        let state = self.of_folder((inbox, Place::Inbox), known.inbox.clone(), &mut changes).await?;
        states.inbox = Some(state);
        for folder in self.folders.clone() {
            let state = known.folders.get(&folder.0).cloned();
            let named = (FolderRef::Id(folder.clone()), Place::Tracked);
            match self.of_folder(named, state, &mut changes).await {
                Ok(state) => drop(states.folders.insert(folder.0, state)),
                // Its owner has deleted it: the next session looks for another one of that name.
                Err(failure) if is_gone(&failure) => {}
                Err(failure) => return Err(failure),
            }
        }
        match self.scope.sent_items {
            SentItems::Ignored => {}
            SentItems::Recorded => {
                let sent = (self.session.folder(WellKnown::SentItems), Place::Sent);
                states.sent = Some(self.of_folder(sent, known.sent.clone(), &mut changes).await?);
            }
        }
        Ok((changes, states))
    }

    /// The changes of one folder, page by page. Returns the state behind them.
    async fn of_folder(
        &mut self,
        (folder, place): (FolderRef, Place),
        mut state: Option<String>,
        changes: &mut Changes,
    ) -> Result<String, EwsFailure> {
        let mut empty = 0;
        for _ in 0..limits::EWS_PAGES_MAX {
            let operation = SyncFolderItems {
                folder: folder.clone(),
                state: state.clone(),
                changes_max: limits::EWS_CHANGES_MAX,
                further: self.scope.further(),
            };
            let page = self.session.call(&operation).await?;
            if page.state.len() > limits::EWS_SYNC_STATE_BYTES_MAX {
                return Err(exceeded("a sync state", limits::EWS_SYNC_STATE_BYTES_MAX).into());
            }
            empty = if page.changes.is_empty() { empty + 1 } else { 0 };
            let is_stuck =
                empty > 0 && state.as_ref() == Some(&page.state) || empty > limits::EWS_EMPTY_PAGES_MAX;
            page.changes.into_iter().for_each(|change| changes.take(change, place, &self.scope));
            if changes.is_too_long() {
                let what = "the number of messages in a listing";
                return Err(exceeded(what, limits::LISTING_MESSAGES_MAX).into());
            }
            match (page.is_last, is_stuck) {
                (true, _) => return Ok(page.state),
                (false, true) => {
                    let detail = "it says that there are more changes, and does not tell them".to_owned();
                    return Err(Cause::Garbage { detail }.into());
                }
                (false, false) => state = Some(page.state),
            }
        }
        Err(exceeded("the number of pages in a listing", limits::EWS_PAGES_MAX).into())
    }
}
