//! Exchange Web Services for the tests and the demo: a stateful server that speaks SOAP over HTTPS.
//!
//! The inbox and Sent Items are the same that POP3 and IMAP show. What only Exchange has (further folders, change keys,
//! categories, sync states) is kept here. It has its own XML reader and writer: the client side is tested against it.

mod attachments;
mod autodiscover;
mod changes;
mod compose;
mod damage;
mod directory;
mod folders;
mod graph;
mod holding;
mod http;
mod items;
mod node;
mod person;
mod refiling;
mod rules;
mod settings;
mod shape;
mod soap;
mod streaming;
mod sync;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::options::Impersonation;
use super::state::AccountId;
use super::{Playground, World};
pub use autodiscover::Lead;
pub use damage::Damage;
pub(super) use graph::serve as serve_graph;
pub use graph::{GraphCall, GraphDoor, GraphFault};
pub use holding::Hold;
pub(super) use http::{open, serve};

/// What only Exchange knows of the mailboxes.
#[derive(Default)]
pub(super) struct Exchange {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Further folders, of all accounts.
    folders: Vec<OwnFolder>,
    /// By a message's lasting name.
    properties: BTreeMap<String, Properties>,
    states: VecDeque<(String, SyncState)>,
    states_given: u64,
    busy: Busy,
    subscriptions: BTreeMap<String, streaming::Subscription>,
    /// Streams that are open, and whether they still say anything.
    streams: usize,
    is_silent: bool,
    /// Streams up to this number end in the middle.
    streams_cut: u64,
    configurations: BTreeMap<(usize, String), String>,
    rules: BTreeMap<usize, Vec<(String, String)>>,
    /// Accounts for which Outlook keeps rules of its own beside these.
    rule_blobs: BTreeSet<usize>,
    numbers: u64,
    calls: Vec<Call>,
    /// Questions of Autodiscover.
    discoveries: Vec<Call>,
    /// What is said of an address, in lower case, instead of where it is.
    leads: BTreeMap<String, Lead>,
    is_plain_xml_only: bool,
    /// Addresses, in lower case, to which nothing is sent.
    refused: BTreeSet<String>,
    holding: holding::Holding,
    graph: graph::Kept,
}

/// A request that was understood: for whom, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub operation: String,
    /// Who logged in.
    pub username: String,
    /// `X-AnchorMailbox`.
    pub anchor: Option<String>,
    /// Whose mailbox it was about.
    pub address: String,
    /// What was asked and what was answered, for whoever validates them.
    pub request: String,
    pub response: String,
}

struct OwnFolder {
    account: usize,
    /// Empty: it is right below the root.
    parent: String,
    key: String,
    name: String,
    class: String,
    held: Vec<super::state::Held>,
}

/// What a message has beside its octets.
#[derive(Debug, Clone, Default)]
struct Properties {
    version: u32,
    categories: Vec<String>,
    /// Named properties, in the set `PublicStrings`.
    named: BTreeMap<String, String>,
    /// Files beside the octets: name, type, content in base64.
    files: Vec<(String, String, String)>,
    damage: Option<Damage>,
}

/// What a client has been told of a folder: its messages with their versions.
struct SyncState {
    account: usize,
    folder: String,
    told: BTreeMap<String, u32>,
}

/// For how many calls the server is busy, and what it says to that.
#[derive(Debug, Clone, Copy, Default)]
struct Busy {
    calls: u32,
    /// Every so many calls; 0: never.
    every: u32,
    seen: u32,
    back_off: Duration,
}

impl Exchange {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Methods change one thing at a time, so what a panicking thread left behind is still usable.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running playground's Exchange.
pub struct ExchangeDoor<'p> {
    playground: &'p Playground,
}

impl Playground {
    pub fn exchange(&self) -> ExchangeDoor<'_> {
        ExchangeDoor { playground: self }
    }
}

impl ExchangeDoor<'_> {
    pub fn address(&self) -> SocketAddr {
        self.playground.exchange_at
    }

    fn world(&self) -> &World {
        &self.playground.world
    }

    /// The next calls are answered with `ErrorServerBusy`.
    pub fn be_busy(&self, calls: u32, back_off: Duration) {
        let mut inner = self.world().exchange.lock();
        inner.busy = Busy { calls, back_off, ..Busy::default() };
    }

    /// Every so many calls are answered with `ErrorServerBusy`.
    pub fn be_busy_every(&self, calls: u32, back_off: Duration) {
        let mut inner = self.world().exchange.lock();
        inner.busy = Busy { every: calls, back_off, ..Busy::default() };
    }

    /// Makes all sync states invalid that were given so far, as after a restore from a backup.
    pub fn forget_sync_states(&self) {
        self.world().exchange.lock().states.clear();
    }

    /// All subscriptions are unknown from now on, as after a restart of the server.
    pub fn lose_subscriptions(&self) {
        self.world().exchange.lock().subscriptions.clear();
    }

    /// Streams stay open and say nothing any more; new ones do again once this is over.
    pub fn be_silent(&self, is_silent: Silence) {
        self.world().exchange.lock().is_silent = is_silent == Silence::Dead;
    }

    /// The streams that are open end in the middle: nothing says that they are over.
    pub fn cut_streams(&self) {
        let mut inner = self.world().exchange.lock();
        inner.streams_cut = inner.numbers;
    }

    /// How many streams of notifications are open.
    pub fn streams(&self) -> usize {
        self.world().exchange.lock().streams
    }

    /// How many subscriptions there are.
    pub fn subscriptions(&self) -> usize {
        self.world().exchange.lock().subscriptions.len()
    }

    /// Answers a request as if this user had sent it.
    pub fn asks(&self, username: &str, request: &str) -> String {
        let user = self.world().options.users.iter().find(|user| user.username == username);
        let login = user.and_then(|user| self.world().state.lock().resident(&user.address).ok());
        login.map_or_else(String::new, |login| {
            soap::answer(self.world(), (username.to_owned(), login, None), request).1
        })
    }

    /// What was asked and answered so far.
    pub fn calls(&self) -> Vec<Call> {
        self.world().exchange.lock().calls.clone()
    }

    /// What Autodiscover was asked and answered so far.
    pub fn discoveries(&self) -> Vec<Call> {
        self.world().exchange.lock().discoveries.clone()
    }

    /// Autodiscover says this of an address from now on; `None`: where its mailbox is.
    pub fn lead(&self, address: &str, lead: Option<Lead>) {
        let mut inner = self.world().exchange.lock();
        match lead {
            Some(lead) => drop(inner.leads.insert(address.to_lowercase(), lead)),
            None => drop(inner.leads.remove(&address.to_lowercase())),
        }
    }

    /// Autodiscover does not speak SOAP from now on, as before Exchange 2010.
    pub fn speak_plain_xml_only(&self) {
        self.world().exchange.lock().is_plain_xml_only = true;
    }

    /// What Autodiscover answers to plain XML.
    pub fn is_asked_where(&self, request: &str) -> String {
        autodiscover::answer(self.world(), autodiscover::Dialect::Pox, "", request).1
    }

    /// Puts a message into a folder below the inbox, which is made where it is missing.
    pub fn deliver_into(&self, address: &str, path: &[&str], raw: &[u8]) {
        self.turn(address, |turn| {
            let mut place = folders::Place { account: turn.caller.account, key: "inbox".to_owned() };
            for name in path {
                place = folders::child(turn.inner, &place, name);
            }
            changes::put(turn, &place, bytes::Bytes::copy_from_slice(raw));
        });
    }

    /// What lies in all further folders of that name, oldest first.
    pub fn held_in(&self, address: &str, name: &str) -> Vec<Vec<u8>> {
        let Ok(AccountId(account)) = self.world().state.lock().resident(address) else { return Vec::new() };
        let inner = self.world().exchange.lock();
        let is_it = |folder: &&OwnFolder| folder.account == account && folder.name == name;
        let held = inner.folders.iter().filter(is_it).flat_map(|folder| &folder.held);
        held.map(|held| held.raw.to_vec()).collect()
    }

    /// Deletes the further folders of that name, with all that lies in them.
    pub fn remove_folder(&self, address: &str, name: &str) {
        let Ok(AccountId(account)) = self.world().state.lock().resident(address) else { return };
        let mut inner = self.world().exchange.lock();
        inner.folders.retain(|folder| folder.account != account || folder.name != name);
    }

    /// Outlook keeps rules of its own for this mailbox from now on, which an update of the rules would throw away.
    pub fn keep_outlook_rules(&self, address: &str) {
        if let Ok(AccountId(account)) = self.world().state.lock().resident(address) {
            self.world().exchange.lock().rule_blobs.insert(account);
        }
    }

    /// Whoever sends to this address hears that it is none, by Exchange Web Services as by Graph.
    pub fn refuse_recipient(&self, address: &str) {
        self.world().exchange.lock().refused.insert(address.to_lowercase());
    }

    /// The names of the further folders of a mailbox.
    pub fn folders(&self, address: &str) -> BTreeSet<String> {
        let Ok(AccountId(account)) = self.world().state.lock().resident(address) else {
            return BTreeSet::new();
        };
        let inner = self.world().exchange.lock();
        inner.folders.iter().filter(|it| it.account == account).map(|it| it.name.clone()).collect()
    }
}

/// Whether streams of notifications say anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    Dead,
    Alive,
}

/// Who asks, and for whom.
struct Caller {
    username: String,
    /// Whose mailbox the well-known folders are.
    account: AccountId,
}

impl Caller {
    /// Whether a mailbox may be worked in.
    fn may_open(&self, world: &World, account: AccountId) -> bool {
        account == self.account || world.options.impersonation == Impersonation::of(&self.username)
    }
}
