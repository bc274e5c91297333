//! The session of one incoming cycle: a kept one where there is one that still works, a fresh one otherwise.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::destination::Route;
use super::permits::{LimitCounts, limit_counts_for};
use super::{Engine, WorkError, bounded};
use crate::model::claim::{Claim, Wish};
use crate::model::cursor::{Listing, RemoteId};
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::lease::Lease;
use crate::model::operation::Operation;
use crate::remote::{Kept, Owner};
use crate::remote::{Receive, Trace};
use crate::store::{InboxStanding, StoreError};
use crate::sync::patience;

/// An inbox that was listed.
pub struct Entered {
    pub session: Box<dyn Receive>,
    pub standing: InboxStanding,
    pub listing: Listing,
    pub ticket: Ticket,
}

/// What it takes to keep the session after the cycle.
pub struct Ticket {
    /// `None`: it is not to be kept.
    owner: Option<Owner>,
    opened: Duration,
}

/// One mailbox's way to its inbox.
pub struct Entrance<'a> {
    pub engine: &'a Engine,
    pub lease: &'a Lease,
    pub route: &'a Route<'a>,
    /// What was received before is not wanted.
    pub from: Option<Timestamp>,
}

impl Entrance<'_> {
    /// Lists what is beyond the cursor. A kept session that fails says nothing about the server: a fresh one is opened in
    /// its place, and only that one's failure counts.
    pub async fn enter(&self) -> Result<Entered, WorkError> {
        let owner = self.owner().await?;
        if let Some(owner) = &owner
            && let Some(kept) = self.engine.sessions.take(owner, self.engine.clock.elapsed()).await
            && let Some(entered) = self.again(kept, owner).await?
        {
            return Ok(entered);
        }
        let opened = self.engine.clock.elapsed();
        let mut session = self.open().await?;
        session.wants_from(self.from);
        let standing = self.standing().await?;
        let listing = bounded(TestStep::Read, session.list(&standing.cursor)).await?;
        Ok(Entered { session, standing, listing, ticket: Ticket { owner, opened } })
    }

    /// A session of its own, connected and logged in just now.
    pub async fn open(&self) -> Result<Box<dyn Receive>, WorkError> {
        let Self { engine, lease: _, route, from: _ } = self;
        match limit_counts_for(route.profile, Operation::Incoming) {
            // Whoever works has a place; what is kept has to do with those that are free.
            LimitCounts::Profile => {
                let free = engine.permits.free_places(route.profile, Operation::Incoming);
                engine.sessions.make_room(&route.profile.name, free);
            }
            LimitCounts::Mailbox => {}
        }
        let mut trace = Trace::new(Arc::clone(&engine.clock));
        let destination = route.destination(engine).await?;
        let session = bounded(TestStep::Connect, route.connector.receive(&destination, &mut trace)).await?;
        Ok(session)
    }

    /// `None`: it does not work any more.
    async fn again(&self, kept: Kept, owner: &Owner) -> Result<Option<Entered>, WorkError> {
        let Kept { mut session, opened } = kept;
        let standing = self.standing().await?;
        match bounded(TestStep::Read, session.list(&standing.cursor)).await {
            Ok(listing) => {
                let ticket = Ticket { owner: Some(owner.clone()), opened };
                Ok(Some(Entered { session, standing, listing, ticket }))
            }
            Err(error) if is_about_the_server(&error) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    /// From now on the mailbox is read from this inbox.
    async fn standing(&self) -> Result<InboxStanding, WorkError> {
        let mailbox = &self.route.mailbox.name;
        Ok(self.engine.store.inbox_standing(self.lease, mailbox, &self.route.inbox()).await?)
    }

    /// `None`: nothing is kept on this host.
    async fn owner(&self) -> Result<Option<Owner>, WorkError> {
        let Self { engine, route, .. } = self;
        if !engine.sessions.keeps() {
            return Ok(None);
        }
        let Some(key) = route.session_key(engine).await? else { return Ok(None) };
        Ok(Some(Owner { mailbox: route.mailbox.name.clone(), profile: route.profile.name.clone(), key }))
    }

    /// Removes these messages, and keeps the session where it can be used again. Returns those whose removal the server
    /// confirmed.
    pub async fn leave(
        &self,
        session: Box<dyn Receive>,
        ticket: Ticket,
        remove: &[RemoteId],
    ) -> Result<Vec<RemoteId>, RemoteError> {
        let Ticket { owner, opened } = ticket;
        let (Some(owner), false) = (owner, self.engine.stopping.is_cancelled()) else {
            return session.delete_and_close(remove).await;
        };
        let rested = session.delete_and_rest(remove).await?;
        if let Some(session) = rested.session {
            self.engine.sessions.put(owner, Kept { session, opened }, self.engine.clock.elapsed());
        }
        Ok(rested.removed)
    }
}

/// What this installation wants of a mailbox.
pub(super) async fn wish(engine: &Engine, route: &Route<'_>) -> Result<Wish, StoreError> {
    let holder = engine.store.id().await?.0;
    let claim = Claim { holder, host: engine.holder.host.clone(), since: engine.clock.now() };
    Ok(Wish { claim, take_over_from: route.mailbox.claim_take_over_from.clone() })
}

/// A server that asks for patience is not asked again at once, on another session.
fn is_about_the_server(error: &RemoteError) -> bool {
    patience::demanded(error).is_some() && !matches!(error.cause, Cause::ServerBye { .. })
}
