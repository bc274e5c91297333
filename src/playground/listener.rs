//! The ports: accepting, refusing, and handing each connection to its protocol.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, mpsc};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::model::limits::PLAYGROUND_CONNECTIONS_MAX;

use super::World;
use super::log::Happening;
use super::options::Protocol;
use super::wire::{Closed, Wire};
use super::{imap, pop3, smtp};

const BACKLOG: u32 = 256;

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Clear(Protocol),
    Tls(Protocol),
}

impl Door {
    pub(super) const ALL: [Self; 6] = [
        Self::Clear(Protocol::Pop3),
        Self::Tls(Protocol::Pop3),
        Self::Clear(Protocol::Imap),
        Self::Tls(Protocol::Imap),
        Self::Clear(Protocol::Smtp),
        Self::Tls(Protocol::Smtp),
    ];

    pub(super) fn protocol(self) -> Protocol {
        match self {
            Self::Clear(protocol) | Self::Tls(protocol) => protocol,
        }
    }
}

/// The outside's hold on a listener.
pub(super) struct Gate {
    pub(super) door: Door,
    pub(super) address: SocketAddr,
    orders: UnboundedSender<Order>,
}

enum Order {
    Shut(mpsc::Sender<()>),
    Reopen(mpsc::Sender<()>),
}

impl Gate {
    /// Returns once connections are refused.
    pub(super) fn shut(&self) {
        self.order(Order::Shut);
    }

    /// Returns once connections are accepted again.
    pub(super) fn reopen(&self) {
        self.order(Order::Reopen);
    }

    fn order(&self, order: impl FnOnce(mpsc::Sender<()>) -> Order) {
        let (done, wait) = mpsc::channel();
        if self.orders.send(order(done)).is_ok() {
            // An error means that the servers stopped meanwhile, which is as shut as can be.
            let _ = wait.recv();
        }
    }
}

/// The listening side, run by the playground's thread.
pub(super) struct Listener {
    door: Door,
    address: SocketAddr,
    socket: Socket,
    orders: UnboundedReceiver<Order>,
}

enum Socket {
    Listening(TcpListener),
    /// Bound but not listening: the system refuses connections, and nobody else gets the port.
    Reserved(TcpSocket),
    /// The port could not be taken back.
    Lost,
}

pub(super) fn open(door: Door, address: IpAddr) -> io::Result<(Listener, Gate)> {
    let socket = reserve(SocketAddr::new(address, 0))?.listen(BACKLOG)?;
    let address = socket.local_addr()?;
    let (sender, orders) = unbounded_channel();
    let listener = Listener { door, address, socket: Socket::Listening(socket), orders };
    Ok((listener, Gate { door, address, orders: sender }))
}

fn reserve(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

impl Listener {
    pub(super) async fn run(mut self, world: Arc<World>) {
        let permits = Arc::new(Semaphore::new(PLAYGROUND_CONNECTIONS_MAX));
        loop {
            let accepted = match &self.socket {
                Socket::Listening(socket) => tokio::select! {
                    order = self.orders.recv() => Err(order),
                    accepted = socket.accept() => Ok(accepted),
                },
                Socket::Reserved(_) | Socket::Lost => Err(self.orders.recv().await),
            };
            match accepted {
                Err(None) => return,
                Err(Some(order)) => self.obey(order),
                Ok(Err(_)) => tokio::task::yield_now().await,
                Ok(Ok((stream, _))) => admit(self.door, stream, &world, &permits),
            }
        }
    }

    fn obey(&mut self, order: Order) {
        let done = match order {
            Order::Shut(done) => {
                if let Socket::Listening(_) = self.socket {
                    self.socket = Socket::Lost;
                    self.socket = reserve(self.address).map_or(Socket::Lost, Socket::Reserved);
                }
                done
            }
            Order::Reopen(done) => {
                self.socket = match std::mem::replace(&mut self.socket, Socket::Lost) {
                    Socket::Listening(socket) => Socket::Listening(socket),
                    Socket::Reserved(socket) => listen(socket),
                    Socket::Lost => reserve(self.address).map_or(Socket::Lost, listen),
                };
                done
            }
        };
        // Whoever gave the order may have gone.
        let _ = done.send(());
    }
}

fn listen(socket: TcpSocket) -> Socket {
    socket.listen(BACKLOG).map_or(Socket::Lost, Socket::Listening)
}

fn admit(door: Door, stream: TcpStream, world: &Arc<World>, permits: &Arc<Semaphore>) {
    let protocol = door.protocol();
    let connection = world.log.connected(protocol);
    let world = Arc::clone(world);
    let permit = Arc::clone(permits).try_acquire_owned();
    tokio::spawn(async move {
        let log = Arc::clone(&world);
        let wire = Wire::new(stream, world, protocol, connection);
        // How a connection ended concerns nobody; that it ended is in the log.
        let _ = match permit {
            Ok(_permit) => serve(door, wire).await,
            Err(_) => turn_away(door, wire).await,
        };
        log.log.note(connection, protocol, Happening::Closed);
    });
}

async fn serve(door: Door, mut wire: Wire) -> Result<(), Closed> {
    // One reply, one segment: replies are collected until input is awaited, so nothing is gained by waiting.
    wire.set_nodelay()?;
    match door {
        Door::Clear(_) => {}
        Door::Tls(_) => wire.secure().await?,
    }
    match door.protocol() {
        Protocol::Pop3 => pop3::serve(wire).await,
        Protocol::Imap => imap::serve(wire).await,
        Protocol::Smtp => smtp::serve(wire).await,
    }
}

async fn turn_away(door: Door, mut wire: Wire) -> Result<(), Closed> {
    let line = match door {
        Door::Tls(_) => return Err(Closed),
        Door::Clear(Protocol::Pop3) => "-ERR [SYS/TEMP] too many connections",
        Door::Clear(Protocol::Imap) => "* BYE too many connections",
        Door::Clear(Protocol::Smtp) => "421 4.3.2 too many connections",
    };
    wire.send_line(line).await?;
    wire.finish().await
}
