//! The steps of test and enable on demand, to explain and not to enable: no state is changed, no lease is taken, and
//! nothing is sent unless it is asked for.

use std::sync::Arc;

use crate::model::cursor::{Cursor, Listed, Part};
use crate::model::examination::{Examination, LoginTried, Remark, Verdict};
use crate::model::failure::{RemoteError, TestStep};
use crate::model::lease::LeaseScope;
use crate::model::mailbox::Mailbox;
use crate::model::operation::{OffReason, Operation, OperationState};
use crate::model::profile::Profile;
use crate::model::server::Destination;
use crate::remote::Trace;
use crate::store::MailboxRow;
use crate::sync::classify::Setting;
use crate::sync::{doctor, patience, self_message};

use super::destination::{Reach, Route};
use super::lease::Held;
use super::receive_back::nonce;
use super::test_and_enable::accepted;
use super::{Engine, WorkError, bounded, forwarding};

/// Whether a message may be sent from the mailbox to itself. What arrives of it is recognised and never becomes a record,
/// for which its mark is noted in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    Nothing,
    TestMessage,
}

/// Whether other ways to log in than the one that was used are tried, each on a connection of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logins {
    One,
    Each,
}

/// What is examined.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    pub sending: Sending,
    pub logins: Logins,
}

/// Examines both directions of a mailbox, in its declared version, whatever their states are.
pub async fn mailbox(engine: &Engine, row: &MailboxRow, request: Request) -> Vec<Examination> {
    let Some(reach) = Reach::declared(row) else { return Vec::new() };
    let mut examined = Vec::new();
    for operation in [Operation::Incoming, Operation::Outgoing] {
        if engine.stopping.is_cancelled() {
            break;
        }
        let known = row.stored.operations.get(&operation).map(|known| &known.state);
        if let Some(OperationState::Off(reason)) = known {
            examined.extend(switched_off(&reach, operation, *reason));
        } else if row.stored.declared.wants(operation) {
            let _permit = engine.permits.acquire(&reach.profile, operation).await;
            let examining = Examining { engine, reach: &reach, request };
            let mut examination = examining.operation(operation).await;
            examination.remarks.extend(former_in_use(engine, row, operation));
            examined.push(examination);
        }
    }
    examined
}

/// What is examined is declared, and need not be what the mailbox works with.
fn former_in_use(engine: &Engine, row: &MailboxRow, operation: Operation) -> Option<Remark> {
    let address = &row.effective.get(&operation)?.address;
    let reach = Reach::effective(row, operation)?;
    let route = Route::find(engine, &reach, operation)?;
    let Setting { host, port, .. } = route.setting();
    Some(Remark {
        what: format!(
            "this is a change that has not passed its test; until then {operation} works on as {address} over {host}:{port}"
        ),
        remedy: format!("`mailplumb test {}` tests the change, and puts it into use", route.mailbox.name),
    })
}

/// What is off is not contacted: nobody approved it, or nobody wants it. That is worth a word, unless it is so declared.
fn switched_off(
    Reach { mailbox, profile, .. }: &Reach,
    operation: Operation,
    reason: OffReason,
) -> Option<Examination> {
    let words = match reason {
        OffReason::MethodNone | OffReason::ForwardMailbox => return None,
        OffReason::NotApproved => format!(
            "nobody approved its address; write `approved: {}` at the mailbox, or `mailplumb approve {}` where the organization \
             approves by command, then apply",
            mailbox.address, mailbox.name
        ),
        OffReason::MailboxInactive => "the mailbox is inactive (`active: false` in the manifest)".to_owned(),
        OffReason::ProfileInactive => {
            format!("its profile `{}` is inactive (`active: false` in the manifest)", profile.name)
        }
        OffReason::NoProfile => "it has no profile".to_owned(),
    };
    Some(untried(mailbox, profile, operation, Verdict::Off(words)))
}

/// An examination that has not begun.
fn untried(mailbox: &Mailbox, profile: &Profile, operation: Operation, verdict: Verdict) -> Examination {
    Examination {
        mailbox: mailbox.name.clone(),
        address: mailbox.address.clone(),
        profile: profile.name.clone(),
        operation,
        server: None,
        steps: Vec::new(),
        found: Default::default(),
        logins: Vec::new(),
        verdict,
        remarks: Vec::new(),
    }
}

struct Examining<'a> {
    engine: &'a Engine,
    reach: &'a Reach,
    request: Request,
}

impl Examining<'_> {
    async fn operation(&self, operation: Operation) -> Examination {
        let Reach { mailbox, profile, .. } = self.reach;
        let mut examination = untried(mailbox, profile, operation, Verdict::Works);
        let Some(route) = Route::find(self.engine, self.reach, operation) else {
            let reason = "this version has no connector for this kind of server".to_owned();
            examination.verdict = Verdict::NotTried(reason);
            return examination;
        };
        let setting = route.setting();
        examination.server = Some(format!("{}:{}", setting.host, setting.port));
        let mut trace = Trace::searching(Arc::clone(&self.engine.clock));
        let result = self.direction(&route, operation, &mut trace, &mut examination.remarks).await;
        examination.found = trace.found();
        examination.steps = trace.into_steps();
        match result {
            Ok(destination) => {
                examination.logins = self.logins(&route, operation, destination, &examination).await;
            }
            Err(WorkError::Remote(error)) => {
                examination.verdict = Verdict::Failed(Box::new(route.judge(self.engine, error).await));
            }
            Err(WorkError::Store(error)) => {
                examination.verdict = Verdict::NotTried(format!("the store: {error}"));
            }
        }
        if operation == Operation::Outgoing
            && let Ok(Some(since)) = self.engine.store.not_received_back(&mailbox.name).await
        {
            examination.remarks.push(doctor::not_received_back(&mailbox.name, since));
        }
        let now = self.engine.clock.now();
        examination.remarks.extend(examination.found.greeting.as_ref().and_then(doctor::greeting_remark));
        examination.remarks.extend(doctor::server_remark(&examination.found.capabilities, now));
        examination.remarks.extend(doctor::certificate_remarks(&examination.found.certificates, now));
        examination
    }

    async fn direction(
        &self,
        route: &Route<'_>,
        operation: Operation,
        trace: &mut Trace,
        remarks: &mut Vec<Remark>,
    ) -> Result<Destination, WorkError> {
        let destination = route.destination(self.engine).await?;
        match operation {
            Operation::Incoming => self.read(route, &destination, trace, remarks).await?,
            Operation::Outgoing => self.submit(route, &destination, trace, remarks).await?,
            Operation::Act => {}
        }
        Ok(destination)
    }

    /// Connect, log in, open the inbox, list it, read the newest message's headers.
    async fn read(
        &self,
        route: &Route<'_>,
        destination: &Destination,
        trace: &mut Trace,
        remarks: &mut Vec<Remark>,
    ) -> Result<(), WorkError> {
        let cursor = self.engine.store.cursor(&route.mailbox.name).await.unwrap_or(Cursor::Start);
        let mut session = bounded(TestStep::Connect, route.connector.receive(destination, trace)).await?;
        let listing = trace.step(TestStep::Read, async {
            let listing = session.list(&cursor).await.map_err(|error| error.cause)?;
            if let Some(newest) = listing.messages().last() {
                let newest = std::slice::from_ref(newest);
                session.fetch(newest, Part::Headers).await.map_err(|error| error.cause)?;
            }
            Ok(listing)
        });
        let listing = listing.await?;
        trace.detail(doctor::listing_words(&listing, &cursor));
        let newest = listing.messages().iter().filter_map(|message: &Listed| message.received).max();
        remarks.extend(doctor::clock_remark(newest, self.engine.clock.now()));
        remarks.extend(forwarding::examine(self.engine, route, session.as_mut(), trace).await?);
        let _ = session.delete_and_close(&[]).await;
        Ok(())
    }

    /// Connect and log in; send a message to itself only where that is asked for.
    async fn submit(
        &self,
        route: &Route<'_>,
        destination: &Destination,
        trace: &mut Trace,
        remarks: &mut Vec<Remark>,
    ) -> Result<(), WorkError> {
        let mut session = bounded(TestStep::Connect, route.connector.submit(destination, trace)).await?;
        match self.request.sending {
            Sending::Nothing => remarks.push(Remark {
                what: "nothing was sent, so it is not proved that the server takes mail from this address"
                    .to_owned(),
                remedy: format!(
                    "`mailplumb doctor mailbox/{} --send` sends a message to itself",
                    route.mailbox.name
                ),
            }),
            Sending::TestMessage => {
                let nonce = self.announce(route).await?;
                let address = &route.mailbox.address;
                let raw = self_message::compose(address, &nonce, self.engine.clock.now());
                let sent = trace.step(TestStep::Send, async {
                    let recipients = std::slice::from_ref(address);
                    let submitted =
                        session.send(address, recipients, &raw).await.map_err(|error| error.cause)?;
                    accepted(submitted.recipients.into_iter().next())
                });
                let said = sent.await?;
                trace.detail(said);
            }
        }
        session.close().await;
        Ok(())
    }

    /// Notes the mark of a test message, so that it never becomes a record.
    async fn announce(&self, route: &Route<'_>) -> Result<String, WorkError> {
        let nonce = nonce()?;
        let name = &route.mailbox.name;
        let wait = crate::model::limits::GOODBYE_TIMEOUT;
        let held = Held::acquire_within(self.engine, &LeaseScope::Mailbox(name.clone()), wait).await?;
        let noted = self.engine.store.expect_self_message(&held.lease, name, &nonce).await;
        held.release(self.engine).await;
        noted?;
        Ok(nonce)
    }

    /// Tries the other mechanisms that both sides know. The login is right: it was proved just now.
    async fn logins(
        &self,
        route: &Route<'_>,
        operation: Operation,
        mut destination: Destination,
        examination: &Examination,
    ) -> Vec<LoginTried> {
        let used = doctor::mechanism_used(&examination.steps);
        let mut tried =
            doctor::logins_to_try(&examination.found.mechanisms, used.as_deref(), &destination.login);
        for one in &mut tried {
            let Some(mechanism) = one.to_try.filter(|_| self.request.logins == Logins::Each) else {
                continue;
            };
            if self.engine.stopping.is_cancelled() {
                break;
            }
            destination.endpoint.authentication = mechanism;
            let result = self.log_in(route, operation, &destination).await;
            let is_throttled = result.as_ref().is_err_and(|error| patience::demanded(error).is_some());
            one.note(result.err().map(|error| error.cause.to_string()));
            // Whoever goes on would be locked out.
            if is_throttled {
                break;
            }
        }
        tried.into_iter().map(doctor::LoginToTry::into_tried).collect()
    }

    async fn log_in(
        &self,
        route: &Route<'_>,
        operation: Operation,
        destination: &Destination,
    ) -> Result<(), RemoteError> {
        let mut trace = Trace::new(Arc::clone(&self.engine.clock));
        match operation {
            Operation::Outgoing => {
                let opening = route.connector.submit(destination, &mut trace);
                bounded(TestStep::Connect, opening).await?.close().await;
            }
            Operation::Incoming | Operation::Act => {
                let opening = route.connector.receive(destination, &mut trace);
                let _ = bounded(TestStep::Connect, opening).await?.delete_and_close(&[]).await;
            }
        }
        Ok(())
    }
}
