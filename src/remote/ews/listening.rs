//! Mailboxes of one login whose server tells of new mail over one stream.
//!
//! A group has up to 200 subscriptions and two connections: one on which it subscribes, and the stream. What is told is a hint:
//! whoever hears of news lists the folder, and so does everybody once another stream has begun, because nobody tells of what
//! came in between. All requests of a group go to the server that holds its anchor, the first mailbox in it.
//! Source: <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/how-to-maintain-affinity-between-group-of-subscriptions-and-mailbox-server>

mod subscribed;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Sleep, sleep, timeout};

use super::recipe::Recipe;
use super::session::{EwsFailure, Session};
use crate::model::failure::Cause;
use crate::model::limits;
use crate::model::name::Address;
use crate::protocol::ews::{GetStreamingEvents, Notifications, Subscribe, Subscription, WellKnown};
use subscribed::{Fate, Hearing, Reply, Subscribed};
pub(super) use subscribed::{Heard, Member, unheard};

/// The groups of this process.
#[derive(Default)]
pub struct Hub {
    groups: Mutex<Vec<Group>>,
}

/// A group, as those see it who want to join.
struct Group {
    login: [u8; 32],
    mailboxes: Mailboxes,
    joins: mpsc::UnboundedSender<Join>,
}

/// Somebody who wants to hear of a mailbox.
struct Join {
    address: Address,
    reply: Reply,
}

/// The mailboxes of a group, those included that are about to join.
#[derive(Clone, Default)]
struct Mailboxes(Arc<Mutex<BTreeSet<String>>>);

impl Mailboxes {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn holds(&self, address: &Address) -> bool {
        self.lock().contains(&address.key())
    }

    fn has_room(&self) -> bool {
        self.lock().len() < limits::EWS_GROUP_MAX
    }
}

impl Hub {
    /// Joins a group of this login that has room, or begins one.
    pub async fn join(&self, recipe: &Recipe) -> Result<Member, EwsFailure> {
        let (reply, answer) = oneshot::channel();
        self.enter(recipe, Join { address: recipe.destination.address.clone(), reply });
        let ended = || Cause::ConnectionLost { detail: "the stream ended".to_owned() };
        answer.await.unwrap_or_else(|_| Err(ended().into()))
    }

    fn enter(&self, recipe: &Recipe, mut join: Join) {
        let login = recipe.login();
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.retain(|group| !group.joins.is_closed());
        let of_login = || groups.iter().filter(|group| group.login == login);
        // A session that takes the place of another one finds its subscription again.
        let known = of_login().find(|group| group.mailboxes.holds(&join.address));
        if let Some(group) = known.or_else(|| of_login().find(|group| group.mailboxes.has_room())) {
            group.mailboxes.lock().insert(join.address.key());
            match group.joins.send(join) {
                Ok(()) => return,
                Err(unsent) => join = unsent.0,
            }
        }
        let (joins, waiting) = mpsc::unbounded_channel();
        let mailboxes = Mailboxes::default();
        mailboxes.lock().insert(join.address.key());
        groups.push(Group { login, mailboxes: mailboxes.clone(), joins });
        tokio::spawn(begin(recipe.again(), (waiting, mailboxes), join));
    }
}

/// Connects, and works until nobody listens any more.
async fn begin(
    recipe: Recipe,
    (waiting, mailboxes): (mpsc::UnboundedReceiver<Join>, Mailboxes),
    first: Join,
) {
    let (control, stream) = match (recipe.session().await, recipe.session().await) {
        (Ok(control), Ok(stream)) => (control, stream),
        // Those who wait meanwhile hear that the group has ended, and begin another one.
        (Err(failure), _) | (_, Err(failure)) => return drop(first.reply.send(Err(failure))),
    };
    let (members, silence_max) = (BTreeMap::new(), recipe.silence_max);
    let mut group = Listening {
        control,
        stream,
        waiting,
        mailboxes,
        members,
        silence_max,
        failures: 0,
        missed: Missed::Nothing,
    };
    group.admit(first).await;
    group.run().await;
}

/// A group at work.
struct Listening {
    control: Session,
    stream: Session,
    waiting: mpsc::UnboundedReceiver<Join>,
    mailboxes: Mailboxes,
    /// By subscription.
    members: BTreeMap<String, Subscribed>,
    silence_max: Duration,
    failures: u32,
    missed: Missed,
}

/// What came while no stream was open. Nobody tells of it: who listens has to look once the next stream is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missed {
    Nothing,
    Perhaps,
}

/// Why a stream is over.
enum Over {
    /// Its time is over.
    InOrder,
    /// Others have joined, and want to be told of as well.
    Joined,
    Failed,
    /// The server knows none of the subscriptions any more.
    Forgotten,
    LoggedOut,
    /// The server does not stream.
    Refused,
}

impl Listening {
    async fn run(mut self) {
        loop {
            if self.members.is_empty() {
                match timeout(limits::EWS_GROUP_IDLE_MAX, self.waiting.recv()).await {
                    Ok(Some(join)) => self.admit(join).await,
                    Ok(None) | Err(_) => return,
                }
                continue;
            }
            let over = self.listen().await;
            self.missed = Missed::Perhaps;
            self.members.values_mut().for_each(|member| member.hearing = Hearing::NotYet);
            match over {
                Over::InOrder => {
                    self.failures = 0;
                    self.forget_the_gone();
                }
                Over::Joined => {}
                Over::Failed => {
                    tell_all(&self.members);
                    self.failures += 1;
                    let doubled = 2_u32.saturating_pow(self.failures - 1);
                    let wait = limits::EWS_STREAM_WAIT.saturating_mul(doubled);
                    sleep(wait.min(limits::EWS_STREAM_WAIT_MAX)).await;
                    self.forget_the_gone();
                }
                Over::Forgotten => self.end_all(Fate::Lost),
                Over::LoggedOut => return self.end_all(Fate::Lost),
                Over::Refused => return self.end_all(Fate::Refused),
            }
        }
    }

    fn end_all(&mut self, fate: Fate) {
        for (_, member) in std::mem::take(&mut self.members) {
            member.end(fate);
        }
        self.mailboxes.lock().clear();
    }

    /// Mailboxes that nobody listens to any more. Their subscriptions end by themselves at the server.
    fn forget_the_gone(&mut self) {
        self.members.retain(|_, member| member.is_wanted());
        *self.mailboxes.lock() = self.members.values().map(|member| member.address.key()).collect();
    }

    async fn admit(&mut self, join: Join) {
        if let Entered::Refused(address) = admit(&mut self.control, &mut self.members, join).await {
            self.mailboxes.lock().remove(&address.key());
        }
    }

    /// One stream, up to its end.
    async fn listen(&mut self) -> Over {
        let Self { control, stream, waiting, mailboxes, members, silence_max, failures, missed } = self;
        let mut told_of: Vec<String> = members.keys().cloned().collect();
        let subscriptions = told_of.iter().map(|id| Subscription { id: id.clone() }).collect();
        let operation = GetStreamingEvents { subscriptions, minutes: limits::EWS_STREAM_MINUTES };
        let (heard, mut told) = mpsc::unbounded_channel();
        let streaming = stream.stream(&operation, *silence_max, heard);
        tokio::pin!(streaming);
        let mut again: Option<Pin<Box<Sleep>>> = None;
        loop {
            tokio::select! {
                biased;
                Some(notifications) = told.recv() => {
                    *failures = 0;
                    // The first sign of life: from now on everything is told.
                    if std::mem::replace(missed, Missed::Nothing) == Missed::Perhaps {
                        tell_all(members);
                    }
                    for id in told_of.drain(..) {
                        if let Some(member) = members.get_mut(&id) {
                            member.is_heard();
                        }
                    }
                    tell(members, mailboxes, notifications);
                    if members.is_empty() {
                        return Over::InOrder;
                    }
                }
                ended = &mut streaming => {
                    while let Ok(notifications) = told.try_recv() {
                        tell(members, mailboxes, notifications);
                    }
                    return judge(ended);
                }
                Some(join) = waiting.recv() => match admit(control, members, join).await {
                    Entered::Anew => drop(again.get_or_insert_with(|| Box::pin(sleep(limits::EWS_JOIN_WAIT)))),
                    Entered::Again => {}
                    Entered::Refused(address) => drop(mailboxes.lock().remove(&address.key())),
                },
                () = until(&mut again) => return Over::Joined,
            }
        }
    }
}

async fn until(moment: &mut Option<Pin<Box<Sleep>>>) {
    match moment {
        Some(moment) => moment.await,
        None => std::future::pending().await,
    }
}

fn judge(ended: Result<(), EwsFailure>) -> Over {
    const NEVER: [&str; 3] =
        ["ErrorExceededConnectionCount", "ErrorInvalidSubscriptionRequest", "ErrorInvalidRequest"];
    const FORGOTTEN: [&str; 4] = [
        "ErrorSubscriptionNotFound",
        "ErrorMissedNotificationEvents",
        "ErrorExpiredSubscription",
        "ErrorInvalidSubscription",
    ];
    match ended {
        Ok(()) => Over::InOrder,
        Err(failure) if FORGOTTEN.iter().any(|code| failure.is(code)) => Over::Forgotten,
        // What it logged in with has changed or is over: who joins next brings another one.
        Err(EwsFailure::Conversation(Cause::LoginRefused { .. })) => Over::LoggedOut,
        Err(failure) if NEVER.iter().any(|code| failure.is(code)) => Over::Refused,
        Err(_) => Over::Failed,
    }
}

/// How somebody joined.
enum Entered {
    Anew,
    /// The subscription was there already.
    Again,
    Refused(Address),
}

/// Subscribes where nobody has; whoever joins hears of it with the first word of a stream that tells of the mailbox. Whoever went away meanwhile is not waited for.
async fn admit(
    control: &mut Session,
    members: &mut BTreeMap<String, Subscribed>,
    Join { address, reply }: Join,
) -> Entered {
    if let Some(known) = members.values_mut().find(|member| member.address.same_as(&address)) {
        known.join(reply);
        return Entered::Again;
    }
    control.act_for(&address);
    let folder = control.folder(WellKnown::Inbox);
    match control.call(&Subscribe { folder }).await {
        Ok(Subscription { id }) => {
            members.insert(id, Subscribed::new(address, reply));
            Entered::Anew
        }
        Err(failure) => {
            let _ = reply.send(Err(failure));
            Entered::Refused(address)
        }
    }
}

fn tell(members: &mut BTreeMap<String, Subscribed>, mailboxes: &Mailboxes, notifications: Notifications) {
    for id in notifications.changed {
        if let Some(member) = members.get(&id) {
            member.tell();
        }
    }
    for id in notifications.lost {
        if let Some(member) = members.remove(&id) {
            mailboxes.lock().remove(&member.address.key());
            member.end(Fate::Lost);
        }
    }
}

fn tell_all(members: &BTreeMap<String, Subscribed>) {
    members.values().for_each(|member| member.tell());
}
