//! A mailbox of Exchange as the engine sees it: which operations in which order.
//!
//! Reading is SyncFolderItems (what changed) and GetItem (the octets); removing is DeleteItem; sending is CreateItem with a
//! copy in Sent Items, which is found again by a marker when the answer was lost.

mod claiming;
mod failure;
mod fetching;
mod forwarding;
mod gate;
mod listening;
mod listing;
mod moving;
mod rebuilding;
mod recipe;
mod sending;
mod session;
mod tracking;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::model::claim::{Claimed, Wish};
use crate::model::cursor::{Cursor, Fetched, Listed, Listing, Part, RemoteId};
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::forwarding::{RuleOutcome, RuleWish};
use crate::model::limits;
use crate::model::record::{Categorised, Standing};
use crate::model::server::Destination;
use crate::net::Network;
use crate::protocol::ews::{DeleteItem, Disposal, FolderId, ItemId, SyncFolderItems, WellKnown};

use super::forwarding as rules;
use super::kept::Kept;
use super::{Arrivals, Receive, Rested, SetAside, Submit, Trace, Wake};
use fetching::How;
use gate::Gates;
use listening::{Heard, Hub, Member};
use listing::Scope;
pub(super) use listing::{Place, Told, is_category};
pub(super) use moving::UNDELIVERABLE;
use recipe::Recipe;
pub(super) use sending::{blind_recipients, headers};
use session::{EwsFailure, Session};
pub(super) use tracking::States;

/// What the sessions of a process have in common.
pub struct Shared {
    gates: Arc<Gates>,
    hub: Arc<Hub>,
    silence_max: Duration,
}

impl Default for Shared {
    fn default() -> Self {
        Self::hearing_within(limits::EWS_SILENCE_MAX)
    }
}

impl Shared {
    /// Streams of notifications without any sign of life for so long are dead; profiles may be more patient.
    pub fn hearing_within(silence_max: Duration) -> Self {
        Self { gates: Arc::default(), hub: Arc::default(), silence_max }
    }
}

/// Connects, secures, logs in and opens the inbox: steps `resolve`, `connect`, `tls`, `authenticate`, `open`.
pub async fn open(
    (network, shared): (&Network, &Shared),
    destination: &Destination,
    trace: &mut Trace,
) -> Result<Box<dyn Receive>, RemoteError> {
    let mut session = Session::connect((network, &shared.gates), destination, trace).await?;
    session.open(WellKnown::Inbox, trace).await?;
    let paths = destination.service.as_ref().map_or(&[][..], |service| &service.tracked);
    let folders = tracked(&mut session, paths, trace).await?;
    let (hub, scope) = (Arc::clone(&shared.hub), Scope::of(destination));
    let recipe = Recipe::of((network, shared), destination, trace);
    let told = Told::default();
    let (member, read, last) = (None, None, BTreeSet::new());
    Ok(Box::new(Inbox { session, folders, scope, told, hub, recipe, member, read, last }))
}

/// The same for sending: it opens Sent Items, where the copies go.
pub async fn open_outgoing(
    (network, shared): (&Network, &Shared),
    destination: &Destination,
    trace: &mut Trace,
) -> Result<Box<dyn Submit>, RemoteError> {
    let mut session = Session::connect((network, &shared.gates), destination, trace).await?;
    session.open(WellKnown::SentItems, trace).await?;
    Ok(Box::new(sending::Outgoing::new(session)))
}

/// Finds the tracked folders, as a further step `open`. One that is not there holds up nobody: people rename folders.
async fn tracked(
    session: &mut Session,
    paths: &[String],
    trace: &mut Trace,
) -> Result<Vec<FolderId>, RemoteError> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let tracked = trace.step(TestStep::Open, tracking::find(session, paths)).await?;
    trace.detail(tracked.words(paths.len()));
    Ok(tracked.folders)
}

struct Inbox {
    session: Session,
    /// Those that are read beside the inbox.
    folders: Vec<FolderId>,
    /// What is read, and by what a message is tracked.
    scope: Scope,
    /// What the last listing told beside ids.
    told: Told,
    hub: Arc<Hub>,
    /// How a group of this login is made.
    recipe: Recipe,
    /// Kept from one wait to the next.
    member: Option<Member>,
    /// How far the inbox was read by the last listing.
    read: Option<String>,
    /// Messages that are asked for the last time.
    last: BTreeSet<RemoteId>,
}

impl Inbox {
    /// Those that are gone already count as removed.
    async fn delete(&mut self, messages: &[RemoteId]) -> Result<Vec<RemoteId>, Cause> {
        let (mut removed, mut refused) = (Vec::new(), None);
        let named: Vec<&RemoteId> = messages.iter().filter(|id| matches!(id, RemoteId::Item(_))).collect();
        for some in named.chunks(limits::EWS_GET_MESSAGES) {
            let ids = some.iter().filter_map(|id| item_id(id)).collect();
            let operation = DeleteItem { ids, disposal: Disposal::SoftDelete };
            let results = self.session.call(&operation).await.map_err(EwsFailure::cause)?;
            for (id, result) in some.iter().zip(results) {
                match result {
                    Ok(()) => removed.push(RemoteId::clone(id)),
                    Err(refusal) if refusal.code == "ErrorItemNotFound" => removed.push(RemoteId::clone(id)),
                    Err(refusal) if refusal.is_server_busy() => {
                        self.session.note_busy(&refusal);
                        return Err(refusal.cause());
                    }
                    // It stays, and is tried again with the next reading.
                    Err(refusal) => {
                        refused.get_or_insert(refusal);
                    }
                }
            }
        }
        // Where it refuses all of them, that is to be told.
        match refused.filter(|_| removed.is_empty()) {
            Some(refusal) => Err(Cause::Refused { said: refusal.to_string() }),
            None => Ok(removed),
        }
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

#[async_trait]
impl Receive for Inbox {
    async fn list(&mut self, cursor: &Cursor) -> Result<Listing, RemoteError> {
        if let Some(member) = &mut self.member {
            member.catch_up();
        }
        self.changes(cursor).await.map_err(|cause| RemoteError::new(TestStep::Read, cause))
    }

    fn can_claim(&self) -> bool {
        true
    }

    async fn claim(&mut self, wish: &Wish) -> Result<Claimed, RemoteError> {
        let claimed = claiming::claim(&mut self.session, wish).await;
        claimed.map_err(|cause| RemoteError::new(TestStep::Open, cause))
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

    /// An answer with its messages, and what it was read from.
    fn holds(&self) -> u64 {
        2 * limits::EWS_GET_BYTES + limits::PIECE_BYTES as u64
    }

    async fn fetch(&mut self, messages: &[Listed], part: Part) -> Result<Vec<Fetched>, RemoteError> {
        let mut kept = Kept::default();
        let how = How { part, last: &self.last };
        let fetched = fetching::fetch(&mut self.session, messages, how, &mut kept).await;
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

    fn can_wait(&self) -> bool {
        true
    }

    fn waits_apart(&self) -> bool {
        true
    }

    fn let_go(&mut self) {
        self.session.hang_up();
    }

    async fn wait_for_mail(
        &mut self,
        stop: &CancellationToken,
        limit: Duration,
    ) -> Result<Wake, RemoteError> {
        let woken = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(Wake::Stopped),
            () = tokio::time::sleep(limit) => return Ok(Wake::LimitReached),
            woken = self.news() => woken,
        };
        woken.map_err(|failure| {
            let cause = match failure {
                // A server that has no time just now may tell soon.
                busy if busy.is("ErrorServerBusy") => busy.cause(),
                // Whatever it is, mail comes without being told of, too.
                EwsFailure::Answer(error) => Cause::Refused { said: error.to_string() },
                EwsFailure::Conversation(cause) => cause,
            };
            RemoteError::new(TestStep::Read, cause)
        })
    }
}

impl Inbox {
    /// Waits for news on the stream of the login's group; the connection of this session is not needed for it.
    async fn news(&mut self) -> Result<Wake, EwsFailure> {
        if self.member.is_none() {
            self.member = Some(self.join().await?);
            if self.has_changed().await? {
                return Ok(Wake::News);
            }
        }
        self.session.hang_up();
        let Some(member) = &mut self.member else { return Ok(Wake::News) };
        match member.next().await {
            Heard::News => {}
            // A look, and then another subscription.
            Heard::Lost => self.member = None,
            Heard::Refused => {
                self.member = None;
                return Err(listening::unheard().into());
            }
        }
        Ok(Wake::News)
    }

    /// The connection stays open for the look that follows, unless it takes long until a stream tells of this mailbox.
    async fn join(&mut self) -> Result<Member, EwsFailure> {
        let joining = self.hub.join(&self.recipe);
        tokio::pin!(joining);
        match tokio::time::timeout(limits::EWS_JOIN_HOLD, &mut joining).await {
            Ok(joined) => joined,
            Err(_) => {
                self.session.hang_up();
                joining.await
            }
        }
    }

    /// Whether something came between the last listing and the stream, or the server does not say: whoever reads finds out.
    async fn has_changed(&mut self) -> Result<bool, EwsFailure> {
        let folder = self.session.folder(WellKnown::Inbox);
        let further = self.scope.further();
        let operation = SyncFolderItems { folder, state: self.read.clone(), changes_max: 1, further };
        match self.session.call(&operation).await {
            Ok(listed) => Ok(!listed.changes.is_empty()),
            Err(EwsFailure::Answer(_)) => Ok(true),
            Err(failure @ EwsFailure::Conversation(_)) => Err(failure),
        }
    }
}
