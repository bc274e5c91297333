//! The outbox as it is written: messages are queued, attempts begin and end.
//!
//! `pending` → `sending` → `sent`, `failed`, `unsure` or `pending` again. An attempt is noted before it begins, so
//! that a crash leaves `sending`, which nobody sends again unasked. What a person decides is noted on anything but that.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{count, from_json, mailbox_id, micros, to_json, whole};
use super::outbox::{find, in_state, parse_state};
use super::writer::Work;
use super::{alerts, lease};
use crate::model::failure::{FailureSummary, Nature, Scope, TestStep};
use crate::model::lease::{Lease, LeaseScope};
use crate::model::limits;
use crate::model::name::{Address, Name};
use crate::model::outbox::{
    AttemptOutcome, Begun, Enqueued, NewOutgoing, OutgoingMessage, OutgoingState, Recipient, Resolutions,
    Resolved, Turn,
};
use crate::model::record::ContentHash;
use crate::model::report::Settled;
use crate::store::StoreError;

pub(super) fn enqueue(work: &mut Work<'_>, message: &NewOutgoing) -> Result<Enqueued, StoreError> {
    let mailbox = mailbox_id(work.db, &message.mailbox)?;
    check_size(message)?;
    if let Some(id) = find_queued(work.db, mailbox, message)? {
        return Ok(Enqueued { id, already_there: true });
    }
    let content = ContentHash::of(&message.raw);
    let blob = work.blobs.put(work.db, &content, &message.raw)?.blob();
    let fresh =
        |address: &_| Recipient { address: Clone::clone(address), state: OutgoingState::Pending, said: None };
    let recipients: Vec<Recipient> = message.recipients.iter().map(fresh).collect();
    let sql = "INSERT INTO outbox (mailbox, message_id, subject, blob, bytes, state, recipients, attempts,
                   queued_at, next_attempt_at, changed_at, idempotency_key)
               VALUES (?1, ?2, ?3, ?4, ?5, 'pending', ?6, 0, ?7, ?7, ?7, ?8)";
    work.db.prepare_cached(sql)?.execute(params![
        mailbox,
        message.message_id,
        message.subject,
        blob,
        whole(message.raw.len() as u64),
        to_json(&recipients)?,
        micros(message.at),
        message.idempotency_key,
    ])?;
    Ok(Enqueued { id: count(work.db.last_insert_rowid())?, already_there: false })
}

fn check_size(message: &NewOutgoing) -> Result<(), StoreError> {
    let key_bytes = message.idempotency_key.as_ref().map_or(0, String::len);
    let refused = if message.recipients.is_empty() {
        "a message needs a recipient".to_owned()
    } else if message.recipients.len() > limits::RECIPIENTS_MAX {
        format!("a message has at most {} recipients", limits::RECIPIENTS_MAX)
    } else if message.raw.len() as u64 > limits::MESSAGE_BYTES_MAX {
        format!("a message has at most {} bytes", limits::MESSAGE_BYTES_MAX)
    } else if key_bytes > limits::IDEMPOTENCY_KEY_BYTES_MAX {
        format!("an idempotency key has at most {} bytes", limits::IDEMPOTENCY_KEY_BYTES_MAX)
    } else {
        return Ok(());
    };
    Err(StoreError::Failed(refused))
}

fn find_queued(db: &Connection, mailbox: i64, message: &NewOutgoing) -> Result<Option<u64>, StoreError> {
    let Some(key) = &message.idempotency_key else { return Ok(None) };
    let id: Option<i64> = db
        .prepare_cached("SELECT id FROM outbox WHERE mailbox = ?1 AND idempotency_key = ?2")?
        .query_row(params![mailbox, key], |row| row.get(0))
        .optional()?;
    id.map(count).transpose()
}

fn leave_unsure(message: &mut OutgoingMessage, now: Timestamp) {
    message.state = OutgoingState::Unsure;
    message.changed_at = now;
    move_open(&mut message.recipients, OutgoingState::Unsure);
}

/// Leaves everything `unsure` that is still to be sent, because it may have been sent by now. Returns how much that was.
pub(super) fn doubt_all(db: &Connection, now: Timestamp) -> Result<u64, StoreError> {
    let mut count = 0;
    for state in [OutgoingState::Pending, OutgoingState::Sending] {
        let mut statement = db.prepare("SELECT DISTINCT mailbox FROM outbox WHERE state = ?1")?;
        let mailboxes = statement.query_map([state.key()], |row| row.get(0))?;
        let mailboxes: Vec<i64> = mailboxes.collect::<Result<_, _>>()?;
        for mailbox in mailboxes {
            for mut message in in_state(db, mailbox, state)? {
                leave_unsure(&mut message, now);
                write(db, &message)?;
                count += 1;
            }
        }
    }
    Ok(count)
}

/// Moves every recipient on whom nothing is decided yet.
fn move_open(recipients: &mut [Recipient], to: OutgoingState) {
    for recipient in recipients {
        match recipient.state {
            OutgoingState::Pending | OutgoingState::Sending => recipient.state = to,
            OutgoingState::Sent
            | OutgoingState::Failed
            | OutgoingState::Unsure
            | OutgoingState::Cancelled => {}
        }
    }
}

/// One write of a session that sends.
pub(super) fn turn(db: &Connection, lease: &Lease, mailbox: &Name, turn: &Turn) -> Result<Begun, StoreError> {
    let id = mailbox_id(db, mailbox)?;
    for outcome in &turn.ended {
        Attempt::find(db, mailbox, id, outcome.id)?.end(db, lease, mailbox, outcome)?;
    }
    alerts::write(db, &turn.alerts)?;
    if turn.begins.is_empty() {
        return Ok(Begun::Attempts(Vec::new()));
    }
    match lease::check_mailbox(db, lease, mailbox) {
        // What has ended is noted all the same.
        Err(StoreError::Fenced(_) | StoreError::Withdrawn(_)) if !turn.ended.is_empty() => {
            return Ok(Begun::LeaseLost);
        }
        checked => checked?,
    }
    let mut begun = Vec::with_capacity(turn.begins.len());
    for message in &turn.begins {
        if Attempt::find(db, mailbox, id, *message)?.begin(db, lease, turn.at)? {
            begun.push(*message);
        }
    }
    Ok(Begun::Attempts(begun))
}

/// A report on the delivery of a message was recorded. What is tried again meanwhile is not judged by it.
pub(super) fn settle(db: &Connection, mailbox: i64, settled: &Settled) -> Result<(), StoreError> {
    let Some(attempt) = Attempt::find_opt(db, mailbox, settled.outcome.id)? else { return Ok(()) };
    match attempt.state {
        OutgoingState::Pending | OutgoingState::Sending => return Ok(()),
        OutgoingState::Sent | OutgoingState::Failed | OutgoingState::Unsure | OutgoingState::Cancelled => {}
    }
    attempt.check_outcome(&settled.outcome)?;
    attempt.write(db, &settled.outcome)?;
    alerts::write(db, &settled.alerts)
}

fn note_fence(db: &Connection, id: u64, fence: Option<u64>) -> Result<(), StoreError> {
    let sql = "UPDATE outbox SET fence = ?2 WHERE id = ?1";
    db.prepare_cached(sql)?.execute(params![whole(id), fence.map(whole)])?;
    Ok(())
}

/// As much of a message as beginning and ending an attempt takes.
struct Attempt {
    id: u64,
    state: OutgoingState,
    recipients: String,
    /// Of the lease under which the last attempt began.
    fence: Option<i64>,
}

impl Attempt {
    /// Only of that mailbox.
    fn find(db: &Connection, name: &Name, mailbox: i64, id: u64) -> Result<Self, StoreError> {
        let found = Self::find_opt(db, mailbox, id)?;
        found.ok_or_else(|| StoreError::NotFound(format!("outgoing message {id} of mailbox `{name}`")))
    }

    fn find_opt(db: &Connection, mailbox: i64, id: u64) -> Result<Option<Self>, StoreError> {
        let sql = "SELECT state, recipients, fence FROM outbox WHERE id = ?1 AND mailbox = ?2";
        let row = db
            .prepare_cached(sql)?
            .query_row([whole(id), mailbox], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, Option<i64>>(2)?))
            })
            .optional()?;
        let Some((state, recipients, fence)) = row else { return Ok(None) };
        Ok(Some(Self { id, state: parse_state(&state)?, recipients, fence }))
    }

    /// Whether it was `pending`.
    fn begin(&self, db: &Connection, lease: &Lease, at: Timestamp) -> Result<bool, StoreError> {
        if self.state != OutgoingState::Pending {
            return Ok(false);
        }
        let sql = "UPDATE outbox SET state = 'sending', changed_at = ?2, fence = ?3 WHERE id = ?1";
        db.prepare_cached(sql)?.execute(params![whole(self.id), micros(at), whole(lease.fence)])?;
        Ok(true)
    }

    fn end(
        &self,
        db: &Connection,
        lease: &Lease,
        mailbox: &Name,
        outcome: &AttemptOutcome,
    ) -> Result<(), StoreError> {
        self.check_who(db, lease, mailbox)?;
        self.check_outcome(outcome)?;
        self.write(db, outcome)
    }

    fn write(&self, db: &Connection, outcome: &AttemptOutcome) -> Result<(), StoreError> {
        let sql = "UPDATE outbox SET state = ?2, recipients = ?3, attempts = ?4, next_attempt_at = ?5,
                       changed_at = ?6, failure = ?7
                   WHERE id = ?1";
        db.prepare_cached(sql)?.execute(params![
            whole(self.id),
            outcome.state.key(),
            to_json(&outcome.recipients)?,
            outcome.attempts,
            micros(outcome.next_attempt_at),
            micros(outcome.at),
            outcome.failure.as_ref().map(to_json).transpose()?,
        ])?;
        Ok(())
    }

    /// Who may say how an attempt ended: whoever began it, even if the lease is gone by now, because nobody else knows
    /// better; and for an attempt that died, whoever holds the lease.
    fn check_who(&self, db: &Connection, lease: &Lease, mailbox: &Name) -> Result<(), StoreError> {
        if lease.scope == LeaseScope::Mailbox(mailbox.clone()) && self.fence == Some(whole(lease.fence)) {
            expect_state(self.id, self.state, &[OutgoingState::Sending, OutgoingState::Unsure])
        } else {
            lease::check_mailbox(db, lease, mailbox)?;
            expect_state(self.id, self.state, &[OutgoingState::Sending])
        }
    }

    fn check_outcome(&self, outcome: &AttemptOutcome) -> Result<(), StoreError> {
        let id = self.id;
        let known: Vec<Recipient> = from_json("the recipients of a message", &self.recipients)?;
        let addresses = |recipients: &[Recipient]| -> Vec<Address> {
            recipients.iter().map(|recipient| recipient.address.clone()).collect()
        };
        if outcome.state == OutgoingState::Sending {
            Err(StoreError::Failed(format!("an attempt on outgoing message {id} cannot end in `sending`")))
        } else if addresses(&known) != addresses(&outcome.recipients) {
            Err(StoreError::Failed(format!(
                "the outcome for outgoing message {id} is about other recipients"
            )))
        } else {
            Ok(())
        }
    }
}

/// Notes what a person decided about those messages that nobody has touched since they were read.
pub(super) fn resolve(db: &Connection, resolved: &[Resolved]) -> Result<Resolutions, StoreError> {
    let mut resolutions = Resolutions::default();
    for Resolved { before, after } in resolved {
        let id = before.id;
        let now = find(db, id)?;
        // What is being sent belongs to whoever sends it, whatever was read.
        let is_under_way = now.state == OutgoingState::Sending;
        let which = if is_under_way || (now.state, now.changed_at) != (before.state, before.changed_at) {
            &mut resolutions.overtaken
        } else if after.state == OutgoingState::Pending && !is_of_declared(db, after)? {
            &mut resolutions.orphaned
        } else {
            write(db, after)?;
            note_fence(db, id, None)?;
            &mut resolutions.written
        };
        which.push(id);
    }
    Ok(resolutions)
}

/// A deleted mailbox has nobody who could send, and one that was made later under its name is another one.
fn is_of_declared(db: &Connection, message: &OutgoingMessage) -> Result<bool, StoreError> {
    match mailbox_id(db, &message.mailbox) {
        Ok(declared) => Ok(declared == row_mailbox(db, message.id)?),
        Err(StoreError::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The mailbox was deleted: what waits fails, and what was being sent may have been.
pub(super) fn give_up(db: &Connection, mailbox: i64, name: &Name, at: Timestamp) -> Result<(), StoreError> {
    let failure = FailureSummary {
        code: "mailbox-deleted".to_owned(),
        step: TestStep::Send,
        nature: Nature::Permanent,
        scope: Scope::Mailbox,
        cause: format!("mailbox `{name}` was deleted before the message was sent"),
        remedy: "queue it again for another mailbox".to_owned(),
    };
    for mut message in in_state(db, mailbox, OutgoingState::Pending)? {
        move_open(&mut message.recipients, OutgoingState::Failed);
        message.state = OutgoingState::Failed;
        message.changed_at = at;
        message.failure = Some(failure.clone());
        write(db, &message)?;
    }
    for mut message in in_state(db, mailbox, OutgoingState::Sending)? {
        leave_unsure(&mut message, at);
        let cause = format!("mailbox `{name}` was deleted while the message was being sent");
        let remedy = "ask a recipient whether it arrived".to_owned();
        message.failure = Some(FailureSummary { cause, remedy, ..failure.clone() });
        write(db, &message)?;
    }
    Ok(())
}

fn row_mailbox(db: &Connection, id: u64) -> Result<i64, StoreError> {
    let sql = "SELECT mailbox FROM outbox WHERE id = ?1";
    Ok(db.prepare_cached(sql)?.query_row([whole(id)], |row| row.get(0))?)
}

fn expect_state(id: u64, state: OutgoingState, allowed: &[OutgoingState]) -> Result<(), StoreError> {
    if allowed.contains(&state) {
        return Ok(());
    }
    let wanted: Vec<&str> = allowed.iter().map(|state| state.key()).collect();
    Err(StoreError::Failed(format!(
        "outgoing message {id} is `{}` and would have to be `{}`",
        state.key(),
        wanted.join("` or `")
    )))
}

/// Writes back what may change over a message's life.
fn write(db: &Connection, message: &OutgoingMessage) -> Result<(), StoreError> {
    let sql = "UPDATE outbox SET state = ?2, recipients = ?3, attempts = ?4, next_attempt_at = ?5,
                   changed_at = ?6, failure = ?7, round = ?8
               WHERE id = ?1";
    db.prepare_cached(sql)?.execute(params![
        whole(message.id),
        message.state.key(),
        to_json(&message.recipients)?,
        message.attempts,
        micros(message.next_attempt_at.unwrap_or(message.changed_at)),
        micros(message.changed_at),
        message.failure.as_ref().map(to_json).transpose()?,
        message.round,
    ])?;
    Ok(())
}
