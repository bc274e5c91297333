//! One connection and the loop that drives a conversation over it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use rustls::ProtocolVersion;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use zeroize::Zeroize;

use super::address::io_words;
use super::handshake::{self, Begun, TlsPeer};
use super::patience::{Patience, Stopwatch};
use super::timed_out;
use crate::model::certificate;
use crate::model::failure::Cause;
use crate::protocol::{Conversation, Pace, Progress, Streaming};

/// Read at once, at most, and at first: a server that has much to say fills the room, and is given more.
const READ_CHUNK_BYTES: usize = 64 * 1024;
const FIRST_CHUNK_BYTES: usize = 2 * 1024;
/// What is written in one piece up to here may be a login, and is wiped after it was sent.
const WIPE_BYTES_MAX: usize = 16 * 1024;
/// What a resting connection may keep for its input.
const REST_BYTES_MAX: usize = 1024;
/// Read after a write has failed, at most: a refusal is a few lines.
const LAST_WORDS_BYTES_MAX: usize = 256 * 1024;

/// One TCP or TLS connection with the bytes received and not yet consumed.
pub struct Connection {
    pub input: BytesMut,
    stream: Stream,
    peer: TlsPeer,
    begun: Begun,
    heard: Heard,
    end: End,
    chunk_bytes: usize,
    /// What is left of the time for what the server owes at present.
    patience: Patience,
}

/// Whether the server has said that it says no more: by the end of TLS, or without TLS by the end of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Unsaid,
    Said,
}

/// Whether the server has said anything yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    Something,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Only while, or after, a handshake has failed.
    Closed,
}

impl Connection {
    pub(super) fn plain(socket: TcpStream, peer: TlsPeer) -> Self {
        Self {
            input: BytesMut::new(),
            stream: Stream::Plain(socket),
            peer,
            begun: Begun::WithConnection,
            heard: Heard::Nothing,
            end: End::Unsaid,
            chunk_bytes: FIRST_CHUNK_BYTES,
            patience: Patience::new(Duration::ZERO),
        }
    }

    /// Runs a conversation to its end. `wait` bounds the wait for each whole answer, and for output to be taken, each
    /// as the conversation's [`Pace`] says.
    pub async fn drive<C: Conversation>(
        &mut self,
        conversation: &mut C,
        wait: Duration,
    ) -> Result<C::Output, Cause> {
        // A greeting is awaited without anything being said.
        self.patience = Patience::new(wait);
        loop {
            match self.advance(conversation, wait)? {
                Progress::Done(output) => return Ok(output),
                Progress::NeedInput => self.read(wait, conversation.pace()).await?,
                Progress::Send(bytes) => {
                    if let Err(lost) = self.write(bytes, wait).await {
                        return self.last_words(conversation, lost, wait).await;
                    }
                }
            }
        }
    }

    /// Runs a conversation until it has something to hand over (`None`) or to its end. Nothing is read while there is
    /// something to hand over, so that a server is not read faster than its messages are taken.
    pub async fn drive_some<C: Streaming>(
        &mut self,
        conversation: &mut C,
        wait: Duration,
    ) -> Result<Option<C::Output>, Cause> {
        loop {
            match self.advance(conversation, wait)? {
                Progress::Done(output) => return Ok(Some(output)),
                Progress::NeedInput if conversation.has_items() => return Ok(None),
                Progress::NeedInput => self.read(wait, conversation.pace()).await?,
                Progress::Send(bytes) => {
                    if let Err(lost) = self.write(bytes, wait).await {
                        return self.last_words(conversation, lost, wait).await.map(Some);
                    }
                }
            }
        }
    }

    /// One step. Each whole answer gives the server time for the next one.
    fn advance<C: Conversation>(
        &mut self,
        conversation: &mut C,
        wait: Duration,
    ) -> Result<Progress<C::Output>, Cause> {
        let answers = conversation.answers();
        let progress = conversation.advance(&mut self.input)?;
        if conversation.answers() != answers {
            self.patience = Patience::new(wait);
        }
        Ok(progress)
    }

    /// Upgrades after STARTTLS or STLS. Bytes that are already there were injected: refused.
    pub async fn start_tls(&mut self) -> Result<(), Cause> {
        if !self.input.is_empty() {
            self.input.clear();
            self.stream = Stream::Closed;
            return Err(Cause::StarttlsInjected);
        }
        self.begun = Begun::AfterUpgradeCommand;
        self.secure().await
    }

    /// The handshake of a port that begins with TLS.
    pub(super) async fn begin_with_tls(&mut self) -> Result<(), Cause> {
        self.secure().await
    }

    async fn secure(&mut self) -> Result<(), Cause> {
        match std::mem::replace(&mut self.stream, Stream::Closed) {
            Stream::Plain(socket) => {
                let stream = handshake::shake_hands(&self.peer, socket, self.begun).await?;
                self.stream = Stream::Tls(Box::new(stream));
                Ok(())
            }
            Stream::Tls(stream) => {
                self.stream = Stream::Tls(stream);
                Err(Cause::Internal { detail: "the connection already has TLS".to_owned() })
            }
            Stream::Closed => Err(Cause::ConnectionLost { detail: "it was closed before".to_owned() }),
        }
    }

    /// Gives back memory that a session does not need while it waits. Bytes not yet consumed stay.
    pub fn rest(&mut self) {
        self.chunk_bytes = FIRST_CHUNK_BYTES;
        if self.input.capacity() > REST_BYTES_MAX {
            self.input = BytesMut::from(&self.input[..]);
        }
    }

    /// `tls-server-end-point` of the server's certificate (RFC 5929), which a login can be bound to. A resumed session has
    /// it too; `None` without TLS.
    pub fn binding(&self) -> Option<Vec<u8>> {
        let Stream::Tls(stream) = &self.stream else { return None };
        certificate::end_point(stream.get_ref().1.peer_certificates()?.first()?)
    }

    /// Whether the server has closed a connection on which nothing is awaited, as far as is known here by now. One that says
    /// something without being asked is not fit for another question either.
    pub async fn has_ended(&mut self) -> bool {
        let mut octet = [0];
        let mut unasked = ReadBuf::new(&mut octet);
        let looked = poll_fn(|context| {
            let polled = match &mut self.stream {
                Stream::Plain(socket) => Pin::new(socket).poll_read(context, &mut unasked),
                Stream::Tls(stream) => Pin::new(stream).poll_read(context, &mut unasked),
                Stream::Closed => Poll::Ready(Ok(())),
            };
            Poll::Ready(polled)
        });
        !self.input.is_empty() || looked.await.is_ready()
    }

    pub fn is_encrypted(&self) -> bool {
        match self.stream {
            Stream::Tls(_) => true,
            Stream::Plain(_) | Stream::Closed => false,
        }
    }

    /// `TLS 1.3`, for people.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library negotiates no other version")]
    pub fn tls_words(&self) -> Option<String> {
        let Stream::Tls(stream) = &self.stream else { return None };
        let version = stream.get_ref().1.protocol_version()?;
        let words = match version {
            ProtocolVersion::TLSv1_3 => "TLS 1.3".to_owned(),
            ProtocolVersion::TLSv1_2 => "TLS 1.2".to_owned(),
            other => format!("{other:?}"),
        };
        Some(words)
    }

    /// Whether the server has ended the connection in good order, and nobody in between has cut it (RFC 8446 section 6.1).
    pub fn was_ended_by_server(&self) -> bool {
        self.end == End::Said
    }

    /// Appends at least one byte to the input.
    async fn read(&mut self, wait: Duration, pace: Pace) -> Result<(), Cause> {
        self.input.reserve(self.chunk_bytes);
        let mut chunk = (&mut self.input).limit(self.chunk_bytes);
        let stopwatch = Stopwatch::start();
        let answer = timeout(self.patience.left(), async {
            match &mut self.stream {
                Stream::Plain(socket) => socket.read_buf(&mut chunk).await,
                Stream::Tls(stream) => stream.read_buf(&mut chunk).await,
                Stream::Closed => Err(io::ErrorKind::NotConnected.into()),
            }
        });
        match answer.await {
            Ok(Ok(0)) => {
                self.end = End::Said;
                Err(Cause::ConnectionLost { detail: "the server closed it".to_owned() })
            }
            Ok(Ok(count)) => {
                self.heard = Heard::Something;
                self.patience.spend(stopwatch.waited(), count, (pace, wait));
                if count == self.chunk_bytes {
                    self.chunk_bytes = READ_CHUNK_BYTES;
                }
                Ok(())
            }
            Ok(Err(error)) => Err(self.lost(&error)),
            Err(_) => Err(self.silence(wait)),
        }
    }

    /// In all protocols the server speaks first.
    fn silence(&self, wait: Duration) -> Cause {
        match (&self.stream, self.heard) {
            (Stream::Plain(_), Heard::Nothing) => Cause::NoGreeting { seconds: wait.as_secs().max(1) },
            (Stream::Plain(_) | Stream::Tls(_) | Stream::Closed, _) => timed_out(wait),
        }
    }

    /// Writes everything. A large message takes its time on a slow line; a server that takes it octet by octet is not waited
    /// for. What is answered to it has its own time.
    async fn write(&mut self, mut bytes: Vec<u8>, wait: Duration) -> Result<(), Cause> {
        let mut result = Ok(());
        let mut written = 0;
        let mut patience = Patience::new(wait);
        while result.is_ok() && written < bytes.len() {
            let stopwatch = Stopwatch::start();
            match timeout(patience.left(), self.write_some(&bytes[written..])).await {
                Ok(Ok(0)) => result = Err(self.lost(&io::ErrorKind::WriteZero.into())),
                Ok(Ok(count)) => {
                    written += count;
                    patience.spend(stopwatch.waited(), count, (Pace::Bulk, wait));
                }
                Ok(Err(error)) => result = Err(self.lost(&error)),
                Err(_) => result = Err(timed_out(wait)),
            }
        }
        if bytes.len() <= WIPE_BYTES_MAX {
            bytes.zeroize();
        }
        result?;
        let flushed = timeout(wait, self.flush()).await;
        self.patience = Patience::new(wait);
        match flushed {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.lost(&error)),
            Err(_) => Err(timed_out(wait)),
        }
    }

    async fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(socket) => socket.write(bytes).await,
            Stream::Tls(stream) => stream.write(bytes).await,
            Stream::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(socket) => socket.flush().await,
            Stream::Tls(stream) => stream.flush().await,
            Stream::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// A server may refuse and close while we still write. What it said explains more than the failed write. A
    /// server that said nothing leaves the conversation alone: to advance it would tell it that the write arrived.
    async fn last_words<C: Conversation>(
        &mut self,
        conversation: &mut C,
        lost: Cause,
        wait: Duration,
    ) -> Result<C::Output, Cause> {
        if !matches!(lost, Cause::ConnectionLost { .. }) {
            return Err(lost);
        }
        let before = self.input.len();
        let enough = before + LAST_WORDS_BYTES_MAX;
        self.patience = Patience::new(wait);
        // However this ends, what has arrived by then is all there is.
        while self.input.len() < enough && self.read(wait, Pace::Answer).await.is_ok() {}
        self.stream = Stream::Closed;
        if self.input.len() == before {
            return Err(lost);
        }
        match conversation.advance(&mut self.input)? {
            Progress::Done(output) => Ok(output),
            Progress::NeedInput | Progress::Send(_) => Err(lost),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the words of the operating system say enough")]
    fn lost(&self, error: &io::Error) -> Cause {
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return handshake::tls_cause(tls, &self.peer.host, self.begun);
        }
        let detail = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the server closed it without ending TLS".to_owned(),
            _ => io_words(error),
        };
        Cause::ConnectionLost { detail }
    }
}
