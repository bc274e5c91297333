//! From a host name to a TCP connection: overrides, DNS, and every address in turn.

use std::fmt;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::fence::{Fence, Private};
use super::timed_out;
use crate::model::failure::Cause;
use crate::model::host::HostSettings;
use crate::model::limits;

/// Where the manifest says to connect to.
pub(super) struct Target {
    /// Without the brackets that an IPv6 literal may be written in.
    pub host: String,
    pub port: u16,
}

impl Target {
    pub fn new(host: &str, port: u16) -> Self {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        Self { host: bare.to_owned(), port }
    }
}

/// The addresses of a target, in the order in which they are tried; never empty.
pub(super) struct Addresses {
    list: Vec<SocketAddr>,
    found: FoundBy,
}

enum FoundBy {
    Literal,
    Host,
    Resolver,
}

impl Addresses {
    /// Only those that the fence lets through. What the host file says of a name is not questioned.
    pub fn within(mut self, fence: Fence, host: &HostSettings, target: &Target) -> Result<Self, Cause> {
        match self.found {
            FoundBy::Host => return Ok(self),
            FoundBy::Literal | FoundBy::Resolver => {}
        }
        let private = if host.allow_private_redirects { Private::Allowed } else { Private::Refused };
        let mut objection = None;
        self.list.retain(|address| {
            let against = fence.objection(address.ip(), private);
            objection = objection.or(against.map(|why| (address.ip(), why)));
            against.is_none()
        });
        match (self.list.is_empty(), objection) {
            (true, Some((ip, why))) => Err(Cause::Unreachable {
                host: target.host.clone(),
                port: target.port,
                detail: format!("its address is {ip}, and {why}"),
            }),
            (_, _) => Ok(self),
        }
    }

    pub fn into_list(self) -> Vec<SocketAddr> {
        self.list
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, address) in self.list.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}", address.ip())?;
        }
        match self.found {
            FoundBy::Literal | FoundBy::Resolver => Ok(()),
            FoundBy::Host => f.write_str(" (set by the host file)"),
        }
    }
}

/// Overrides of the host file first, then literals, then the system's resolver.
pub(super) async fn resolve(
    host: &HostSettings,
    target: &Target,
    wait: Duration,
) -> Result<Addresses, Cause> {
    if let Some(address) = overridden(host, target) {
        return Ok(Addresses { list: vec![address], found: FoundBy::Host });
    }
    if let Ok(ip) = target.host.parse::<IpAddr>() {
        return Ok(Addresses { list: vec![SocketAddr::new(ip, target.port)], found: FoundBy::Literal });
    }
    let lookup = lookup_host((target.host.as_str(), target.port));
    let answer = timeout(wait, lookup).await.map_err(|_| timed_out(wait))?;
    let list: Vec<SocketAddr> = match answer {
        Ok(addresses) => addresses.take(limits::ADDRESSES_TRIED_MAX).collect(),
        Err(error) => return Err(not_resolved(target, &error.to_string())),
    };
    if list.is_empty() {
        return Err(not_resolved(target, "it has no address"));
    }
    Ok(Addresses { list, found: FoundBy::Resolver })
}

fn overridden(host: &HostSettings, target: &Target) -> Option<SocketAddr> {
    // A trailing dot only says that the name is complete.
    let complete = target.host.strip_suffix('.').unwrap_or(&target.host).to_owned();
    let spellings =
        [target.host.clone(), target.host.to_ascii_lowercase(), complete.to_ascii_lowercase(), complete];
    let socket = spellings.iter().find_map(|name| host.connect.get(&(name.clone(), target.port)).copied());
    socket.or_else(|| {
        let ip = spellings.iter().find_map(|name| host.hosts.get(name))?;
        Some(SocketAddr::new(*ip, target.port))
    })
}

fn not_resolved(target: &Target, detail: &str) -> Cause {
    // The standard library puts these words before the resolver's own.
    let detail = detail.trim_start_matches("failed to lookup address information: ");
    Cause::NameNotResolved { host: target.host.clone(), detail: detail.to_owned() }
}

/// Tries every address in turn. Each gets its share of the time, so that one that swallows packets does not
/// keep the next from being tried. The error is that of the last.
pub(super) async fn dial(
    addresses: &Addresses,
    target: &Target,
    wait: Duration,
) -> Result<(TcpStream, SocketAddr), Cause> {
    let count = u32::try_from(addresses.list.len()).unwrap_or(u32::MAX).max(1);
    let share = wait / count;
    let mut last = timed_out(wait);
    for address in &addresses.list {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => {
                // Commands are single writes; waiting to fill a segment only costs time. Failing to set it does
                // no harm.
                let _ = socket.set_nodelay(true);
                let _ = socket2::SockRef::from(&socket).set_tcp_keepalive(&keepalive());
                return Ok((socket, *address));
            }
            Ok(Err(error)) => last = not_connected(&error, target, wait),
            Err(_) => last = timed_out(share),
        }
    }
    Err(last)
}

/// A session may say nothing for half an hour.
fn keepalive() -> socket2::TcpKeepalive {
    socket2::TcpKeepalive::new().with_time(limits::KEEPALIVE_AFTER).with_interval(limits::KEEPALIVE_INTERVAL)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the standard library adds kinds; all others mean this here"
)]
fn not_connected(error: &std::io::Error, target: &Target, wait: Duration) -> Cause {
    let (host, port) = (target.host.clone(), target.port);
    match error.kind() {
        ErrorKind::ConnectionRefused => Cause::ConnectionRefused { host, port },
        ErrorKind::TimedOut => timed_out(wait),
        // A server that resets at once may be noticed only by what is done to the socket next.
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::NotConnected => Cause::ConnectionLost { detail: io_words(error) },
        _ => Cause::Unreachable { host, port, detail: io_words(error) },
    }
}

/// An I/O error for people: lower case, without the operating system's number.
pub(super) fn io_words(error: &std::io::Error) -> String {
    let words = error.to_string();
    let plain = words.split(" (os error").next().unwrap_or(&words);
    let mut letters = plain.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
