//! Mailboxes whose server tells of new mail by itself: a kept session waits for it while nobody else needs the session.
//!
//! This only makes mail come sooner. Every mailbox is polled as it is declared to be, so that a server that accepts to tell
//! and never does delays nothing. Where a server refuses, polling goes on alone; where the session breaks, the mailbox is read
//! soon, and listened to again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::Engine;
use crate::model::clock::Clock;
use crate::model::failure::Cause;
use crate::model::host::Push;
use crate::model::limits;
use crate::model::name::Name;
use crate::remote::Lent;
use crate::remote::Wake;
use crate::sync::transition::later;

/// Who listens, and what they hear.
pub struct Listening {
    push: Push,
    /// Since when each is listened to.
    listened: BTreeMap<Name, Timestamp>,
    /// Mailboxes that were read since the process began.
    read: BTreeSet<Name>,
    /// Those that are read, or were, for being listened to soon.
    hurried: BTreeSet<Name>,
    /// Until when a mailbox is not tried again, because its server refused.
    refused: BTreeMap<Name, Timestamp>,
    sender: mpsc::UnboundedSender<Heard>,
    receiver: mpsc::UnboundedReceiver<Heard>,
}

/// A wait that is over.
#[derive(Debug)]
pub struct Heard {
    pub mailbox: Name,
    pub end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// New mail; it is to be read, not before this moment.
    News(Timestamp),
    /// The request to tell is to be made anew, after a look.
    Renew,
    /// Somebody else needed the session, or it is not needed any more.
    Stopped,
    /// The server does not tell after all.
    Refused,
    /// The session broke; another one is to be opened, not before this moment.
    Lost(Timestamp),
}

impl Listening {
    pub fn new(push: Push) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            push,
            listened: BTreeMap::new(),
            read: BTreeSet::new(),
            hurried: BTreeSet::new(),
            refused: BTreeMap::new(),
            sender,
            receiver,
        }
    }

    pub fn is_on(&self, mailbox: &Name) -> bool {
        self.listened.contains_key(mailbox)
    }

    /// Whether a mailbox is to be read at once since it was not yet since the process began: nobody listens to it before that,
    /// because it is a session that has read it that listens. No more of them than can be listened to: a process that is
    /// begun again and again must not make its servers' load.
    pub fn is_unheard(&mut self, mailbox: &Name) -> bool {
        if self.read.contains(mailbox) {
            return false;
        }
        if self.hurried.len() < self.push.count_max {
            self.hurried.insert(mailbox.clone());
        }
        self.hurried.contains(mailbox)
    }

    /// Listens on the kept session of a mailbox that was just read, if it has one that can, and if there is room for another one.
    pub fn begin(&mut self, engine: &Arc<Engine>, mailbox: &Name) {
        self.read.insert(mailbox.clone());
        let now = engine.clock.now();
        let is_refused = self.refused.get(mailbox).is_some_and(|until| now < *until);
        if is_refused || self.is_on(mailbox) || self.listened.len() >= self.push.count_max {
            return;
        }
        self.refused.remove(mailbox);
        let Some(lent) = engine.sessions.lend(mailbox, engine.stopping.child_token()) else { return };
        self.listened.insert(mailbox.clone(), now);
        let (engine, sender) = (Arc::clone(engine), self.sender.clone());
        let (mailbox, limit) = (mailbox.clone(), self.push.renew_after);
        tokio::spawn(async move {
            let end = wait(&engine, lent, (now, limit)).await;
            // Nobody listens any more when the process is about to end.
            let _ = sender.send(Heard { mailbox, end });
        });
    }

    /// The next wait that is over.
    pub async fn next(&mut self, clock: &dyn Clock) -> Heard {
        match self.receiver.recv().await {
            Some(heard) => {
                self.listened.remove(&heard.mailbox);
                if heard.end == End::Refused {
                    let until = later(clock.now(), limits::PUSH_REFUSED_WAIT);
                    self.refused.insert(heard.mailbox.clone(), until);
                }
                heard
            }
            // We hold a sender ourselves.
            None => std::future::pending().await,
        }
    }
}

/// Waits with a session that was lent since `begun`, and gives it back if it still works.
async fn wait(engine: &Engine, mut lent: Lent, (begun, limit): (Timestamp, Duration)) -> End {
    let stop = lent.stop.clone();
    let waited = lent.kept.session.wait_for_mail(&stop, limit).await;
    let end = match waited {
        Ok(Wake::News) => End::News(later(begun, limits::PUSH_GAP_MIN)),
        Ok(Wake::LimitReached) => End::Renew,
        Ok(Wake::Stopped) => End::Stopped,
        Err(error) if matches!(error.cause, Cause::Refused { .. }) => End::Refused,
        Err(_) => {
            engine.sessions.forget(lent);
            return End::Lost(later(begun, limits::PUSH_LOST_GAP_MIN));
        }
    };
    engine.sessions.give_back(lent, engine.clock.elapsed());
    end
}
