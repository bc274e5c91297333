//! The inbox of an IMAP server as the engine sees it: which conversations in which order.

mod fetching;
mod wanting;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::model::cursor::{Content, Cursor, Extent, Fetched, Listed, Listing, Part, RemoteId};
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::limits;
use crate::model::profile::{Authentication, Protocol, TlsMode};
use crate::model::server::Destination;
use crate::net::{Connection, Network};
use crate::protocol::Conversation;
use crate::protocol::imap::{
    self, Access, Capabilities, Greeted, LoginWay, Missing, Numbering, Opened, SessionState, Tags,
};
use crate::protocol::sasl::{Attempts, Channel};

use super::{Arrivals, Receive, Removal, Rested, Trace, Wake, login};
use fetching::refused_alone;
use wanting::{Wanted, first_uid, went_back};

/// Connects, secures, logs in and opens the inbox read-only: steps `resolve`, `connect`, `tls`, `greet`,
/// `authenticate`, `open` (with STARTTLS, `tls` follows `greet`).
pub async fn open(
    network: &Network,
    destination: &Destination,
    trace: &mut Trace,
) -> Result<Box<dyn Receive>, RemoteError> {
    let connection = network.connect(destination, Protocol::Imap, trace).await?;
    let endpoint = &destination.endpoint;
    let timeout = endpoint
        .timeout_seconds
        .map_or(limits::READ_TIMEOUT, |seconds| Duration::from_secs(seconds.max(1).into()));
    let mut session = Session { connection, tags: Tags::default(), timeout, numbering: Numbering::AtOnce };

    let mut greeted = trace.step(TestStep::Greet, session.greet(endpoint.tls)).await?;
    trace.greeted(&greeted.said);
    match endpoint.tls {
        TlsMode::Starttls => {
            let before_tls = greeted.capabilities.take().unwrap_or_default();
            trace.step(TestStep::Tls, session.start_tls(&before_tls)).await?;
            if let Some(words) = session.connection.tls_words() {
                trace.detail(words);
            }
        }
        TlsMode::Implicit | TlsMode::None => {}
    }
    let channel = network.login_channel(&session.connection);
    if trace.findings().is_some() {
        let offered = session.known_or_asked(greeted.capabilities.take()).await;
        let offered = offered.map_err(|cause| RemoteError::new(TestStep::Greet, cause))?;
        trace.offers(|| offered.words(), || imap::ways_to_log_in(&offered));
        greeted.capabilities = Some(offered);
    }
    let holder = login::Holder::of(network, destination, Protocol::Imap, trace).await?;
    let who = (holder.as_ref(), endpoint.authentication);
    let (capabilities, words) =
        trace.step(TestStep::Authenticate, session.authenticate(who, greeted, channel)).await?;
    trace.detail(words);

    let opened = trace.step(TestStep::Open, session.open_inbox(Access::ReadOnly)).await?;
    trace.detail(opened.messages.map_or_else(|| "unknown number of messages".to_owned(), messages_words));
    Ok(Box::new(ImapInbox { session, capabilities, inbox: Inbox::Fresh(opened), from: None }))
}

fn messages_words(count: u32) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}

/// A connection on which one command follows another.
struct Session {
    connection: Connection,
    tags: Tags,
    timeout: Duration,
    numbering: Numbering,
}

impl Session {
    async fn drive<C: Conversation>(&mut self, mut conversation: C) -> Result<C::Output, Cause> {
        self.connection.drive(&mut conversation, self.timeout).await
    }

    /// The greeting, always with the capabilities.
    async fn greet(&mut self, tls: TlsMode) -> Result<Greeted, Cause> {
        let mut greeted = self.drive(imap::greet()).await?;
        self.numbering = greeted.numbering;
        // Whoever says so before TLS may be anybody, and STARTTLS is no longer possible (RFC 9051 section 11.1).
        if (greeted.state, tls) == (SessionState::PreAuthenticated, TlsMode::Starttls) {
            return Err(Cause::StarttlsNotOffered);
        }
        greeted.capabilities = Some(self.known_or_asked(greeted.capabilities).await?);
        Ok(greeted)
    }

    async fn known_or_asked(&mut self, known: Option<Capabilities>) -> Result<Capabilities, Cause> {
        match known {
            Some(capabilities) => Ok(capabilities),
            None => {
                let tag = self.tags.next_tag();
                self.drive(imap::ask_capabilities(tag)).await
            }
        }
    }

    /// STARTTLS and the handshake.
    async fn start_tls(&mut self, capabilities: &Capabilities) -> Result<(), Cause> {
        if !capabilities.starttls() {
            return Err(Cause::StarttlsNotOffered);
        }
        let tag = self.tags.next_tag();
        self.drive(imap::start_tls(tag)).await?;
        self.connection.start_tls().await
    }

    /// Logs in; returns the capabilities of the authenticated session, and words for people.
    async fn authenticate(
        &mut self,
        (holder, declared): (Option<&login::Holder>, Authentication),
        greeted: Greeted,
        channel: Channel,
    ) -> Result<(Capabilities, String), Cause> {
        let offered = self.known_or_asked(greeted.capabilities).await?;
        if let SessionState::PreAuthenticated = greeted.state {
            return Ok((offered, "authenticated by the server".to_owned()));
        }
        let Some(holder) = holder else {
            return Err(Cause::Unsupported { setting: "reading an inbox without a login".to_owned() });
        };
        let ways = imap::ways_to_log_in(&offered);
        let mut attempts = Attempts::new(&ways, holder.wanted(declared), channel);
        let (way, capabilities) = loop {
            let way = imap::choose_login(&offered, attempts.wanted(), channel)?;
            match self.log_in(&offered, way, holder).await {
                Ok(capabilities) => break (way, capabilities),
                Err(cause) => attempts.failed(cause)?,
            }
        };
        let words = match way {
            LoginWay::Command => "LOGIN",
            LoginWay::Sasl(mechanism) => mechanism.name(),
        };
        Ok((self.known_or_asked(capabilities).await?, words.to_owned()))
    }

    async fn log_in(
        &mut self,
        offered: &Capabilities,
        way: LoginWay,
        holder: &login::Holder,
    ) -> Result<Option<Capabilities>, Cause> {
        let tag = self.tags.next_tag();
        match way {
            LoginWay::Command => {
                let (username, password) = holder.password()?;
                let login = imap::login(tag, offered, username, password.expose())?;
                self.drive(login).await
            }
            LoginWay::Sasl(mechanism) => {
                let exchange = holder.begin(mechanism).await?;
                self.drive(imap::authenticate(tag, offered, mechanism, exchange)).await
            }
        }
    }

    /// A server that notes the numbers of new mail only at SELECT is never merely looked at: what EXAMINE has shown there may
    /// name other messages a moment later.
    async fn open_inbox(&mut self, access: Access) -> Result<Opened, Cause> {
        let needed = match (access, self.numbering) {
            (Access::ReadOnly, Numbering::AtSelect) => Access::ReadWrite,
            (Access::ReadOnly, Numbering::AtOnce)
            | (Access::ReadWrite, Numbering::AtOnce | Numbering::AtSelect) => access,
        };
        let tag = self.tags.next_tag();
        match self.drive(imap::open_inbox(tag, needed)).await {
            Err(Cause::Refused { .. }) if needed != access => {
                let tag = self.tags.next_tag();
                self.drive(imap::open_inbox(tag, access)).await
            }
            opened => opened,
        }
    }

    async fn list_from(&mut self, opened: &Opened, first: u32) -> Result<Vec<Listed>, Cause> {
        let tag = self.tags.next_tag();
        self.drive(imap::list_from(tag, opened.validity, first, opened.messages)).await
    }

    /// Fetches a batch. Where the server refuses to answer for all, what is missing is asked for one by one, so that
    /// one message that the server cannot hand over does not hide the others.
    async fn fetch(&mut self, wanted: BTreeSet<u32>, part: Part) -> Result<Answers, Cause> {
        let tag = self.tags.next_tag();
        let outcome = self.drive(imap::fetch(tag, wanted.clone(), part)).await?;
        let mut answers = outcome.answered;
        let missing: Vec<u32> = wanted.iter().copied().filter(|uid| !answers.contains_key(uid)).collect();
        match outcome.missing {
            Missing::Vanished => {
                answers.extend(missing.into_iter().map(|uid| (uid, (None, Content::Vanished))));
            }
            // A server that cannot at present says nothing about the message.
            Missing::Unknown(cause @ Cause::TemporarilyRefused { .. }) if wanted.len() == 1 => {
                return Err(cause);
            }
            Missing::Unknown(cause) if missing.is_empty() || wanted.len() == 1 => {
                for uid in missing {
                    answers.insert(uid, (None, refused_alone(&cause)));
                }
            }
            Missing::Unknown(_) => {
                for uid in missing {
                    answers.extend(Box::pin(self.fetch(BTreeSet::from([uid]), part)).await?);
                }
            }
        }
        Ok(answers)
    }

    /// Flags and, where that is possible for these messages alone, expunges.
    async fn delete(&mut self, uids: &BTreeSet<u32>, capabilities: &Capabilities) -> Result<(), Cause> {
        for set in imap::uid_sets(uids) {
            let tag = self.tags.next_tag();
            self.drive(imap::flag_deleted(tag, &set, uids.len())).await?;
            if capabilities.uidplus() {
                let tag = self.tags.next_tag();
                self.drive(imap::expunge(tag, &set, uids.len())).await?;
            }
        }
        Ok(())
    }
}

type Answers = BTreeMap<u32, (Option<Timestamp>, Content)>;

/// An inbox that was opened.
struct ImapInbox {
    session: Session,
    capabilities: Capabilities,
    inbox: Inbox,
    /// What the server received before is not wanted.
    from: Option<Timestamp>,
}

/// What is known of the inbox.
#[derive(Debug, Clone, Copy)]
enum Inbox {
    /// Just opened: its numbers are those of now.
    Fresh(Opened),
    /// Listed before, and nothing beyond the cursor was there. Since then the server was only asked whether anything
    /// changed, so that whatever changes is told in the answer to that question.
    Quiet(Opened),
    /// Listed before: to be looked at again. What changed may have been told in the answer to some other command.
    Listed(Opened),
}

impl ImapInbox {
    fn opened(&self) -> Opened {
        match self.inbox {
            Inbox::Fresh(opened) | Inbox::Quiet(opened) | Inbox::Listed(opened) => opened,
        }
    }

    fn validity(&self) -> u32 {
        self.opened().validity
    }

    async fn list_beyond(&mut self, cursor: &Cursor) -> Result<Listing, Cause> {
        let opened = self.opened_now(cursor).await?;
        self.inbox = Inbox::Listed(opened);
        let validity = opened.validity;
        if let Some(cause) = went_back(cursor, &opened) {
            return Err(cause);
        }
        let Some(first) = first_uid(cursor, &opened) else {
            self.inbox = Inbox::Quiet(opened);
            return Ok(Listing::Imap { validity, messages: Vec::new(), extent: Extent::default() });
        };
        let mark = opened.mark();
        match self.wanted(first, &opened).await? {
            Wanted::From(wanted) => {
                let messages = self.session.list_from(&opened, wanted).await?;
                let messages = self.confirmed(messages, &opened).await?;
                let passed = if wanted > first { wanted - 1 } else { 0 };
                Ok(Listing::Imap { validity, messages, extent: Extent { passed, mark } })
            }
            Wanted::NothingUpTo(passed) => {
                Ok(Listing::Imap { validity, messages: Vec::new(), extent: Extent { passed, mark } })
            }
        }
    }

    /// Without UIDs at or above UIDNEXT that are not there when they are asked for again: mail that arrives between the two
    /// commands is, and what a server made up is not. The cursor would go beyond everything that is still to come.
    async fn confirmed(&mut self, listed: Vec<Listed>, opened: &Opened) -> Result<Vec<Listed>, Cause> {
        let Opened { validity, uid_next: Some(next), .. } = *opened else { return Ok(listed) };
        let is_foretold = |message: &Listed| uid_of(&message.id, validity).is_none_or(|uid| uid < next);
        if listed.iter().all(is_foretold) {
            return Ok(listed);
        }
        let again = self.session.list_from(opened, next).await?;
        let there: BTreeSet<u32> = again.iter().filter_map(|message| uid_of(&message.id, validity)).collect();
        let is_there =
            |message: &Listed| uid_of(&message.id, validity).is_some_and(|uid| there.contains(&uid));
        Ok(listed.into_iter().filter(|message| is_foretold(message) || is_there(message)).collect())
    }

    async fn delete_all(&mut self, messages: &[RemoteId]) -> Result<Vec<RemoteId>, Cause> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        self.is_to_be_opened();
        let validity = self.session.open_inbox(Access::ReadWrite).await?.validity;
        let uids: BTreeSet<u32> = messages.iter().filter_map(|id| uid_of(id, validity)).collect();
        self.session.delete(&uids, &self.capabilities).await?;
        Ok(messages.iter().filter(|id| uid_of(id, validity).is_some()).cloned().collect())
    }
}

/// The UID, when it is one of this validity.
fn uid_of(id: &RemoteId, validity_now: u32) -> Option<u32> {
    match id {
        RemoteId::Uid { validity, uid } if *validity == validity_now => Some(*uid),
        RemoteId::Uid { .. } | RemoteId::Uidl(_) | RemoteId::Item(_) => None,
    }
}

fn while_reading(cause: Cause) -> RemoteError {
    RemoteError::new(TestStep::Read, cause)
}

#[async_trait]
impl Receive for ImapInbox {
    fn wants_from(&mut self, from: Option<Timestamp>) {
        self.from = from;
    }

    async fn list(&mut self, cursor: &Cursor) -> Result<Listing, RemoteError> {
        self.list_beyond(cursor).await.map_err(while_reading)
    }

    async fn fetch(&mut self, messages: &[Listed], part: Part) -> Result<Vec<Fetched>, RemoteError> {
        self.fetch_all(messages, part).await.map_err(while_reading)
    }

    async fn fetch_each(
        &mut self,
        messages: &[Listed],
        arrivals: &mut dyn Arrivals,
    ) -> Result<(), RemoteError> {
        self.fetch_all_each(messages, arrivals).await.map_err(while_reading)
    }

    fn removal(&self) -> Removal {
        if self.capabilities.uidplus() { Removal::Real } else { Removal::Flag }
    }

    /// Only messages of the inbox's present UIDVALIDITY are removed. Without UIDPLUS they are flagged as deleted and
    /// count as removed: plain EXPUNGE would also remove what other people have flagged.
    async fn delete_and_close(
        mut self: Box<Self>,
        messages: &[RemoteId],
    ) -> Result<Vec<RemoteId>, RemoteError> {
        let removed = self.delete_all(messages).await;
        let tag = self.session.tags.next_tag();
        // The messages are gone or not; how the session ends changes nothing.
        self.session.timeout = self.session.timeout.min(limits::GOODBYE_TIMEOUT);
        let _ = self.session.drive(imap::logout(tag)).await;
        removed.map_err(|cause| RemoteError::new(TestStep::Delete, cause))
    }

    async fn delete_and_rest(mut self: Box<Self>, messages: &[RemoteId]) -> Result<Rested, RemoteError> {
        let removed =
            self.delete_all(messages).await.map_err(|cause| RemoteError::new(TestStep::Delete, cause))?;
        self.session.connection.rest();
        Ok(Rested { removed, session: Some(self) })
    }

    fn can_wait(&self) -> bool {
        self.capabilities.idle()
    }

    async fn wait_for_mail(
        &mut self,
        stop: &CancellationToken,
        limit: Duration,
    ) -> Result<Wake, RemoteError> {
        let woken = self.idle(stop, limit).await.map_err(while_reading);
        self.session.connection.rest();
        woken
    }
}

mod resting;
#[cfg(test)]
mod tests;
