//! What changed in a mailbox since it was read: in the inbox and in the tracked folders.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;

use super::session::GraphFailure;
use super::{Inbox, exceeded};
use crate::model::cursor::{Cursor, Listed, Listing, RemoteId, Shown, SyncState};
use crate::model::failure::Cause;
use crate::model::limits;
use crate::model::record::{Categorised, CategoryChange, Standing, TrackedBy};
use crate::protocol::graph::{About, Change, Folder, Link, MessagesDelta, Next, Page, Position, Refusal};
use crate::remote::ews::{Place, States, Told, is_category};

/// What a listing found so far: of each message what was said of it last.
#[derive(Default)]
struct Changes(BTreeMap<String, State>);

enum State {
    Present(Present),
    Gone,
}

/// A message that is there.
struct Present {
    received: Option<Timestamp>,
    place: Place,
    by_category: Option<TrackedBy>,
}

impl Changes {
    fn take(&mut self, change: Change, place: Place, category: Option<&str>) {
        match change {
            Change::Present { id, received, categories } => {
                let is_categorised = category.is_some_and(|category| is_category(&categories, category));
                let by_category = is_categorised.then_some(TrackedBy::Category);
                self.0.insert(id, State::Present(Present { received, place, by_category }));
            }
            // Deleted or moved: in either case it is not in the folder, and its record stays as it is.
            Change::Gone { id, removal: _ } => drop(self.0.insert(id, State::Gone)),
        }
    }

    /// Adds what changed in another folder. Ids stay with a move, which is told by both folders: it is where it is.
    fn add(&mut self, other: Self) {
        for (id, state) in other.0 {
            match (self.0.get(&id), &state) {
                (Some(State::Present(_)), State::Gone) => {}
                (Some(_) | None, State::Gone | State::Present(_)) => drop(self.0.insert(id, state)),
            }
        }
    }

    /// Oldest first.
    fn into_messages(self) -> (Vec<Listed>, Vec<String>) {
        let (mut present, mut gone) = (Vec::new(), Vec::new());
        for (id, state) in self.0 {
            match state {
                State::Present(Present { received, .. }) => {
                    present.push(Listed { id: RemoteId::Item(id), size: None, received });
                }
                State::Gone => gone.push(id),
            }
        }
        present.sort_by_key(|message| message.received);
        (present, gone)
    }

    /// What is told of messages beside their ids.
    fn told(&self, of_category: OfCategory) -> Told {
        let mut told = Told::default();
        for (id, state) in &self.0 {
            let State::Present(Present { place, by_category, .. }) = state else { continue };
            let (id, standing) = (RemoteId::Item(id.clone()), place.standing(*by_category));
            match of_category {
                OfCategory::Nothing => {}
                OfCategory::Changes => {
                    let change = by_category.map_or(CategoryChange::Absent, |_| CategoryChange::Given);
                    told.categorised.push(Categorised { id: id.clone(), change });
                }
            }
            if standing != Standing::default() {
                told.standings.insert(id, standing);
            }
        }
        told
    }
}

/// Whether what is said of categories is news about messages that were listed before.
#[derive(Clone, Copy)]
enum OfCategory {
    Nothing,
    Changes,
}

impl Inbox {
    /// All changes since what the cursor holds. When the service has forgotten what one of the links stands for, everything is
    /// listed again: ids do not change, so nothing is taken for new that was recorded.
    pub(super) async fn changes(&mut self, cursor: &Cursor) -> Result<Listing, Cause> {
        let known = match cursor {
            Cursor::Exchange { state: SyncState(Some(state)), .. } => States::parse(state),
            Cursor::Exchange { state: SyncState(None), .. }
            | Cursor::Start
            | Cursor::Imap { .. }
            | Cursor::Pop3 { .. } => States::default(),
        };
        let of_category = match (&self.category, &known.inbox) {
            (Some(_), Some(_)) => OfCategory::Changes,
            (None, _) | (Some(_), None) => OfCategory::Nothing,
        };
        // A round that did not begin with categories never tells of them.
        let known = if known.categories == self.about_categories() { known } else { States::default() };
        let mut shown = if known.inbox.is_some() { Shown::Changes } else { Shown::Everything };
        let mut changed = self.of_all(&known).await;
        for _ in 0..limits::GRAPH_BEGINNINGS_MAX {
            match &changed {
                Err(GraphFailure::Refused(refusal)) if is_forgotten(refusal) => {}
                Ok(_) | Err(_) => break,
            }
            shown = if shown == Shown::Everything { shown } else { Shown::Again };
            changed = self.of_all(&States::default()).await;
        }
        let (changes, states) = changed.map_err(GraphFailure::cause)?;
        self.told = changes.told(of_category);
        let (messages, gone) = changes.into_messages();
        Ok(Listing::Exchange { messages, gone, state: states.render()?, shown })
    }

    async fn of_all(&mut self, known: &States) -> Result<(Changes, States), GraphFailure> {
        let mut states = States { categories: self.about_categories(), ..States::default() };
        let inbox = (Folder::Inbox, Place::Inbox);
        let (mut changes, link) = self.of_folder(inbox, known.inbox.as_deref()).await?;
        states.inbox = Some(link);
        for id in self.folders.clone() {
            let known = known.folders.get(&id).map(String::as_str);
            match self.of_folder((Folder::Id(id.clone()), Place::Tracked), known).await {
                Ok((other, link)) => {
                    changes.add(other);
                    states.folders.insert(id, link);
                }
                // Its owner has deleted it: the next session looks for another one of that name.
                Err(GraphFailure::Refused(refusal)) if refusal.is_missing() && !is_forgotten(&refusal) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok((changes, states))
    }

    /// The changes of one folder, page by page, and the link behind them. A kept link that leads elsewhere is forgotten.
    async fn of_folder(
        &mut self,
        (folder, place): (Folder, Place),
        known: Option<&str>,
    ) -> Result<(Changes, String), GraphFailure> {
        let mut position = match known.map(|link| Link::parse(link, self.session.host())) {
            None => Position::Start,
            Some(Ok(link)) => Position::After(link),
            Some(Err(_)) => return Err(GraphFailure::Refused(Refusal::forgotten())),
        };
        let mut changes = Changes::default();
        let mut empty = 0;
        let mut followed = BTreeSet::new();
        for _ in 0..limits::GRAPH_PAGES_MAX {
            let page = match self.page_at(&folder, &position).await {
                Err(GraphFailure::Refused(refusal)) if self.may_shrink(&refusal) => {
                    self.page = (self.page / 2).max(limits::GRAPH_PAGE_MESSAGES_MIN);
                    continue;
                }
                // That has nothing to do with a link, and beginning again would not help.
                Err(GraphFailure::Refused(refusal))
                    if is_forgotten(&refusal) && position == Position::Start =>
                {
                    return Err(refusal.cause().into());
                }
                // The kept link stands for a folder of a mailbox that was made anew since, and the name of the inbox leads to the
                // folder of today. A tracked folder is looked for by its path with each session.
                Err(GraphFailure::Refused(refusal))
                    if refusal.is_missing() && folder == Folder::Inbox && position != Position::Start =>
                {
                    return Err(GraphFailure::Refused(refusal.of_forgotten_link()));
                }
                page => page?,
            };
            empty = if page.changes.is_empty() { empty + 1 } else { 0 };
            let is_same = matches!(&page.next, Next::Page(next) if !followed.insert(mark(next)));
            let is_stuck = is_same || empty > limits::GRAPH_EMPTY_PAGES_MAX;
            let category = self.category.as_deref();
            page.changes.into_iter().for_each(|change| changes.take(change, place, category));
            if changes.0.len() > limits::LISTING_MESSAGES_MAX {
                let what = "the number of messages in a listing";
                return Err(exceeded(what, limits::LISTING_MESSAGES_MAX).into());
            }
            match page.next {
                Next::Round(link) => return Ok((changes, link.as_str().to_owned())),
                Next::Page(_) if is_stuck => {
                    let detail = match is_same {
                        true => "it says that there are more changes, and leads back to a page that was read",
                        false => "it says that there are more changes, and page after page holds none",
                    }
                    .to_owned();
                    return Err(Cause::Garbage { detail }.into());
                }
                Next::Page(link) => position = Position::After(link),
            }
        }
        Err(exceeded("the number of pages in a listing", limits::GRAPH_PAGES_MAX).into())
    }

    async fn page_at(&mut self, folder: &Folder, position: &Position) -> Result<Page, GraphFailure> {
        let host = self.session.host().to_owned();
        let (folder, position, page) = (folder.clone(), position.clone(), self.page);
        let about = if self.category.is_some() { About::ArrivalAndCategories } else { About::Arrival };
        self.session.call(&MessagesDelta { host: &host, folder, position, about, page }).await
    }

    fn about_categories(&self) -> Option<bool> {
        self.category.is_some().then_some(true)
    }

    fn may_shrink(&self, refusal: &Refusal) -> bool {
        refusal.took_too_long() && self.page > limits::GRAPH_PAGE_MESSAGES_MIN
    }
}

/// What a link is known by, as one among thousands of kilobytes each.
fn mark(link: &Link) -> u64 {
    let mut hasher = DefaultHasher::new();
    link.as_str().hash(&mut hasher);
    hasher.finish()
}

fn is_forgotten(refusal: &Refusal) -> bool {
    refusal.has_forgotten() || refusal.status == 410
}
