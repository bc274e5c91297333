//! Stands between a process and its servers, counts the octets of both directions, and kills the process at one of them.
//!
//! So the moment of a death is a place in its work and not a time, and a draw covers all of the work, however fast a machine is.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};

use std::io::{Read, Write};

/// The process that is going to die, and how far it may get.
#[derive(Default)]
pub struct Trap(Mutex<Set>);

#[derive(Default)]
struct Set {
    passed: u64,
    /// `None`: it may live.
    springs_at: Option<u64>,
    prey: Option<Child>,
    has_sprung: bool,
}

impl Trap {
    /// Sets the trap for a process that has just begun.
    pub fn set(&self, prey: Child, springs_at: Option<u64>) {
        *self.lock() = Set { passed: 0, springs_at, prey: Some(prey), has_sprung: false };
    }

    /// Whether the process has ended, by itself or not.
    pub fn is_over(&self) -> bool {
        self.lock().prey.as_mut().is_none_or(|prey| prey.try_wait().unwrap().is_some())
    }

    /// The ended process, the octets that passed, and whether it was killed.
    pub fn take(&self) -> (Child, u64, bool) {
        let set = std::mem::take(&mut *self.lock());
        (set.prey.expect("a trap was set"), set.passed, set.has_sprung)
    }

    fn passes(&self, octets: usize) {
        let mut set = self.lock();
        set.passed += octets as u64;
        if set.springs_at.is_some_and(|at| set.passed > at)
            && !set.has_sprung
            && let Some(prey) = &mut set.prey
        {
            // It may have ended by itself in this very moment.
            let was_alive = prey.try_wait().unwrap().is_none();
            prey.kill().unwrap();
            set.has_sprung = was_alive;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Set> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins to lead connections to a server; it goes on as long as the test process lives.
pub fn lead(server: SocketAddr, trap: &Arc<Trap>) -> SocketAddr {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let trap = Arc::clone(trap);
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(upstream) = TcpStream::connect(server) else { continue };
            let (_, _) = (client.set_nodelay(true), upstream.set_nodelay(true));
            for (from, to) in [(&client, &upstream), (&upstream, &client)] {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let trap = Arc::clone(&trap);
                std::thread::spawn(move || pass(from, to, &trap));
            }
        }
    });
    address
}

fn pass(mut from: TcpStream, mut to: TcpStream, trap: &Trap) {
    // Small enough that a draw falls into the middle of messages.
    let mut chunk = [0; 1024];
    while let Ok(length @ 1..) = from.read(&mut chunk) {
        trap.passes(length);
        if to.write_all(&chunk[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}
