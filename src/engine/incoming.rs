//! One incoming cycle: list, decide, fetch, record. A message's record and the cursor behind it are one transaction, and
//! nothing is removed from a server before its record is durable.

mod fetching;
mod rules;
mod telling;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::claim::{Asked, Wish};
use crate::model::cursor::{Content, Cursor, Fetched, Listed, Listing, Part, RemoteId};
use crate::model::event::{Cycle, Event};
use crate::model::failure::{RemoteError, TestStep};
use crate::model::lease::Lease;
use crate::model::name::Name;
use crate::model::organization::Retry;
use crate::model::record::{Categorised, IncomingBatch, Standing};
use crate::model::stored::StoredMailbox;
use crate::remote::{Receive, Removal, SetAside};
use crate::store::InboxStanding;
use crate::sync::dealt::Dealt;
use crate::sync::incoming::{self, Deletion, Headers, Rules, Undeliverable};
use crate::sync::message;
use crate::sync::owed::Arrears;
use crate::sync::removal;

use super::destination::Route;
use super::intake::{Ended, Intake};
use super::session::{Entered, Entrance, Ticket, wish};
use super::{Engine, WorkError, bounded};

/// Header blocks in memory while old messages are told from young ones.
const HEADERS_AT_ONCE: usize = 256;

/// One mailbox's cycle in progress.
struct Incoming<'a> {
    engine: &'a Engine,
    lease: &'a Lease,
    route: &'a Route<'a>,
    mailbox: &'a Name,
    rules: Rules,
    failures_before: u16,
    retry: Retry,
    /// The owed messages that are given up if they are not handed over once more.
    last: BTreeSet<RemoteId>,
    cycle: Cycle,
}

/// Runs one cycle. What it has done stands, also when it failed then.
pub async fn cycle(
    engine: &Engine,
    lease: &Lease,
    stored: &StoredMailbox,
    route: &Route<'_>,
    retry: Retry,
) -> (Cycle, Result<(), WorkError>) {
    let mut incoming = Incoming {
        engine,
        lease,
        route,
        mailbox: &stored.declared.name,
        rules: rules::rules(stored, route),
        failures_before: rules::failures_before(stored),
        retry,
        last: BTreeSet::new(),
        cycle: Cycle::default(),
    };
    let ended = incoming.run().await;
    (incoming.cycle, ended)
}

/// Those of the messages that stand out.
fn standings(session: &dyn Receive, messages: &[Listed]) -> BTreeMap<RemoteId, Standing> {
    let all = messages.iter().map(|message| (&message.id, session.standing(&message.id)));
    let standing_out = all.filter(|(_, standing)| *standing != Standing::default());
    standing_out.map(|(id, standing)| (id.clone(), standing)).collect()
}

impl Incoming<'_> {
    fn entrance(&self) -> Entrance<'_> {
        Entrance { engine: self.engine, lease: self.lease, route: self.route, from: self.rules.from }
    }

    async fn run(&mut self) -> Result<(), WorkError> {
        let Entered { mut session, standing, listing, ticket } = self.entrance().enter().await?;
        let InboxStanding { cursor, removals, asked, owed } = standing;
        let were_due = !removals.is_empty();
        if let Some(reason) = self.begins_again(&listing, &cursor) {
            let message =
                format!("mailbox/{}: {reason}; what is already recorded is recognised", self.mailbox);
            self.engine.tell(Event::Warned { message });
        }
        let absent = incoming::absent(removals, &listing);
        let headers = incoming::headers_first(&listing, &cursor, self.rules.from);
        let dealt = Dealt::nothing(&listing, incoming::gone(&listing, &cursor)).since(&cursor);
        let fresh = incoming::fresh(listing, &cursor);
        let dealt = dealt.expect(&fresh);
        let arrears = Arrears::new(owed, &fresh, self.retry);
        let asked_again = arrears.listed();
        self.last = arrears.last(self.engine.clock.now());
        session.tries_last(self.last.clone());
        self.cycle.found = (fresh.len() + asked_again.len()) as u64;
        let mut intake = Intake::new(self.engine, self.lease, self.mailbox, (self.rules, dealt, arrears))
            .knowing(standings(session.as_ref(), &fresh));
        let fresh = self.categorised(session.categorised(), &mut intake, fresh).await?;
        let wanted = self.wanted(session.as_mut(), &mut intake, headers, fresh).await?;
        let fetched = self.fetch(session, &mut intake, &cursor, (wanted, asked_again)).await;
        // Also after an error: what has arrived before it stands.
        let recorded = intake.finish().await;
        self.cycle += intake.cycle;
        self.cycle.quarantined += intake.quarantined.count;
        if let (Some(reason), Ok(())) = (intake.quarantined.because.take(), &recorded) {
            self.tell_quarantined(&reason).await?;
        }
        let session = fetched?;
        recorded?;
        let session = match session {
            Some(session) => Some(self.claim(session, asked).await?),
            None => None,
        };
        match session {
            // Where nothing was to be removed and nothing was fetched, nothing is.
            Some(session) if !were_due && self.cycle.found == 0 => {
                self.entrance().leave(session, ticket, &[]).await?;
                Ok(())
            }
            Some(session) => self.finish(session, ticket, absent).await,
            None => Ok(()),
        }
    }

    /// Notes who has given the tracking category to which record, or taken it away. Returns the messages that are no records.
    async fn categorised(
        &self,
        categorised: Vec<Categorised>,
        intake: &mut Intake<'_>,
        mut fresh: Vec<Listed>,
    ) -> Result<Vec<Listed>, WorkError> {
        if !categorised.is_empty() {
            let store = &self.engine.store;
            let known = store.note_categories(self.lease, self.mailbox, &categorised).await?;
            fresh.retain(|message| {
                let is_known = known.contains(&message.id);
                if is_known {
                    intake.know(&message.id);
                }
                !is_known
            });
        }
        Ok(fresh)
    }

    /// Asks from time to time whether the mailbox is still that of this installation: behind the reading, which nothing holds
    /// up, and before anything is removed.
    async fn claim(
        &self,
        mut session: Box<dyn Receive>,
        asked: Option<Asked>,
    ) -> Result<Box<dyn Receive>, WorkError> {
        let now = self.engine.clock.now();
        if session.can_claim() && asked.is_none_or(|asked| asked.is_due(now)) {
            // Only a test takes over.
            let wish = Wish { take_over_from: None, ..wish(self.engine, self.route).await? };
            let answer = bounded(TestStep::Open, session.claim(&wish)).await?;
            self.engine.store.note_claim(self.lease, self.mailbox, &Asked { at: now, answer }).await?;
        }
        Ok(session)
    }

    /// Where mail is removed after processing, ids that are all new are the usual case by POP3.
    fn begins_again(&self, listing: &Listing, cursor: &Cursor) -> Option<&'static str> {
        let stays = match (listing, self.rules.delete_after) {
            (Listing::Imap { .. } | Listing::Exchange { .. }, _)
            | (Listing::Pop3 { .. }, Deletion::LeaveOnServer) => true,
            (Listing::Pop3 { .. }, Deletion::AfterProcessing) => false,
        };
        incoming::begins_again(listing, cursor).filter(|_| stays)
    }

    /// The fresh messages that have to be fetched whole. When the listing has no dates and the mailbox is read for the
    /// first time, the headers tell which ones are too old: those of a few first, because most often none is.
    async fn wanted(
        &self,
        session: &mut dyn Receive,
        intake: &mut Intake<'_>,
        headers: Headers,
        mut wanted: Vec<Listed>,
    ) -> Result<Vec<Listed>, WorkError> {
        wanted.retain(|message| {
            let is_old = incoming::is_before(message.received, intake.rules_for(&message.id).from);
            if is_old {
                intake.pass_over(&message.id);
            }
            !is_old
        });
        match headers {
            Headers::First if !wanted.is_empty() => {}
            Headers::First | Headers::WithTheRest => return Ok(wanted),
        }
        let sample = incoming::sample(&wanted);
        let mut old = match self.old_ones(session, &sample).await {
            Ok(old) if !old.is_empty() => old,
            // A server without TOP cannot tell; then the message itself does.
            Ok(_) | Err(_) => return Ok(wanted),
        };
        if sample.len() < wanted.len() {
            for some in wanted.chunks(HEADERS_AT_ONCE) {
                old.extend(self.old_ones(session, some).await?);
            }
        }
        wanted.retain(|message| !old.contains(&message.id));
        old.iter().for_each(|id| intake.pass_over(id));
        Ok(wanted)
    }

    /// Those of the messages whose headers say that they are too old.
    async fn old_ones(
        &self,
        session: &mut dyn Receive,
        messages: &[Listed],
    ) -> Result<BTreeSet<RemoteId>, RemoteError> {
        let headers = bounded(TestStep::Read, session.fetch(messages, Part::Headers)).await?;
        let is_old = |fetched: &Fetched| match &fetched.content {
            Content::Bytes(raw) => message::parse_headers(raw).is_ok_and(|facts| {
                incoming::is_before(incoming::received_at(fetched.received, &facts), self.rules.from)
            }),
            Content::Streamed(_)
            | Content::Vanished
            | Content::Refused(_)
            | Content::Deferred(_)
            | Content::TooLarge(_) => false,
        };
        Ok(headers.into_iter().filter(is_old).map(|fetched| fetched.id).collect())
    }

    /// Moves aside, at the server, what could not be recorded. What is left over by a process that died goes with the next
    /// message of its kind.
    async fn set_aside(&self, session: &mut dyn Receive) -> Result<(), WorkError> {
        match self.rules.undeliverable {
            Undeliverable::Stays => return Ok(()),
            Undeliverable::SetAside => {}
        }
        let due = self.engine.store.set_aside_due(self.mailbox).await?;
        if due.messages.is_empty() {
            return Ok(());
        }
        let moving = session.set_aside(&due.messages, due.folder.as_deref());
        let moved = match bounded(TestStep::Delete, moving).await {
            Err(error) if removal::refuses_removal(&error) => return self.tell_not_set_aside(&error).await,
            moved => moved?,
        };
        if let Some(SetAside { folder, moved }) = moved {
            self.engine.store.confirm_set_aside(self.lease, self.mailbox, (&moved, &folder)).await?;
        }
        Ok(())
    }

    /// What the server refused to remove goes on to be known by its id.
    async fn keep(&self, asked: Vec<RemoteId>, removed: &[RemoteId]) -> Result<(), WorkError> {
        let removed: BTreeSet<&RemoteId> = removed.iter().collect();
        let kept = asked.into_iter().filter(|id| !removed.contains(id)).collect();
        if let Some(advance) = removal::known_still(kept) {
            let batch = IncomingBatch {
                mailbox: self.mailbox.clone(),
                records: Arc::default(),
                remove: Vec::new(),
                set_aside: Vec::new(),
                owed: Vec::new(),
                answered: Vec::new(),
                advance,
                at: self.engine.clock.now(),
            };
            self.engine.store.record(self.lease, &batch).await?;
        }
        Ok(())
    }

    /// Removes at the server what is durable here and declared to be removed, and lets the session rest.
    async fn finish(
        &mut self,
        mut session: Box<dyn Receive>,
        ticket: Ticket,
        absent: Vec<RemoteId>,
    ) -> Result<(), WorkError> {
        self.set_aside(session.as_mut()).await?;
        let mut present = self.engine.store.deletions(self.mailbox).await?;
        // Both are sorted.
        present.retain(|id| absent.binary_search(id).is_err());
        let reusable = removal::reusable(&present);
        if !reusable.is_empty() {
            self.engine.store.begin_deletions(self.lease, self.mailbox, &reusable).await?;
        }
        let manner = session.removal();
        let left = self.entrance().leave(session, ticket, &present).await;
        let mut confirmed = match left {
            Err(error) if removal::refuses_removal(&error) => {
                self.tell_not_removed(&error).await?;
                Vec::new()
            }
            left => {
                let confirmed = left?;
                self.keep(reusable, &confirmed).await?;
                confirmed
            }
        };
        match manner {
            Removal::Real => self.cycle.deleted += confirmed.len() as u64,
            Removal::Flag => self.cycle.flagged += confirmed.len() as u64,
        }
        // What the server no longer lists needs no removal any more.
        confirmed.extend(absent);
        if !confirmed.is_empty() {
            self.engine.store.confirm_deletions(self.lease, self.mailbox, &confirmed).await?;
        }
        Ok(())
    }
}
