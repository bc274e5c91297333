//! Reading a mailbox by POP3. The session's message numbers stay in here; outside, messages have lasting names.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::hand_over::hand_over;
use super::{Arrivals, Receive, login};
use crate::model::cursor::{Content, Cursor, Fetched, Listed, Listing, Part, RemoteId};
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::limits;
use crate::model::profile::{Authentication, Protocol, TlsMode};
use crate::model::server::Destination;
use crate::net::trace::Trace;
use crate::net::{Connection, Network};
use crate::protocol::Conversation;
use crate::protocol::pop3::{
    AskCapabilities, Authenticate, BeginTls, Capabilities, Entry, Greet, ListAll, MailboxSize, Method,
    Pipelining, Refusal, RemoveAndQuit, ResponseCode, Retrieve, RetrieveEach, Retrieved, choose_method,
    identity, identity::HeaderMark,
};
use crate::protocol::sasl::{Attempts, Channel};

/// Connects, secures, logs in and counts the messages. With STARTTLS, the step `greet` comes before `tls`.
pub async fn open(
    network: &Network,
    destination: &Destination,
    trace: &mut Trace,
) -> Result<Box<dyn Receive>, RemoteError> {
    let connection = network.connect(destination, Protocol::Pop3, trace).await?;
    let mut link = Link { connection, wait: wait(destination), state: LinkState::Usable };

    let greeted = trace.step(TestStep::Greet, greet(&mut link)).await?;
    trace.greeted(&greeted.words);
    trace.detail(greeted.words);
    let capabilities = match destination.endpoint.tls {
        TlsMode::Implicit | TlsMode::None => greeted.capabilities,
        TlsMode::Starttls => {
            let told = trace.step(TestStep::Tls, secure(&mut link, &greeted.capabilities)).await?;
            if let Some(words) = link.connection.tls_words() {
                trace.detail(words);
            }
            told
        }
    };
    trace.offers(|| capabilities.words(), || capabilities.ways_to_log_in());
    let channel = channel(destination.endpoint.tls, network.login_channel(&link.connection));
    let Some(holder) = login::Holder::of(network, destination, Protocol::Pop3, trace).await? else {
        let setting = "credentials: anonymous, with POP3".to_owned();
        return Err(RemoteError::new(TestStep::Authenticate, Cause::Unsupported { setting }));
    };
    let declared = destination.endpoint.authentication;
    let login = log_in(&mut link, &holder, declared, channel, &capabilities);
    let method = trace.step(TestStep::Authenticate, login).await?;
    trace.detail(method.name());
    let (count, pipelining) = trace.step(TestStep::Open, enter(&mut link, &capabilities)).await?;
    trace.detail(if count == 1 { "1 message".to_owned() } else { format!("{count} messages") });
    Ok(Box::new(Session { link, pipelining, count, numbers: BTreeMap::new() }))
}

fn wait(destination: &Destination) -> Duration {
    let asked = destination.endpoint.timeout_seconds;
    asked.map_or(limits::READ_TIMEOUT, |seconds| Duration::from_secs(u64::from(seconds.max(1))))
}

struct Greeted {
    words: String,
    capabilities: Capabilities,
}

async fn greet(link: &mut Link) -> Result<Greeted, Cause> {
    let words = link.drive(Greet::default()).await?;
    let capabilities = link.drive(AskCapabilities::default()).await?;
    Ok(Greeted { words, capabilities })
}

/// STLS and the handshake. What was told before it may have been tampered with, so it is asked again.
async fn secure(link: &mut Link, capabilities: &Capabilities) -> Result<Capabilities, Cause> {
    link.drive(BeginTls::new(capabilities)?).await?;
    link.connection.start_tls().await?;
    link.drive(AskCapabilities::default()).await
}

async fn log_in(
    link: &mut Link,
    holder: &login::Holder,
    declared: Authentication,
    channel: Channel,
    capabilities: &Capabilities,
) -> Result<Method, Cause> {
    let offered = capabilities.ways_to_log_in();
    let mut attempts = Attempts::new(&offered, holder.wanted(declared), channel);
    loop {
        let method = choose_method(capabilities, attempts.wanted(), channel)?;
        let login = match method {
            Method::UserPass => {
                let (username, password) = holder.password()?;
                Authenticate::user_pass(username, password)
            }
            Method::Sasl(mechanism) => {
                holder.begin(mechanism).await.map(|exchange| Authenticate::sasl(mechanism, exchange))
            }
        };
        let done = match login {
            Ok(login) => link.drive(login).await,
            Err(cause) => Err(cause),
        };
        match done {
            Ok(()) => return Ok(method),
            Err(cause) => attempts.failed(cause)?,
        }
    }
}

/// Whoever asked for TLS never logs in without, whatever the host allows those who did not.
fn channel(tls: TlsMode, connection: Channel) -> Channel {
    match (tls, connection) {
        (TlsMode::Implicit | TlsMode::Starttls, Channel::Clear { .. }) => Channel::Clear { allowed: false },
        (TlsMode::None, Channel::Clear { .. })
        | (TlsMode::Implicit | TlsMode::Starttls | TlsMode::None, Channel::Encrypted) => connection,
    }
}

/// How many messages there are. A server may tell more once somebody is logged in: whoever has not offered
/// pipelining is asked again, because it saves a round trip for every message.
async fn enter(link: &mut Link, capabilities: &Capabilities) -> Result<(u64, Pipelining), Cause> {
    let count = link.drive(MailboxSize::default()).await?;
    let pipelining = match (capabilities, capabilities.pipelining()) {
        (Capabilities::Told(_), Pipelining::NotOffered) if count > 1 => {
            link.drive(AskCapabilities::default()).await?.pipelining()
        }
        (Capabilities::Untold | Capabilities::Told(_), pipelining) => pipelining,
    };
    Ok((count, pipelining))
}

/// A connection that is not used again after an exchange was broken off: what then arrives may be the answer to an
/// earlier question.
struct Link {
    connection: Connection,
    wait: Duration,
    state: LinkState,
}

#[derive(Clone, Copy)]
enum LinkState {
    Usable,
    Broken,
}

impl Link {
    /// An exchange begins: it counts as broken off until it has ended, also when its future is dropped halfway.
    fn begin(&mut self) -> Result<(), Cause> {
        match std::mem::replace(&mut self.state, LinkState::Broken) {
            LinkState::Usable => Ok(()),
            LinkState::Broken => {
                Err(Cause::ConnectionLost { detail: "an earlier exchange was broken off".to_owned() })
            }
        }
    }

    async fn drive<C: Conversation>(&mut self, mut conversation: C) -> Result<C::Output, Cause> {
        self.begin()?;
        let result = self.connection.drive(&mut conversation, self.wait).await;
        // A refused login is a complete answer, after which another one may be tried.
        if matches!(result, Ok(_) | Err(Cause::LoginRefused { .. })) {
            self.state = LinkState::Usable;
        }
        result
    }
}

impl Link {
    /// Retrieves messages that are handed over as they arrive.
    async fn hand_over(
        &mut self,
        mut retrieve: RetrieveEach,
        asked: &BTreeMap<u32, &RemoteId>,
        arrivals: &mut dyn Arrivals,
    ) -> Result<(), Cause> {
        self.begin()?;
        let connection = &mut self.connection;
        hand_over(connection, &mut retrieve, self.wait, arrivals, |(number, retrieved)| {
            asked.get(&number).map(|id| answer((*id).clone(), content(retrieved)))
        })
        .await?;
        self.state = LinkState::Usable;
        Ok(())
    }
}

/// Header blocks in memory while messages are being named.
const HEADERS_AT_ONCE: usize = 256;

struct Session {
    link: Link,
    pipelining: Pipelining,
    /// By STAT; it cannot change during a session.
    count: u64,
    /// Of the messages listed in this session.
    numbers: BTreeMap<RemoteId, u32>,
}

impl Session {
    async fn list_all(&mut self) -> Result<Vec<Listed>, Cause> {
        self.numbers.clear();
        if self.count == 0 {
            return Ok(Vec::new());
        }
        let entries = self.link.drive(ListAll::new(self.pipelining)).await?;
        let headers = self.headers_of_unnamed(&entries).await?;
        let names = identity::names(&entries, &headers);
        let mut messages = Vec::with_capacity(entries.len());
        for (entry, name) in entries.iter().zip(names) {
            let id = RemoteId::Uidl(name);
            self.numbers.insert(id.clone(), entry.number);
            messages.push(Listed { id, size: entry.size, received: None });
        }
        Ok(messages)
    }

    async fn headers_of_unnamed(&mut self, entries: &[Entry]) -> Result<BTreeMap<u32, HeaderMark>, Cause> {
        let mut headers = BTreeMap::new();
        let unnamed = identity::unnamed(entries);
        for some in unnamed.chunks(HEADERS_AT_ONCE) {
            let asked = Retrieve::new(some.to_vec(), Part::Headers, self.pipelining);
            for (number, answer) in self.link.drive(asked).await? {
                match answer {
                    Retrieved::Octets(block) => {
                        headers.insert(number, HeaderMark::of(&block));
                    }
                    Retrieved::Refused(_) | Retrieved::Streamed(_) | Retrieved::TooLarge(_) => {}
                }
            }
            if headers.is_empty() && entries.iter().all(|entry| entry.uidl.is_none()) {
                return Err(Cause::Unsupported {
                    setting: "a POP3 server with neither UIDL nor TOP".to_owned(),
                });
            }
        }
        Ok(headers)
    }

    async fn fetch_all(&mut self, messages: &[Listed], part: Part) -> Result<Vec<Fetched>, Cause> {
        let mut fetched = Vec::with_capacity(messages.len());
        let mut asked: BTreeMap<u32, RemoteId> = BTreeMap::new();
        for message in messages {
            match (self.numbers.get(&message.id), beyond_limit(message, part)) {
                (None, _) => fetched.push(answer(message.id.clone(), Content::Vanished)),
                (Some(_), Some(size)) => {
                    fetched.push(answer(message.id.clone(), Content::TooLarge(size)));
                }
                (Some(number), None) => {
                    asked.insert(*number, message.id.clone());
                }
            }
        }
        for (number, retrieved) in self.retrieve(asked.keys().copied().collect(), part).await? {
            if let Some(id) = asked.remove(&number) {
                fetched.push(answer(id, content(retrieved)));
            }
        }
        Ok(fetched)
    }

    async fn fetch_all_each(
        &mut self,
        messages: &[Listed],
        arrivals: &mut dyn Arrivals,
    ) -> Result<(), Cause> {
        let mut asked: BTreeMap<u32, &RemoteId> = BTreeMap::new();
        for message in messages {
            let known = match (self.numbers.get(&message.id), beyond_limit(message, Part::Whole)) {
                (None, _) => Content::Vanished,
                (Some(_), Some(size)) => Content::TooLarge(size),
                (Some(number), None) => {
                    asked.insert(*number, &message.id);
                    continue;
                }
            };
            arrivals.message(answer(message.id.clone(), known)).await?;
        }
        let retrieve = RetrieveEach::new(asked.keys().copied().collect(), self.pipelining);
        self.link.hand_over(retrieve, &asked, arrivals).await
    }

    /// TOP is optional (RFC 1939 section 7): headers that it does not bring are cut off the whole message.
    async fn retrieve(&mut self, numbers: Vec<u32>, part: Part) -> Result<Vec<(u32, Retrieved)>, Cause> {
        let mut answers = self.link.drive(Retrieve::new(numbers, part, self.pipelining)).await?;
        match part {
            Part::Whole => return Ok(answers),
            Part::Headers => {}
        }
        let refused = |answer: &Retrieved| match answer {
            Retrieved::Refused(refusal) => !says_gone(refusal),
            Retrieved::Octets(_) | Retrieved::Streamed(_) | Retrieved::TooLarge(_) => false,
        };
        let again = answers.extract_if(.., |(_, answer)| refused(answer)).map(|(number, _)| number).collect();
        let whole = self.link.drive(Retrieve::new(again, Part::Whole, self.pipelining)).await?;
        answers.extend(whole.into_iter().map(|(number, answer)| (number, answer.into_header_block())));
        Ok(answers)
    }
}

fn answer(id: RemoteId, content: Content) -> Fetched {
    Fetched { id, received: None, content, rebuilt: None }
}

/// The announced size of a message that would not even be read to its end. Any other is a hint: servers count wrongly.
fn beyond_limit(message: &Listed, part: Part) -> Option<u64> {
    match part {
        Part::Headers => None,
        Part::Whole => message.size.filter(|size| *size > limits::LITERAL_DROPPED_BYTES_MAX),
    }
}

fn content(retrieved: Retrieved) -> Content {
    match retrieved {
        Retrieved::Octets(octets) => Content::Bytes(octets),
        Retrieved::Streamed(size) => Content::Streamed(size),
        Retrieved::TooLarge(size) => Content::TooLarge(size),
        Retrieved::Refused(refusal) if says_gone(&refusal) => Content::Vanished,
        Retrieved::Refused(refusal) => match refusal.code {
            ResponseCode::SystemPermanent => Content::Refused(refusal.said),
            ResponseCode::None
            | ResponseCode::Unknown
            | ResponseCode::InUse
            | ResponseCode::LoginDelay
            | ResponseCode::SystemTemporary
            | ResponseCode::Authentication => Content::Deferred(refusal.said),
        },
    }
}

/// There is no response code for a message that is no longer there; these are the words of servers in use.
fn says_gone(refusal: &Refusal) -> bool {
    let words = refusal.said.to_ascii_lowercase();
    let gone = ["no such message", "expunged", "does not exist", "doesn't exist", "deleted", "not found"];
    match refusal.code {
        ResponseCode::None | ResponseCode::Unknown => gone.iter().any(|mark| words.contains(mark)),
        ResponseCode::InUse
        | ResponseCode::LoginDelay
        | ResponseCode::SystemTemporary
        | ResponseCode::SystemPermanent
        | ResponseCode::Authentication => false,
    }
}

#[async_trait]
impl Receive for Session {
    /// The whole mailbox, whatever the cursor holds: POP3 cannot ask for less.
    async fn list(&mut self, _cursor: &Cursor) -> Result<Listing, RemoteError> {
        let listed = self.list_all().await;
        let messages = listed.map_err(|cause| RemoteError::new(TestStep::Read, cause))?;
        Ok(Listing::Pop3 { messages })
    }

    async fn fetch(&mut self, messages: &[Listed], part: Part) -> Result<Vec<Fetched>, RemoteError> {
        self.fetch_all(messages, part).await.map_err(|cause| RemoteError::new(TestStep::Read, cause))
    }

    async fn fetch_each(
        &mut self,
        messages: &[Listed],
        arrivals: &mut dyn Arrivals,
    ) -> Result<(), RemoteError> {
        let fetched = self.fetch_all_each(messages, arrivals).await;
        fetched.map_err(|cause| RemoteError::new(TestStep::Read, cause))
    }

    async fn delete_and_close(
        mut self: Box<Self>,
        messages: &[RemoteId],
    ) -> Result<Vec<RemoteId>, RemoteError> {
        let mut asked: BTreeMap<u32, RemoteId> = BTreeMap::new();
        for id in messages {
            if let Some(number) = self.numbers.get(id) {
                asked.insert(*number, id.clone());
            }
        }
        if asked.is_empty() {
            // Nothing is at stake, whatever becomes of the goodbye.
            self.link.wait = self.link.wait.min(limits::GOODBYE_TIMEOUT);
            let _ = self.link.drive(RemoveAndQuit::new(Vec::new(), self.pipelining)).await;
            return Ok(Vec::new());
        }
        let removal = RemoveAndQuit::new(asked.keys().copied().collect(), self.pipelining);
        let gone = self.link.drive(removal).await;
        let gone = gone.map_err(|cause| RemoteError::new(TestStep::Delete, cause))?;
        Ok(gone.iter().filter_map(|number| asked.remove(number)).collect())
    }
}

#[cfg(test)]
mod tests;
