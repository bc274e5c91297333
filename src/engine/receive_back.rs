//! The test's own message, on its way back: a nonce that nobody can guess, and the inbox in which it has to arrive.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::cursor::{Content, Cursor, Part, RemoteId};
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::limits;
use crate::model::name::Address;
use crate::model::operation::Operation;
use crate::remote::Trace;
use crate::store::MailboxRow;
use crate::sync::message;

use super::destination::{Reach, Route};
use super::{Engine, WorkError};

/// 128 random bits in hex.
pub(super) fn nonce() -> Result<String, RemoteError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        RemoteError::new(TestStep::Send, Cause::Internal { detail: format!("no randomness: {error}") })
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The inbox, watched for what arrives after a moment.
pub(super) struct Arrivals<'a> {
    engine: &'a Engine,
    reach: Reach,
    known: BTreeSet<RemoteId>,
    cursor: Cursor,
}

impl<'a> Arrivals<'a> {
    /// Notes what is there now. `None`: incoming mail is not declared, or cannot be read just now.
    ///
    /// The message is read back with what incoming mail works with: after a passed test of it that is the declared version,
    /// after a failed one the former. Only where the former one reads another address, the declared one has to do.
    pub(super) async fn open(engine: &'a Engine, row: &MailboxRow, address: &Address) -> Option<Self> {
        let mailbox = &row.stored.declared;
        if !mailbox.wants(Operation::Incoming) {
            return None;
        }
        let effective = Reach::effective(row, Operation::Incoming)?;
        let (reach, cursor) = if effective.mailbox.address.same_as(address) {
            (effective, engine.store.cursor(&mailbox.name).await.ok()?)
        } else {
            (Reach::declared(row)?, Cursor::Start)
        };
        Route::find(engine, &reach, Operation::Incoming)?;
        let mut arrivals = Self { engine, reach, known: BTreeSet::new(), cursor };
        arrivals.unseen(&[]).await.ok()?;
        Some(arrivals)
    }

    /// Looks again and again until the message with that nonce is there. Connections of the user are few, so each look is
    /// a session of its own.
    pub(super) async fn wait_for(&mut self, nonce: &str) -> Result<(), Cause> {
        let begun = self.engine.clock.elapsed();
        let mut pause = Duration::from_millis(100);
        loop {
            // A look that fails is not the answer: the server may be busy delivering.
            if self.unseen(std::slice::from_ref(&nonce)).await.unwrap_or(false) {
                return Ok(());
            }
            let waited = self.engine.clock.elapsed().saturating_sub(begun);
            if waited >= limits::RECEIVE_BACK_TIMEOUT || self.engine.stopping.is_cancelled() {
                return Err(Cause::NotReceivedBack { seconds: waited.as_secs() });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(3));
        }
    }

    /// One look: whether one of the nonces is among the messages that were not there before. All are known afterwards.
    async fn unseen(&mut self, nonces: &[&str]) -> Result<bool, WorkError> {
        let Some(route) = Route::find(self.engine, &self.reach, Operation::Incoming) else {
            return Ok(false);
        };
        let destination = route.destination(self.engine).await?;
        let mut trace = Trace::new(self.engine.clock.clone());
        let mut session = route.connector.receive(&destination, &mut trace).await?;
        let listing = session.list(&self.cursor).await?;
        let new: Vec<_> =
            listing.messages().iter().filter(|message| !self.known.contains(&message.id)).cloned().collect();
        let mut found = false;
        if !nonces.is_empty() && !new.is_empty() {
            for fetched in session.fetch(&new, Part::Headers).await? {
                if let Content::Bytes(raw) = &fetched.content {
                    let nonce = message::parse_headers(raw).ok().and_then(|facts| facts.self_test_nonce);
                    found |= nonce.is_some_and(|nonce| nonces.contains(&nonce.as_str()));
                }
            }
        }
        self.known.extend(new.into_iter().map(|message| message.id));
        let _ = session.delete_and_close(&[]).await;
        Ok(found)
    }
}
