//! Submission over SMTP: the conversations of `protocol::smtp` in their order, over one connection.

use std::time::Duration;

use async_trait::async_trait;

use super::{Submit, login};
use crate::model::failure::{Cause, RemoteError, TestStep};
use crate::model::limits;
use crate::model::name::Address;
use crate::model::outbox::Submitted;
use crate::model::profile::{Authentication, Endpoint, Protocol, TlsMode};
use crate::model::server::Destination;
use crate::net::trace::Trace;
use crate::net::{Connection, Network};
use crate::protocol::sasl::{self, Attempts, Channel, Mechanism};
use crate::protocol::smtp;

/// Connects, secures, greets and logs in. Steps: `resolve`, `connect`, `tls`, `greet`, `authenticate`; with STARTTLS
/// the order is `greet`, `tls`, `greet`, because what a server says before TLS does not count behind it.
pub async fn open(
    network: &Network,
    destination: &Destination,
    trace: &mut Trace,
) -> Result<Box<dyn Submit>, RemoteError> {
    let endpoint = &destination.endpoint;
    let waits = Waits::of(endpoint);
    let mut connection = network.connect(destination, Protocol::Smtp, trace).await?;
    let name = network.smtp_name().unwrap_or_else(|| smtp::client_name(&destination.address));
    let offered = greet(&mut connection, (destination, name), waits, trace).await?;
    trace.offers(|| offered.words(), || offered.auth.clone());
    if let Some(holder) = login::Holder::of(network, destination, Protocol::Smtp, trace).await? {
        let channel = network.login_channel(&connection);
        let mechanism = trace
            .step(TestStep::Authenticate, async {
                let mut attempts =
                    Attempts::new(&offered.auth, holder.wanted(endpoint.authentication), channel);
                loop {
                    let mechanism = select(&offered, attempts.wanted(), channel)?;
                    match log_in(&mut connection, &holder, mechanism, waits).await {
                        Ok(()) => return Ok(mechanism),
                        Err(cause) => attempts.failed(cause)?,
                    }
                }
            })
            .await?;
        trace.detail(mechanism.name());
    }
    Ok(Box::new(Session { connection, offered, waits, state: State::Open }))
}

async fn log_in(
    connection: &mut Connection,
    holder: &login::Holder,
    mechanism: Mechanism,
    waits: Waits,
) -> Result<(), Cause> {
    let mut login = smtp::Login::new(mechanism, holder.begin(mechanism).await?);
    connection.drive(&mut login, waits.reply).await
}

/// A server that offers STARTTLS and no login wants TLS first.
fn select(
    offered: &smtp::Capabilities,
    wanted: Authentication,
    channel: Channel,
) -> Result<Mechanism, Cause> {
    match (sasl::select(&offered.auth, wanted, channel), channel) {
        (Err(Cause::NoMechanism { .. }), _) if offered.ehlo_refused.is_some() => {
            Err(ehlo_refused(offered, Cause::StarttlsNotOffered))
        }
        (Err(Cause::NoMechanism { .. } | Cause::PlaintextLogin), Channel::Clear { .. })
            if offered.auth.is_empty() && offered.starttls =>
        {
            Err(Cause::LoginNeedsTls)
        }
        (selected, Channel::Clear { .. } | Channel::Encrypted) => selected,
    }
}

/// Whoever does not take EHLO offers nothing: that is what went wrong then.
fn ehlo_refused(offered: &smtp::Capabilities, otherwise: Cause) -> Cause {
    match &offered.ehlo_refused {
        Some(said) => Cause::EhloRefused { said: said.clone() },
        None => otherwise,
    }
}

/// How long a reply may take.
#[derive(Debug, Clone, Copy)]
struct Waits {
    reply: Duration,
    /// The reply to the final dot.
    verdict: Duration,
}

impl Waits {
    fn of(endpoint: &Endpoint) -> Self {
        let given = endpoint.timeout_seconds.map(|seconds| Duration::from_secs(seconds.max(1).into()));
        Self {
            reply: given.unwrap_or(limits::READ_TIMEOUT),
            verdict: given.unwrap_or(limits::SUBMISSION_TIMEOUT),
        }
    }
}

async fn greet(
    connection: &mut Connection,
    (destination, name): (&Destination, &str),
    waits: Waits,
    trace: &mut Trace,
) -> Result<smtp::Capabilities, RemoteError> {
    let mut hello = smtp::Hello::greeted(name);
    let offered = trace.step(TestStep::Greet, connection.drive(&mut hello, waits.reply)).await?;
    trace.greeted(&offered.greeting);
    match destination.endpoint.tls {
        TlsMode::Implicit | TlsMode::None => return Ok(offered),
        TlsMode::Starttls => {}
    }
    trace
        .step(TestStep::Tls, async {
            if !offered.starttls {
                return Err(ehlo_refused(&offered, Cause::StarttlsNotOffered));
            }
            connection.drive(&mut smtp::StartTls::default(), waits.reply).await?;
            connection.start_tls().await
        })
        .await?;
    if let Some(words) = connection.tls_words() {
        trace.detail(words);
    }
    let mut hello = smtp::Hello::again(name);
    trace.step(TestStep::Greet, connection.drive(&mut hello, waits.reply)).await
}

struct Session {
    connection: Connection,
    offered: smtp::Capabilities,
    waits: Waits,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// A transaction is under way, was given up in the middle, or ended the session.
    Over,
    /// The same, and a message is being handed over: the server may have it.
    InDoubt,
}

impl Session {
    async fn transact(
        &mut self,
        from: &Address,
        recipients: &[Address],
        raw: &[u8],
    ) -> Result<Submitted, Cause> {
        if self.state != State::Open {
            let detail = "the session ended with an earlier message".to_owned();
            return Err(Cause::ConnectionLost { detail });
        }
        // Open again only at a known end: if this future is dropped half-way, the session stays over.
        self.state = State::Over;
        let content = smtp::Content::prepare(raw).fitting(&self.offered);
        loop {
            let mut envelope = smtp::Envelope::new(from, recipients, &content, &self.offered);
            let verdict = self.connection.drive(&mut envelope, self.waits.reply).await?;
            match verdict.next {
                smtp::Next::Deliver => {
                    if let Some(submitted) = self.deliver(verdict, &content).await? {
                        return Ok(submitted);
                    }
                }
                smtp::Next::LoneDot | smtp::Next::Reset | smtp::Next::Nothing => {
                    self.abandon(verdict.next).await;
                    return Ok(verdict.without_delivery());
                }
            }
        }
    }

    /// `None`: the server does not know BDAT after all, as behind some firewalls; the message is to be handed over anew
    /// with DATA.
    async fn deliver(
        &mut self,
        verdict: smtp::Verdict,
        content: &smtp::Content,
    ) -> Result<Option<Submitted>, Cause> {
        let transfer = self.offered.transfer();
        let mut delivery = smtp::Delivery::new(content, transfer);
        self.state = State::InDoubt;
        let end = self.connection.drive(&mut delivery, self.waits.verdict).await;
        self.state = State::Over;
        if let (smtp::Transfer::Chunk, Ok(smtp::Reply { code: 500..=504, .. }), smtp::Aftermath::ToReset) =
            (transfer, &end, delivery.aftermath(&end))
        {
            self.abandon(smtp::Next::Reset).await;
            if let State::Open = self.state {
                self.state = State::Over;
                self.offered.chunking = false;
                return Ok(None);
            }
        }
        let result = delivery.judge(&end)?;
        match delivery.aftermath(&end) {
            smtp::Aftermath::Ready => self.state = State::Open,
            smtp::Aftermath::ToReset => self.abandon(smtp::Next::Reset).await,
            smtp::Aftermath::SessionOver => {}
        }
        Ok(Some(verdict.settle(&result)))
    }

    /// The recipients have their answers already: a failure here only ends the session.
    async fn abandon(&mut self, next: smtp::Next) {
        let mut abandon = smtp::Abandon::new(next);
        if self.connection.drive(&mut abandon, self.waits.reply).await.is_ok() {
            self.state = State::Open;
        }
    }
}

#[async_trait]
impl Submit for Session {
    async fn send(
        &mut self,
        from: &Address,
        recipients: &[Address],
        raw: &[u8],
    ) -> Result<Submitted, RemoteError> {
        let submitted = self.transact(from, recipients, raw).await;
        submitted.map_err(|cause| RemoteError::new(TestStep::Send, cause))
    }

    fn may_have_taken(&self) -> bool {
        self.state == State::InDoubt
    }

    fn is_open(&self) -> bool {
        self.state == State::Open
    }

    async fn close(mut self: Box<Self>) {
        if let State::Open = self.state {
            let mut quit = smtp::Quit::default();
            // Nothing is lost with an unanswered goodbye: every message has its answer.
            let _ = self.connection.drive(&mut quit, limits::GOODBYE_TIMEOUT.min(self.waits.reply)).await;
        }
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod conversations;
