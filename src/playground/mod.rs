//! Loopback mail servers inside the process: POP3, IMAP and SMTP with TLS, for the demo, the examples and the tests.
//!
//! They are strict: what an RFC forbids a client is refused here, even where servers in the wild are lenient.
//! This room must not know `protocol`, `net` or `remote`: the client side is tested against it, so the two may not
//! share code that could be wrong in both.
//!
//! The servers run on a thread of their own, so that blocking callers and callers inside a runtime use them alike.
//! Everything stops when the [`Playground`] is dropped.

mod calendar;
mod certificate;
pub mod corpus;
mod exchange;
mod fault;
mod imap;
mod listener;
mod log;
mod options;
mod pop3;
mod sasl;
mod smtp;
mod state;
mod token;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub use exchange::{Call, Damage, ExchangeDoor, GraphCall, GraphDoor, GraphFault, Hold, Lead, Silence};
pub use fault::{Fault, Faults, Times};
use listener::{Door, Gate, Listener};
pub use log::{Entry, Happening, Log};
pub use options::{
    Certificate, ClearLogins, Extensions, Impersonation, Options, Pop3Sessions, Protocol, Relay, Senders,
    TokenClient, User,
};
pub use state::{Held, State, Submission, Undeliverable};

/// What every session sees.
struct World {
    options: Options,
    state: State,
    log: Log,
    faults: Faults,
    tls: TlsAcceptor,
    tokens: token::Tokens,
    exchange: exchange::Exchange,
}

/// Running servers. Dropping it closes every connection and frees every port.
pub struct Playground {
    world: Arc<World>,
    ca_pem: String,
    gates: Vec<Gate>,
    token_endpoint: SocketAddr,
    exchange_at: SocketAddr,
    graph_at: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Playground {
    /// Starts all listeners on ports the system chooses; they accept connections when this returns.
    pub fn start(options: Options) -> io::Result<Self> {
        let issued = certificate::issue(options.certificate, &options.host_names)?;
        let state = State::new(&options);
        let tls = TlsAcceptor::from(issued.server);
        let world = Arc::new(World {
            options,
            state,
            log: Log::default(),
            faults: Faults::default(),
            tls,
            tokens: token::Tokens::default(),
            exchange: exchange::Exchange::default(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = CancellationToken::new();
        let (listeners, gates) = open(&runtime, &world)?;
        let ((tokens, token_endpoint), (web, exchange_at), (graph, graph_at)) = {
            let _entered = runtime.enter();
            let address = world.options.address;
            (token::open(address)?, exchange::open(address)?, exchange::open(address)?)
        };
        let thread = std::thread::Builder::new().name(String::from("playground")).spawn({
            let (world, stop) = (Arc::clone(&world), stop.clone());
            move || {
                for listener in listeners {
                    runtime.spawn(listener.run(Arc::clone(&world)));
                }
                runtime.spawn(token::serve(tokens, Arc::clone(&world)));
                runtime.spawn(exchange::serve(web, Arc::clone(&world)));
                runtime.spawn(exchange::serve_graph(graph, Arc::clone(&world)));
                runtime.block_on(stop.cancelled());
            }
        })?;
        Ok(Self {
            world,
            ca_pem: issued.ca_pem,
            gates,
            token_endpoint,
            exchange_at,
            graph_at,
            stop,
            thread: Some(thread),
        })
    }

    /// POP3 in the clear, with STLS.
    pub fn pop3(&self) -> SocketAddr {
        self.gate(Door::Clear(Protocol::Pop3))
    }

    /// POP3 over TLS.
    pub fn pop3s(&self) -> SocketAddr {
        self.gate(Door::Tls(Protocol::Pop3))
    }

    /// IMAP in the clear, with STARTTLS.
    pub fn imap(&self) -> SocketAddr {
        self.gate(Door::Clear(Protocol::Imap))
    }

    /// IMAP over TLS.
    pub fn imaps(&self) -> SocketAddr {
        self.gate(Door::Tls(Protocol::Imap))
    }

    /// SMTP submission in the clear, with STARTTLS.
    pub fn smtp(&self) -> SocketAddr {
        self.gate(Door::Clear(Protocol::Smtp))
    }

    /// SMTP submission over TLS.
    pub fn smtps(&self) -> SocketAddr {
        self.gate(Door::Tls(Protocol::Smtp))
    }

    /// Where the token endpoint is, an `https` URL under the first host name's certificate.
    pub fn token_endpoint(&self) -> SocketAddr {
        self.token_endpoint
    }

    /// An access token that is good for a user, as the token endpoint gives it out.
    pub fn access_token(&self, username: &str) -> String {
        self.world.tokens.give(username)
    }

    /// Makes every access token worthless that was given out so far.
    pub fn withdraw_tokens(&self) {
        self.world.tokens.withdraw();
    }

    /// The certificate of the authority that signs the servers' certificate, for a client's CA bundle. With
    /// [`Certificate::SelfSigned`] it is that of an authority which signed nothing.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The mailboxes, and what was submitted.
    pub fn state(&self) -> &State {
        &self.world.state
    }

    /// What clients did, in order of arrival.
    pub fn log(&self) -> &Log {
        &self.world.log
    }

    /// Makes a protocol's servers, clear and TLS alike, misbehave from now on. Faults add up; the first that fits a
    /// command decides.
    pub fn inject(&self, protocol: Protocol, fault: Fault) {
        let refusing = matches!(fault, Fault::RefuseConnections);
        self.world.faults.inject(protocol, fault);
        if refusing {
            self.gates_of(protocol).for_each(Gate::shut);
        }
    }

    /// Takes all faults of a protocol back. Connections that already hang or are closed stay so.
    pub fn heal(&self, protocol: Protocol) {
        self.world.faults.heal(protocol);
        self.gates_of(protocol).for_each(Gate::reopen);
    }

    fn gate(&self, door: Door) -> SocketAddr {
        let gate = self.gates.iter().find(|gate| gate.door == door);
        gate.expect("every door was opened by start").address
    }

    fn gates_of(&self, protocol: Protocol) -> impl Iterator<Item = &Gate> {
        self.gates.iter().filter(move |gate| gate.door.protocol() == protocol)
    }
}

fn open(runtime: &tokio::runtime::Runtime, world: &World) -> io::Result<(Vec<Listener>, Vec<Gate>)> {
    // Registering a socket needs the runtime that will poll it.
    let _entered = runtime.enter();
    let opened = Door::ALL.map(|door| listener::open(door, world.options.address));
    opened.into_iter().collect::<io::Result<Vec<_>>>().map(|pairs| pairs.into_iter().unzip())
}

impl Drop for Playground {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to stop.
            let _ = thread.join();
        }
    }
}
