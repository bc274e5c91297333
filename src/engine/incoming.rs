//! One incoming cycle: list, decide, fetch, record. A message's record and the cursor behind it are one transaction, and
//! nothing is removed from a server before its record is durable.

use crate::model::cursor::{Content, Cursor, Fetched, Listed, Listing, Part, RemoteId};
use crate::model::event::Cycle;
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::lease::Lease;
use crate::model::name::Name;
use crate::model::operation::{Operation, OperationState};
use crate::model::record::{IncomingBatch, NewRecord};
use crate::model::stored::StoredMailbox;
use crate::remote::Receive;
use crate::sync::incoming::{self, Decision, Deletion, Rules};
use crate::sync::message;

use super::destination::Route;
use super::session::{Entered, Entrance, Ticket};
use super::{Engine, WorkError, bounded};

/// One mailbox's cycle in progress.
struct Incoming<'a> {
    engine: &'a Engine,
    lease: &'a Lease,
    route: &'a Route<'a>,
    mailbox: &'a Name,
    rules: Rules,
    failures_before: u16,
    attempts_per_message: u16,
    cycle: Cycle,
    /// Our own test messages in the batch, where mail is removed after processing.
    remove: Vec<RemoteId>,
}

/// Runs one cycle.
pub async fn cycle(
    engine: &Engine,
    lease: &Lease,
    stored: &StoredMailbox,
    route: &Route<'_>,
    attempts_per_message: u16,
) -> Result<Cycle, WorkError> {
    let mut incoming = Incoming {
        engine,
        lease,
        route,
        mailbox: &stored.declared.name,
        rules: rules(stored),
        failures_before: failures_before(stored),
        attempts_per_message,
        cycle: Cycle::default(),
        remove: Vec::new(),
    };
    incoming.run().await?;
    Ok(incoming.cycle)
}

fn rules(stored: &StoredMailbox) -> Rules {
    Rules {
        accept: stored.declared.accept,
        // The mailbox's own date wins, either way.
        from: stored.declared.process_from.or(stored.process_from),
        delete_after: match stored.declared.delete_after_processing {
            true => Deletion::AfterProcessing,
            false => Deletion::LeaveOnServer,
        },
    }
}

/// Failures in a row, the last of which was one of reading. A server that was away says nothing about its messages.
fn failures_before(stored: &StoredMailbox) -> u16 {
    match stored.operations.get(&Operation::Incoming).map(|operation| &operation.state) {
        Some(OperationState::Retrying { attempts, failure, .. }) if failure.step == TestStep::Read => {
            *attempts
        }
        _ => 0,
    }
}

impl Incoming<'_> {
    fn entrance(&self) -> Entrance<'_> {
        Entrance { engine: self.engine, lease: self.lease, route: self.route }
    }

    async fn run(&mut self) -> Result<(), WorkError> {
        let Entered { mut session, cursor, listing, ticket } = self.entrance().enter().await?;
        if incoming::is_renumbered(&listing, &cursor) {
            self.engine.tell(crate::model::event::Event::Warned {
                message: format!(
                    "mailbox/{}: the server numbers its messages anew (UIDVALIDITY); what is already recorded is \
                     recognised by its content",
                    self.mailbox
                ),
            });
        }
        let fresh = incoming::fresh(&listing, &cursor);
        self.cycle.found = fresh.len() as u64;
        let mut gone = incoming::gone(&listing, &cursor);
        for batch in incoming::batches(&fresh, self.failures_before) {
            if self.engine.stopping.is_cancelled() {
                break;
            }
            match self.batch(session, &listing, &cursor, batch, std::mem::take(&mut gone)).await? {
                Some(open) => session = open,
                // A message that was given up took the session with it. The next cycle goes on behind it.
                None => return Ok(()),
            }
        }
        if !gone.is_empty() {
            self.record(&listing, &[], Vec::new(), gone).await?;
        }
        self.finish(session, ticket, &listing).await
    }

    /// Fetches, decides and records one batch. Returns the session to go on with; `None`: there is none any more.
    async fn batch(
        &mut self,
        mut session: Box<dyn Receive>,
        listing: &Listing,
        cursor: &Cursor,
        batch: &[Listed],
        gone: Vec<String>,
    ) -> Result<Option<Box<dyn Receive>>, WorkError> {
        let wanted = self.wanted(session.as_mut(), listing, cursor, batch).await?;
        let (fetched, session) = match bounded(TestStep::Read, session.fetch(&wanted, Part::Whole)).await {
            Ok(fetched) => (fetched, Some(session)),
            Err(error) => match self.is_given_up(&wanted, &error) {
                Some(message) => self.last_attempt(message, cursor).await?,
                None => return Err(error.into()),
            },
        };
        let mut records = Vec::with_capacity(fetched.len());
        for message in in_order(fetched, &wanted)? {
            if let Some(record) = self.decide(message).await? {
                records.push(record);
            }
        }
        self.record(listing, batch, records, gone).await?;
        Ok(session)
    }

    /// The messages of a batch that have to be fetched whole: when the listing has no dates and the mailbox is read for
    /// the first time, the headers tell which ones are too old.
    async fn wanted(
        &mut self,
        session: &mut dyn Receive,
        listing: &Listing,
        cursor: &Cursor,
        batch: &[Listed],
    ) -> Result<Vec<Listed>, WorkError> {
        let mut wanted: Vec<Listed> = batch.to_vec();
        let listed = wanted.len();
        wanted.retain(|message| !incoming::is_before(message.received, self.rules.from));
        self.cycle.before_from += (listed - wanted.len()) as u64;
        if !incoming::headers_first(listing, cursor, self.rules.from) || wanted.is_empty() {
            return Ok(wanted);
        }
        // A server without TOP cannot tell; then the message itself does.
        let Ok(headers) = bounded(TestStep::Read, session.fetch(&wanted, Part::Headers)).await else {
            return Ok(wanted);
        };
        let is_old = |fetched: &Fetched| match &fetched.content {
            Content::Bytes(raw) => message::parse_headers(raw).is_ok_and(|facts| {
                incoming::is_before(incoming::received_at(fetched.received, &facts), self.rules.from)
            }),
            Content::Streamed(_) | Content::Vanished | Content::Refused(_) | Content::TooLarge(_) => false,
        };
        let old: Vec<RemoteId> =
            headers.iter().filter(|fetched| is_old(fetched)).map(|f| f.id.clone()).collect();
        wanted.retain(|message| !old.contains(&message.id));
        self.cycle.before_from += old.len() as u64;
        Ok(wanted)
    }

    /// After repeated failures, the one message that was being fetched.
    fn is_given_up<'m>(&self, wanted: &'m [Listed], error: &RemoteError) -> Option<&'m Listed> {
        let [message] = wanted else { return None };
        incoming::is_given_up(&error.cause, self.failures_before, self.attempts_per_message)
            .then_some(message)
    }

    /// Fetches a message once more, on a session of its own: when the server answers everything and then fails at the same
    /// message again, the message is to blame, and it is quarantined so that the mailbox goes on.
    async fn last_attempt(
        &self,
        message: &Listed,
        cursor: &Cursor,
    ) -> Result<(Vec<Fetched>, Option<Box<dyn Receive>>), WorkError> {
        let mut session = self.entrance().open().await?;
        bounded(TestStep::Read, session.list(cursor)).await?;
        match bounded(TestStep::Read, session.fetch(std::slice::from_ref(message), Part::Whole)).await {
            Ok(fetched) => Ok((fetched, Some(session))),
            Err(error) if self.is_given_up(std::slice::from_ref(message), &error).is_some() => {
                let said = format!("every attempt to fetch it failed: {}", error.cause);
                let content = Content::Refused(said);
                Ok((vec![Fetched { id: message.id.clone(), received: message.received, content }], None))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn decide(&mut self, fetched: Fetched) -> Result<Option<NewRecord>, WorkError> {
        match incoming::decide(fetched, self.rules) {
            Decision::Record(record) => Ok(Some(*record)),
            Decision::PerhapsSelfTest { nonce, otherwise } => {
                if !self.engine.store.is_self_message(&nonce).await? {
                    return Ok(Some(*otherwise));
                }
                if self.rules.delete_after == Deletion::AfterProcessing {
                    self.remove.push(otherwise.remote);
                }
                Ok(None)
            }
            Decision::BeforeFrom => {
                self.cycle.before_from += 1;
                Ok(None)
            }
            Decision::NotAccepted | Decision::Vanished => Ok(None),
        }
    }

    async fn record(
        &mut self,
        listing: &Listing,
        batch: &[Listed],
        records: Vec<NewRecord>,
        gone: Vec<String>,
    ) -> Result<(), WorkError> {
        let quarantined = records.iter().filter(|record| record.quarantine.is_some()).count();
        let batch = IncomingBatch {
            mailbox: self.mailbox.clone(),
            records,
            remove: std::mem::take(&mut self.remove),
            advance: incoming::advance(listing, batch, gone),
            at: self.engine.clock.now(),
        };
        let recorded = self.engine.store.record(self.lease, &batch).await?;
        self.cycle.recorded += recorded.new;
        self.cycle.known += recorded.known;
        self.cycle.quarantined += quarantined as u64;
        Ok(())
    }

    /// Removes at the server what is durable here and declared to be removed, and lets the session rest.
    async fn finish(
        &mut self,
        session: Box<dyn Receive>,
        ticket: Ticket,
        listing: &Listing,
    ) -> Result<(), WorkError> {
        let due = self.engine.store.deletions(self.mailbox).await?;
        let (present, mut absent): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|id| may_be_there(id, listing));
        if incoming::is_silent(listing) {
            absent.clear();
        }
        let mut confirmed = self.entrance().leave(session, ticket, &present).await?;
        self.cycle.deleted += confirmed.len() as u64;
        // What the server no longer lists needs no removal any more.
        confirmed.extend(absent);
        if !confirmed.is_empty() {
            self.engine.store.confirm_deletions(self.lease, self.mailbox, &confirmed).await?;
        }
        Ok(())
    }
}

/// Whether a message to remove may still be at the server. A POP3 listing is complete; an IMAP listing shows only what is
/// new, but a UID of another UIDVALIDITY names nothing any more.
fn may_be_there(id: &RemoteId, listing: &Listing) -> bool {
    match (id, listing) {
        (RemoteId::Uid { validity, .. }, Listing::Imap { validity: now, .. }) => validity == now,
        (RemoteId::Uidl(_), Listing::Pop3 { messages }) => messages.iter().any(|message| message.id == *id),
        (RemoteId::Uidl(_), Listing::Imap { .. }) | (RemoteId::Uid { .. }, Listing::Pop3 { .. }) => false,
    }
}

/// The answers in the order of the questions; a question without an answer is a misbehaving server.
fn in_order(fetched: Vec<Fetched>, wanted: &[Listed]) -> Result<Vec<Fetched>, RemoteError> {
    let mut answers: std::collections::BTreeMap<RemoteId, Fetched> =
        fetched.into_iter().map(|message| (message.id.clone(), message)).collect();
    wanted
        .iter()
        .map(|message| {
            answers.remove(&message.id).ok_or_else(|| {
                let detail = format!("no answer about message {}", message.id);
                RemoteError::new(TestStep::Read, Cause::Garbage { detail })
            })
        })
        .collect()
}
