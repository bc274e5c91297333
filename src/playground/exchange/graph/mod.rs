//! Microsoft Graph for the tests and the demo: what it shows of the mailboxes is what Exchange Web Services show of them.
//!
//! Ids are immutable where the client asks for that, and change with each move where it does not; delta links are kept here,
//! and can be forgotten. It shares no reader or writer with the client side.

mod attachments;
mod batch;
mod compose;
mod delta;
mod folders;
mod http;
mod messages;
mod names;
mod query;
mod route;
mod rules;
mod sending;
mod uploads;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::super::options::Impersonation;
use super::super::{Playground, World};
use super::Caller;
use super::node::Node;
use super::soap::Turn;
pub use http::serve;

/// Requests and answers that are kept for whoever validates them.
const CALLS_KEPT_MAX: usize = 10_000;

/// What only Graph knows of the mailboxes.
#[derive(Default)]
pub(super) struct Kept {
    /// What a client has been told of a folder, by the token that it was given.
    told: VecDeque<(String, delta::Told)>,
    tokens_given: u64,
    /// The name that a message had first, by the one that it has since a move.
    origins: BTreeMap<String, String>,
    calls: Vec<GraphCall>,
    faults: Vec<(String, u32, GraphFault)>,
    uploads: uploads::Uploads,
}

/// A request and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphCall {
    pub method: String,
    /// With its query, as it was sent.
    pub path: String,
    pub prefer: Option<String>,
    pub content_type: Option<String>,
    /// Empty, where it is a piece of a file.
    pub request: String,
    pub status: u16,
    /// Empty, where it is no JSON.
    pub response: String,
}

/// One way to misbehave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GraphFault {
    /// This answer, and nothing is done.
    Answer { status: u16, fields: Vec<(String, String)>, body: String },
    /// It is done, and the connection breaks before the answer.
    DoneAndClosed,
    /// The connection breaks, and nothing is done.
    Closed,
    /// It is done; the answer has no length, and the connection is cut after so many octets of its body, without an end of TLS.
    CutOff { octets: usize },
}

impl GraphFault {
    /// An error in the service's own form.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let body = json!({ "error": { "code": code, "message": message } }).to_string();
        Self::Answer { status, fields: Vec::new(), body }
    }

    /// `429`, with the seconds to wait.
    pub fn throttled(seconds: u64) -> Self {
        match Self::error(429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.") {
            Self::Answer { status, body, .. } => {
                let fields = vec![("Retry-After".to_owned(), seconds.to_string())];
                Self::Answer { status, fields, body }
            }
            other @ (Self::DoneAndClosed | Self::Closed | Self::CutOff { .. }) => other,
        }
    }
}

/// A running playground's Graph.
pub struct GraphDoor<'p> {
    playground: &'p Playground,
}

impl Playground {
    pub fn graph(&self) -> GraphDoor<'_> {
        GraphDoor { playground: self }
    }
}

impl GraphDoor<'_> {
    pub fn address(&self) -> SocketAddr {
        self.playground.graph_at
    }

    fn world(&self) -> &World {
        &self.playground.world
    }

    /// The next so many requests that hold this text (`GET /v1.0/users/…`) are treated so.
    pub fn misbehave(&self, at: &str, times: u32, fault: GraphFault) {
        self.world().exchange.lock().graph.faults.push((at.to_owned(), times, fault));
    }

    /// Makes all delta links invalid that were given so far.
    pub fn forget_delta_links(&self) {
        self.world().exchange.lock().graph.told.clear();
    }

    /// Answers a request as if the application of this user had sent it. `line`: `GET /v1.0/users/…`.
    pub fn asks(&self, username: &str, line: &str, fields: Vec<(&str, String)>, body: Vec<u8>) {
        let (method, target) = line.split_once(' ').unwrap_or((line, "/"));
        let mut fields: Vec<(String, String)> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let token = self.world().tokens.give(username);
        fields.push(("Authorization".to_owned(), format!("Bearer {token}")));
        fields.push(("Host".to_owned(), "graph.microsoft.com".to_owned()));
        let request = Request { method: method.to_owned(), target: target.to_owned(), fields, body };
        let _ = http::answer(self.world(), &request);
    }

    /// Large files are put to this host from now on, instead of to the one that was asked.
    pub fn lead_uploads_to(&self, host: &str) {
        self.world().exchange.lock().graph.uploads.host = Some(host.to_owned());
    }

    /// What was asked and answered so far.
    pub fn calls(&self) -> Vec<GraphCall> {
        self.world().exchange.lock().graph.calls.clone()
    }

    /// A person reads a message of the inbox; it is named by a text that it holds.
    pub fn read_by_person(&self, address: &str, holds: &str) {
        let world = self.world();
        let Ok(account) = world.state.lock().resident(address) else { return };
        let caller = Caller { username: String::new(), account };
        let mut inner = world.exchange.lock();
        let node = Node::default();
        let mut turn = Turn { world, inner: &mut inner, caller: &caller, request: &node };
        let place = super::folders::Place { account, key: "inbox".to_owned() };
        let found = super::folders::held(&turn, &place)
            .into_iter()
            .find(|held| String::from_utf8_lossy(&held.raw).contains(holds));
        if let Some(held) = found {
            super::changes::mark(&mut turn, &place, &held, true);
        }
    }
}

/// What is answered.
pub(super) struct Answer {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Payload,
}

pub(super) enum Payload {
    Nothing,
    Json(Value),
    Octets(bytes::Bytes),
}

impl Answer {
    fn json(status: u16, body: Value) -> Self {
        Self { status, fields: Vec::new(), body: Payload::Json(body) }
    }

    fn nothing(status: u16) -> Self {
        Self { status, fields: Vec::new(), body: Payload::Nothing }
    }

    fn error(status: u16, code: &str, message: &str) -> Self {
        let inner = json!({ "date": "2026-11-01T00:00:00", "request-id": "0", "client-request-id": "0" });
        Self::json(status, json!({ "error": { "code": code, "message": message, "innerError": inner } }))
    }

    fn not_found() -> Self {
        Self::error(404, "ErrorItemNotFound", "The specified object was not found in the store.")
    }
}

/// What is asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    pub method: String,
    /// As it was sent.
    pub target: String,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn is_json(&self) -> bool {
        self.field("content-type").is_some_and(|kind| kind.starts_with("application/json"))
    }

    fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    fn prefers(&self, what: &str) -> Option<&str> {
        let all = self.field("prefer")?;
        all.split(',').find_map(|one| one.trim().strip_prefix(what)?.strip_prefix('='))
    }

    fn wants_immutable_ids(&self) -> bool {
        self.prefers("IdType").is_some_and(|value| value.trim_matches('"') == "ImmutableId")
    }
}

/// Whether somebody may work in a mailbox.
fn may_open(world: &World, caller: &Caller, owner: super::super::state::AccountId) -> bool {
    caller.account == owner || world.options.impersonation == Impersonation::of(&caller.username)
}
