//! One connection: lines and octets in, replies out, TLS in between, and the faults that break it.
//!
//! Replies are collected and sent when input is awaited, so a pipelining client gets its answers in one piece and
//! a fault can suppress the answer to a command that was carried out.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use crate::model::limits::PLAYGROUND_LINE_BYTES_MAX;

use super::World;
use super::fault::Verdict;
use super::log::Happening;
use super::options::Protocol;

/// What is read past a limit to stay in step before the connection is given up.
const DISCARDED_BYTES_MAX: usize = 64 * 1024 * 1024;
const OUTPUT_BYTES_MAX: usize = 64 * 1024;
const IDLE_MAX: Duration = Duration::from_secs(30 * 60);
const WRITE_MAX: Duration = Duration::from_secs(10 * 60);
const HANDSHAKE_MAX: Duration = Duration::from_secs(30);
const FAREWELL_MAX: Duration = Duration::from_secs(2);

/// The connection is over, for whatever reason.
#[derive(Debug)]
pub(super) struct Closed;

impl From<io::Error> for Closed {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl From<tokio::time::error::Elapsed> for Closed {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self
    }
}

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(Bytes),
    /// Ended by LF without CR, which all three protocols forbid.
    BareLf(Bytes),
    /// Longer than [`PLAYGROUND_LINE_BYTES_MAX`]; it was read and thrown away.
    TooLong,
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Gone,
}

impl Stream {
    fn duplex(&mut self) -> Result<&mut dyn Duplex, Closed> {
        match self {
            Self::Clear(stream) => Ok(stream),
            Self::Tls(stream) => Ok(stream),
            Self::Gone => Err(Closed),
        }
    }
}

pub(super) struct Wire {
    pub(super) world: Arc<World>,
    pub(super) connection: u64,
    protocol: Protocol,
    stream: Stream,
    input: BytesMut,
    /// How much of the input is known to hold no LF.
    scanned: usize,
    output: BytesMut,
    sent_bytes: u64,
    muted: bool,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, world: Arc<World>, protocol: Protocol, connection: u64) -> Self {
        Self {
            world,
            connection,
            protocol,
            stream: Stream::Clear(stream),
            input: BytesMut::new(),
            scanned: 0,
            output: BytesMut::new(),
            sent_bytes: 0,
            muted: false,
        }
    }

    pub(super) fn set_nodelay(&self) -> Result<(), Closed> {
        match &self.stream {
            Stream::Clear(stream) => Ok(stream.set_nodelay(true)?),
            Stream::Tls(_) | Stream::Gone => Ok(()),
        }
    }

    pub(super) fn is_secure(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// The client's address, for `Received`.
    pub(super) fn peer(&self) -> String {
        let stream = match &self.stream {
            Stream::Clear(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
            Stream::Gone => return String::from("unknown"),
        };
        stream.peer_addr().map_or_else(|_| String::from("unknown"), |peer| peer.ip().to_string())
    }

    /// Performs the TLS handshake. Input that came before it in the clear may be an attacker's, so the connection
    /// ends instead of believing it (CVE-2011-0411).
    pub(super) async fn secure(&mut self) -> Result<(), Closed> {
        self.flush().await?;
        let Stream::Clear(stream) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            return Err(Closed);
        };
        if !self.input.is_empty() {
            return Err(Closed);
        }
        let secured = timeout(HANDSHAKE_MAX, self.world.tls.accept(stream)).await??;
        self.stream = Stream::Tls(Box::new(secured));
        self.note(Happening::Secured);
        Ok(())
    }

    /// The first line of a connection.
    pub(super) async fn greet(&mut self, usual: &str) -> Result<(), Closed> {
        let greeting = self.world.faults.greeting(self.protocol);
        self.send_line(greeting.as_deref().unwrap_or(usual)).await
    }

    /// Notes a command (already without secrets) and asks the faults about it. `Some` is the line to answer with
    /// instead of acting.
    pub(super) async fn arrived(&mut self, command: &str) -> Result<Option<String>, Closed> {
        self.note(Happening::Command(command.to_owned()));
        match self.world.faults.judge(self.protocol, command) {
            Verdict::Proceed => Ok(None),
            Verdict::Answer(line) => Ok(Some(line)),
            Verdict::ProceedMuted => {
                self.flush().await?;
                self.muted = true;
                Ok(None)
            }
            Verdict::Close => {
                self.flush().await?;
                Err(Closed)
            }
            Verdict::Stall => loop {
                self.fill().await?;
                self.input.clear();
            },
        }
    }

    /// Called when a command is done: breaks the connection if its answer was to be withheld.
    pub(super) fn settle(&self) -> Result<(), Closed> {
        if self.muted { Err(Closed) } else { Ok(()) }
    }

    pub(super) fn note(&self, what: Happening) {
        self.world.log.note(self.connection, self.protocol, what);
    }

    /// Reads up to the next LF.
    pub(super) async fn line(&mut self) -> Result<Line, Closed> {
        let mut discarded = 0;
        loop {
            let unseen = self.input.get(self.scanned..).unwrap_or_default();
            if let Some(at) = unseen.iter().position(|byte| *byte == b'\n') {
                let line = self.input.split_to(self.scanned + at + 1).freeze();
                self.scanned = 0;
                return Ok(cut(line, discarded));
            }
            if self.input.len() > PLAYGROUND_LINE_BYTES_MAX {
                // The last byte stays: it may be the CR of the line end.
                discarded += self.input.len() - 1;
                let _ = self.input.split_to(self.input.len() - 1);
            }
            if discarded > DISCARDED_BYTES_MAX {
                return Err(Closed);
            }
            self.scanned = self.input.len();
            self.fill().await?;
        }
    }

    /// Reads exactly so many octets. The caller has checked the number against a limit.
    pub(super) async fn octets(&mut self, count: usize) -> Result<Bytes, Closed> {
        while self.input.len() < count {
            self.fill().await?;
        }
        self.scanned = 0;
        Ok(self.input.split_to(count).freeze())
    }

    pub(super) async fn send_line(&mut self, line: &str) -> Result<(), Closed> {
        self.send(line.as_bytes()).await?;
        self.send(b"\r\n").await
    }

    pub(super) async fn send(&mut self, octets: &[u8]) -> Result<(), Closed> {
        if self.muted {
            return Ok(());
        }
        self.output.extend_from_slice(octets);
        if self.output.len() > OUTPUT_BYTES_MAX { self.flush().await } else { Ok(()) }
    }

    pub(super) async fn flush(&mut self) -> Result<(), Closed> {
        let output = self.output.split();
        if output.is_empty() {
            return Ok(());
        }
        let allowed =
            self.world.faults.bytes_max(self.protocol).map(|max| max.saturating_sub(self.sent_bytes));
        let allowed = allowed.map_or(output.len(), |max| usize::try_from(max).unwrap_or(usize::MAX));
        let part = output.get(..allowed).unwrap_or(&output);
        let stream = self.stream.duplex()?;
        timeout(WRITE_MAX, stream.write_all(part)).await??;
        timeout(WRITE_MAX, stream.flush()).await??;
        self.sent_bytes += part.len() as u64;
        if part.len() < output.len() { Err(Closed) } else { Ok(()) }
    }

    /// Says goodbye in good order: everything sent, TLS closed, and the client's last words read, because unread
    /// input would make the system reset the connection and take our last reply with it.
    pub(super) async fn finish(mut self) -> Result<(), Closed> {
        self.settle()?;
        self.flush().await?;
        let stream = self.stream.duplex()?;
        let farewell = async {
            stream.shutdown().await?;
            let mut rest = [0; 4096];
            while stream.read(&mut rest).await? > 0 {}
            Ok::<(), Closed>(())
        };
        timeout(FAREWELL_MAX, farewell).await?
    }

    async fn fill(&mut self) -> Result<(), Closed> {
        self.flush().await?;
        self.input.reserve(16 * 1024);
        let stream = self.stream.duplex()?;
        match timeout(IDLE_MAX, stream.read_buf(&mut self.input)).await?? {
            0 => Err(Closed),
            _ => Ok(()),
        }
    }
}

fn cut(mut line: Bytes, discarded: usize) -> Line {
    let crlf = line.ends_with(b"\r\n");
    let too_long = discarded + line.len() > PLAYGROUND_LINE_BYTES_MAX;
    line.truncate(line.len() - if crlf { 2 } else { 1 });
    match (crlf, too_long) {
        (false, _) => Line::BareLf(line),
        (true, true) => Line::TooLong,
        (true, false) => Line::Whole(line),
    }
}
