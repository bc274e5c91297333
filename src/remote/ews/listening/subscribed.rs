//! One mailbox of a group: who waits to hear of it, and what they were told.

use tokio::sync::{oneshot, watch};

use crate::model::failure::Cause;
use crate::model::name::Address;
use crate::remote::ews::session::EwsFailure;

/// What a group has told so far of one mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Told {
    news: u64,
    fate: Fate,
}

/// What became of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Fate {
    #[default]
    Alive,
    /// The server does not know it any more.
    Lost,
    /// The server does not stream to us.
    Refused,
}

/// A mailbox that is listened to.
pub(in crate::remote::ews) struct Member {
    told: watch::Receiver<Told>,
}

/// What is heard of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::remote::ews) enum Heard {
    News,
    /// Nothing more will be heard: the subscription is gone.
    Lost,
    /// Nothing will be heard of this server.
    Refused,
}

impl Member {
    /// What was told up to now is about to be looked at.
    pub fn catch_up(&mut self) {
        self.told.borrow_and_update();
    }

    pub async fn next(&mut self) -> Heard {
        if self.told.changed().await.is_err() && self.told.borrow().fate == Fate::Alive {
            return Heard::Lost;
        }
        match self.told.borrow_and_update().fate {
            Fate::Alive => Heard::News,
            Fate::Lost => Heard::Lost,
            Fate::Refused => Heard::Refused,
        }
    }
}

/// To somebody who wants to listen.
pub(super) type Reply = oneshot::Sender<Result<Member, EwsFailure>>;

pub(super) struct Subscribed {
    pub address: Address,
    told: watch::Sender<Told>,
    pub hearing: Hearing,
    /// Whoever waits for a stream that tells of this mailbox: from then on nothing is missed, and what came before can be looked for.
    joined: Vec<Reply>,
}

/// Whether a stream tells of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hearing {
    NotYet,
    Begun,
}

impl Subscribed {
    pub fn new(address: Address, reply: Reply) -> Self {
        let (told, _) = watch::channel(Told::default());
        Self { address, told, hearing: Hearing::NotYet, joined: vec![reply] }
    }

    pub fn is_wanted(&self) -> bool {
        !self.told.is_closed() || self.joined.iter().any(|reply| !reply.is_closed())
    }

    pub fn join(&mut self, reply: Reply) {
        self.joined.retain(|other| !other.is_closed());
        self.joined.push(reply);
        if self.hearing == Hearing::Begun {
            self.admit_all();
        }
    }

    /// A stream tells of it from now on.
    pub fn is_heard(&mut self) {
        self.hearing = Hearing::Begun;
        self.admit_all();
    }

    pub fn tell(&self) {
        self.told.send_modify(|told| told.news += 1);
    }

    fn admit_all(&mut self) {
        for reply in self.joined.drain(..) {
            let _ = reply.send(Ok(Member { told: self.told.subscribe() }));
        }
    }

    pub fn end(mut self, fate: Fate) {
        match fate {
            Fate::Refused => {
                for reply in self.joined.drain(..) {
                    let _ = reply.send(Err(unheard().into()));
                }
            }
            Fate::Alive | Fate::Lost => self.admit_all(),
        }
        self.told.send_modify(|told| told.fate = fate);
    }
}

/// What is said where a server does not stream.
pub(in crate::remote::ews) fn unheard() -> Cause {
    Cause::Refused { said: "it does not tell of new mail over a stream".to_owned() }
}
