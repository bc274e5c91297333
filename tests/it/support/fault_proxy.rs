//! Stands between a client and a server and spoils what the server says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Octets are those that the server sends, counted from 0 on each connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoil {
    Nothing,
    /// An orderly end (FIN) after so many octets.
    Close(usize),
    /// A reset after so many octets.
    Reset(usize),
    /// Nothing comes any more after so many octets, and the connection stays open.
    Stall(usize),
    /// One octet is another one.
    Corrupt(usize),
    /// A word that is replaced wherever the server says it, by another of the same length.
    Replace(&'static str, &'static str),
    /// Something happens to one answer, counted from 0 over all that the server says on a connection.
    Answer(usize, Instead),
}

/// What happens instead of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    /// An orderly end.
    Close,
    Reset,
    /// Nothing, and the connection stays open.
    Stall,
    /// Half of it, and then an end.
    Truncate,
    /// As many octets that mean nothing.
    Garbage,
    /// The same, one octet at a time.
    Drip,
}

impl Instead {
    pub const ALL: [Self; 6] =
        [Self::Close, Self::Reset, Self::Stall, Self::Truncate, Self::Garbage, Self::Drip];
}

/// Runs until it is dropped.
pub struct FaultProxy {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<usize>>>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    pub async fn start(server: SocketAddr, spoil: Spoil) -> Self {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let ends = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            // Connections end with the task that accepts them.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(connect(client, server, spoil, Arc::clone(&ends)));
            }
        });
        Self { address, seen, task }
    }

    /// After how many octets the server paused, ascending: the ends of its answers.
    pub fn answers(&self) -> Vec<usize> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connect(client: TcpStream, server: SocketAddr, spoil: Spoil, ends: Arc<Mutex<Vec<usize>>>) {
    let Ok(upstream) = TcpStream::connect(server).await else { return };
    // Small writes in both directions are sent as they are.
    let (_, _) = (client.set_nodelay(true), upstream.set_nodelay(true));
    if let Spoil::Reset(_) | Spoil::Answer(_, Instead::Reset) = spoil {
        // Closing it resets it.
        client.set_zero_linger().unwrap();
    }
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = upstream.into_split();
    let upward = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
        let _ = to_server.shutdown().await;
    });
    // Aborted, it drops its halves of both connections.
    let _upward = AbortOnDrop(upward);
    let mut chunk = vec![0; 64 * 1024];
    let mut count = 0;
    let mut answer = 0;
    while let Ok(length @ 1..) = from_server.read(&mut chunk).await {
        let this = answer;
        answer += 1;
        if let Spoil::Answer(at, instead) = spoil
            && at == this
        {
            match say_instead(&mut to_client, &mut chunk[..length], instead).await {
                After::Go => continue,
                After::End(_) => break,
            }
        }
        let (kept, end) = match spoiled(&mut chunk[..length], count, spoil) {
            After::Go => (length, false),
            After::End(kept) => (kept, true),
        };
        if to_client.write_all(&chunk[..kept]).await.is_err() {
            return;
        }
        count += kept;
        ends.lock().unwrap().push(count);
        match (end, spoil) {
            (false, _) => {}
            (true, Spoil::Stall(_)) => std::future::pending().await,
            (true, Spoil::Reset(_)) => return,
            (
                true,
                Spoil::Nothing | Spoil::Close(_) | Spoil::Corrupt(_) | Spoil::Replace(..) | Spoil::Answer(..),
            ) => break,
        }
    }
    let _ = to_client.shutdown().await;
}

/// What becomes of one answer, and whether the connection goes on.
async fn say_instead(
    to_client: &mut tokio::net::tcp::OwnedWriteHalf,
    answer: &mut [u8],
    instead: Instead,
) -> After {
    match instead {
        Instead::Close | Instead::Reset => return After::End(0),
        Instead::Stall => std::future::pending().await,
        Instead::Truncate => {
            let _ = to_client.write_all(&answer[..answer.len() / 2]).await;
            return After::End(0);
        }
        Instead::Garbage => {
            for (at, octet) in answer.iter_mut().enumerate() {
                *octet = (at as u8).wrapping_mul(167) ^ 0x5a;
            }
            let _ = to_client.write_all(answer).await;
        }
        Instead::Drip => {
            for octet in answer.chunks(1) {
                if to_client.write_all(octet).await.is_err() {
                    return After::End(0);
                }
                tokio::task::yield_now().await;
            }
        }
    }
    After::Go
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

enum After {
    Go,
    /// So many octets of the chunk are the last.
    End(usize),
}

fn spoiled(chunk: &mut [u8], before: usize, spoil: Spoil) -> After {
    match spoil {
        Spoil::Nothing | Spoil::Answer(..) => After::Go,
        Spoil::Close(at) | Spoil::Reset(at) | Spoil::Stall(at) => {
            if before + chunk.len() >= at {
                After::End(at - before)
            } else {
                After::Go
            }
        }
        Spoil::Corrupt(at) => {
            if let Some(octet) = at.checked_sub(before).and_then(|at| chunk.get_mut(at)) {
                *octet ^= 0x55;
            }
            After::Go
        }
        Spoil::Replace(word, other) => {
            assert_eq!(word.len(), other.len());
            while let Some(at) = chunk.windows(word.len()).position(|octets| octets == word.as_bytes()) {
                chunk[at..at + word.len()].copy_from_slice(other.as_bytes());
            }
            After::Go
        }
    }
}
