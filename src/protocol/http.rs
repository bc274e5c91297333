//! One HTTP/1.1 request and its answer (RFC 9112), over a connection that stays open for the next one.
//!
//! Logins of NTLM and Negotiate belong to a connection, so requests share one on purpose, and nothing is followed or sent
//! again here. The answer's body is handed over as it arrives, with its framing taken off.

mod blame;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use httparse::Status;
use jiff::Timestamp;

use super::{Conversation, Pace, Progress, Streaming};
use crate::model::failure::{Cause, server_words};
use crate::model::limits;
use blame::{exceeded, garbage, wrong_protocol};

/// How a request is meant (RFC 9110 section 9, RFC 5789).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub method: Method,
    /// With its port where that is not the scheme's own.
    pub host: &'a str,
    pub path: &'a str,
    /// The header `Authorization`.
    pub authorization: Option<&'a str>,
    /// Names and values, which hold no line ends.
    pub fields: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

impl Request<'_> {
    fn octets(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method.name(), self.path, self.host);
        head.push_str(concat!("User-Agent: mailplumb/", env!("CARGO_PKG_VERSION"), "\r\n"));
        for (name, value) in self.fields {
            let clean: String = value.chars().filter(|c| !c.is_control()).collect();
            head.push_str(&format!("{name}: {clean}\r\n"));
        }
        match self.method {
            Method::Get => {}
            Method::Post | Method::Put | Method::Patch | Method::Delete => {
                head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
            }
        }
        let login = self.authorization.unwrap_or_default();
        let mut octets = Vec::with_capacity(head.len() + login.len() + self.body.len() + 32);
        octets.extend_from_slice(head.as_bytes());
        if self.authorization.is_some() {
            octets.extend_from_slice(b"Authorization: ");
            octets.extend_from_slice(login.as_bytes());
            octets.extend_from_slice(b"\r\n");
        }
        octets.extend_from_slice(b"\r\n");
        octets.extend_from_slice(self.body);
        octets
    }
}

/// An answer without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    pub reason: String,
    fields: Vec<(String, String)>,
    framing: Framing,
    /// Whether the connection can take another request.
    pub keeps_open: bool,
    /// When it came, where somebody with a clock has read it.
    pub arrived: Option<Timestamp>,
}

/// RFC 9112 section 6.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

impl Head {
    /// The first field of that name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let is_it = move |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.fields.iter().filter(is_it).map(|(_, value)| value.as_str())
    }

    /// The schemes of `WWW-Authenticate`, in the server's order: `Negotiate`, `NTLM`, `Basic`.
    pub fn login_schemes(&self) -> Vec<String> {
        let scheme = |value: &str| value.split_whitespace().next().map(server_words);
        self.all("www-authenticate").filter_map(scheme).collect()
    }

    /// `Retry-After` in seconds, or as a date (RFC 9110 section 10.2.3), which is counted from the server's own `Date`, because its
    /// clock may differ from ours.
    pub fn retry_after(&self) -> Option<Duration> {
        wait(self.field("retry-after")?, self.field("date"), self.arrived)
    }
}

/// How long a `Retry-After` asks to wait; `date` is the server's own, `arrived` when its answer came.
pub fn wait(retry_after: &str, date_of_server: Option<&str>, arrived: Option<Timestamp>) -> Option<Duration> {
    let value = retry_after.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let now = date_of_server.and_then(date).or(arrived)?;
    // A time that is over asks for no wait.
    Some(Duration::try_from(date(value)?.duration_since(now)).unwrap_or_default())
}

/// A date of HTTP, in the one form that may still be sent (RFC 9110 section 5.6.7).
fn date(value: &str) -> Option<Timestamp> {
    let parser = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true);
    parser.parse_timestamp(value.trim()).ok()
}

/// The request on its way, and the answer on its way back.
pub struct Exchange {
    request: Option<Vec<u8>>,
    head: Option<Head>,
    state: State,
    arrived: VecDeque<Bytes>,
    bytes: u64,
    /// How much of the input is known not to end the head.
    scanned: usize,
    /// Of the body.
    pace: Pace,
}

/// Every answer begins with it.
const HTTP: &[u8] = b"HTTP/";

/// What is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Body(u64),
    ChunkSize,
    Chunk(u64),
    /// The line end after a chunk.
    ChunkEnd,
    /// What may follow the last chunk, up to an empty line.
    Trailer,
    UntilClose,
    Over,
}

impl Exchange {
    pub fn new(request: &Request<'_>) -> Self {
        Self {
            request: Some(request.octets()),
            head: None,
            state: State::Head,
            arrived: VecDeque::new(),
            bytes: 0,
            scanned: 0,
            pace: Pace::Bulk,
        }
    }

    /// Its body is told piece by piece, whenever something happens.
    pub fn trickling(self) -> Self {
        Self { pace: Pace::Trickle, ..self }
    }

    /// As soon as it has arrived, which is before any of the body.
    pub fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// Whether the end of the connection ends the answer in good order.
    pub fn ends_with_connection(&self) -> bool {
        self.state == State::UntilClose
    }

    fn read_head(&mut self, input: &mut BytesMut) -> Result<bool, Cause> {
        if !self.has_whole_head(input)? {
            return Ok(false);
        }
        let mut fields = [httparse::EMPTY_HEADER; limits::HTTP_FIELDS_MAX];
        let mut answer = httparse::Response::new(&mut fields);
        let parsed =
            answer.parse(input).map_err(|error| garbage(&format!("the head of the HTTP answer: {error}")))?;
        let Status::Complete(length) = parsed else {
            return Err(garbage("the head of the HTTP answer ends too early"));
        };
        let head = head_of(&answer)?;
        let _ = input.split_to(length);
        // 100 (Continue) and its like come before the answer.
        if (100..200).contains(&head.status) {
            return Ok(true);
        }
        self.state = match (head.status, head.framing) {
            (204 | 304, _) | (_, Framing::Length(0)) => State::Over,
            (_, Framing::Length(length)) => State::Body(length),
            (_, Framing::Chunked) => State::ChunkSize,
            (_, Framing::UntilClose) => State::UntilClose,
        };
        self.head = Some(head);
        Ok(true)
    }

    /// A head is looked at once, when it is whole: a server that sends it octet by octet costs no more.
    fn has_whole_head(&mut self, input: &BytesMut) -> Result<bool, Cause> {
        if input.len() >= HTTP.len() && !input.starts_with(HTTP) {
            return Err(wrong_protocol(input));
        }
        let unseen = input.get(self.scanned..).unwrap_or_default();
        let ends = |window: &[u8]| window.starts_with(b"\n\n") || window == b"\n\r\n";
        if unseen.windows(3).any(ends) || unseen.ends_with(b"\n\n") {
            self.scanned = 0;
            return Ok(true);
        }
        self.scanned = input.len().saturating_sub(2);
        match input.len() > limits::HTTP_HEAD_BYTES_MAX {
            true => Err(exceeded("the head of an HTTP answer", limits::HTTP_HEAD_BYTES_MAX as u64)),
            false => Ok(false),
        }
    }

    /// Takes up to so many octets of the body; returns how many are left.
    fn take(&mut self, input: &mut BytesMut, left: u64) -> Result<u64, Cause> {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        self.bytes = self.bytes.saturating_add(count as u64);
        if self.bytes > limits::HTTP_BODY_BYTES_MAX {
            return Err(exceeded("the body of an HTTP answer", limits::HTTP_BODY_BYTES_MAX));
        }
        self.arrived.push_back(input.split_to(count).freeze());
        Ok(left - count as u64)
    }

    /// One step of the body. `false`: more input is needed.
    fn step(&mut self, input: &mut BytesMut) -> Result<bool, Cause> {
        match self.state {
            State::Head => return self.read_head(input),
            State::Over => {}
            State::Body(_) | State::Chunk(_) | State::UntilClose if input.is_empty() => return Ok(false),
            State::Body(left) => {
                self.state = match self.take(input, left)? {
                    0 => State::Over,
                    left => State::Body(left),
                };
            }
            State::UntilClose => drop(self.take(input, u64::MAX)?),
            State::Chunk(left) => {
                self.state = match self.take(input, left)? {
                    0 => State::ChunkEnd,
                    left => State::Chunk(left),
                };
            }
            State::ChunkSize => {
                let parsed = httparse::parse_chunk_size(input);
                let parsed = parsed.map_err(|_| garbage("a chunk of the HTTP answer has no size"))?;
                let Status::Complete((length, size)) = parsed else {
                    return too_long(input);
                };
                let _ = input.split_to(length);
                self.state = if size == 0 { State::Trailer } else { State::Chunk(size) };
            }
            State::ChunkEnd => {
                let Some(line) = line(input) else { return too_long(input) };
                if !line.is_empty() {
                    return Err(garbage("a chunk of the HTTP answer is longer than it says"));
                }
                self.state = State::ChunkSize;
            }
            State::Trailer => {
                let Some(line) = line(input) else { return too_long(input) };
                if line.is_empty() {
                    self.state = State::Over;
                }
            }
        }
        Ok(true)
    }
}

fn head_of(answer: &httparse::Response<'_, '_>) -> Result<Head, Cause> {
    let fields: Vec<(String, String)> = answer
        .headers
        .iter()
        .map(|field| (field.name.to_owned(), String::from_utf8_lossy(field.value).trim().to_owned()))
        .collect();
    let all = |name: &'static str| {
        let is_it = move |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        fields.iter().filter(is_it).map(|(_, value)| value.to_ascii_lowercase())
    };
    let coding = all("transfer-encoding").next_back();
    let mut lengths = all("content-length").map(|text| text.parse::<u64>());
    let framing = match (coding, lengths.next()) {
        (Some(coding), _) if coding.ends_with("chunked") => Framing::Chunked,
        (Some(coding), _) => {
            return Err(garbage(&format!("an HTTP answer in the coding `{}`", server_words(&coding))));
        }
        (None, Some(Ok(length))) if lengths.all(|other| other == Ok(length)) => Framing::Length(length),
        (None, Some(_)) => return Err(garbage("the length of the HTTP answer cannot be understood")),
        (None, None) => Framing::UntilClose,
    };
    let connection = all("connection").next().unwrap_or_default();
    let keeps_open = match answer.version {
        Some(1) => !connection.contains("close"),
        Some(_) | None => connection.contains("keep-alive"),
    };
    Ok(Head {
        status: answer.code.unwrap_or_default(),
        reason: server_words(answer.reason.unwrap_or_default()),
        keeps_open: keeps_open && framing != Framing::UntilClose,
        fields,
        framing,
        arrived: None,
    })
}

/// Takes a line without its end. `None`: it is not whole yet.
fn line(input: &mut BytesMut) -> Option<Bytes> {
    let end = input.iter().position(|byte| *byte == b'\n')?;
    let mut line = input.split_to(end + 1).freeze();
    line.truncate(if line.ends_with(b"\r\n") { end - 1 } else { end });
    Some(line)
}

fn too_long(input: &BytesMut) -> Result<bool, Cause> {
    match input.len() > limits::HTTP_HEAD_BYTES_MAX {
        true => Err(exceeded("a line of an HTTP answer", limits::HTTP_HEAD_BYTES_MAX as u64)),
        false => Ok(false),
    }
}

impl Conversation for Exchange {
    type Output = Head;

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<Head>, Cause> {
        if let Some(request) = self.request.take() {
            return Ok(Progress::Send(request));
        }
        while self.state != State::Over {
            if !self.step(input)? {
                return Ok(Progress::NeedInput);
            }
        }
        match &self.head {
            Some(head) => Ok(Progress::Done(head.clone())),
            None => Err(Cause::Internal { detail: "an HTTP answer without a head".to_owned() }),
        }
    }

    fn pace(&self) -> Pace {
        if self.head.is_some() { self.pace } else { Pace::Answer }
    }

    /// The head.
    fn answers(&self) -> usize {
        usize::from(self.head.is_some())
    }
}

impl Streaming for Exchange {
    type Item = Bytes;

    fn next_item(&mut self) -> Option<Bytes> {
        self.arrived.pop_front()
    }

    fn has_items(&self) -> bool {
        !self.arrived.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: Request<'static> = Request {
        method: Method::Post,
        host: "h",
        path: "/EWS/Exchange.asmx",
        authorization: None,
        fields: &[],
        body: b"<a/>",
    };

    /// The answer, cut into pieces of every size.
    fn answer(octets: &str) -> Result<(Head, String), Cause> {
        let mut last = None;
        for size in [1, 2, 5, 4096] {
            let mut exchange = Exchange::new(&REQUEST);
            let mut input = BytesMut::new();
            assert!(matches!(exchange.advance(&mut input)?, Progress::Send(_)));
            let mut pieces = octets.as_bytes().chunks(size);
            let head = loop {
                match exchange.advance(&mut input)? {
                    Progress::Done(head) => break head,
                    Progress::NeedInput => match pieces.next() {
                        Some(piece) => input.extend_from_slice(piece),
                        None => return Err(Cause::ConnectionLost { detail: String::new() }),
                    },
                    Progress::Send(_) => panic!("nothing more to say"),
                }
            };
            let mut body = Vec::new();
            while let Some(piece) = exchange.next_item() {
                body.extend_from_slice(&piece);
            }
            last = Some((head, String::from_utf8(body).unwrap()));
        }
        Ok(last.unwrap())
    }

    #[test]
    fn each_framing_is_taken_off() {
        let (head, body) = answer("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<b/>").unwrap();
        assert_eq!((head.status, body.as_str(), head.keeps_open), (200, "<b/>", true));
        let chunked = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 Internal Server Error\r\ntransfer-encoding: chunked\r\n\
                       connection: close\r\n\r\n2;x=y\r\n<b\r\n2\r\n/>\r\n0\r\nX: y\r\n\r\n";
        let (head, body) = answer(chunked).unwrap();
        assert_eq!((head.status, body.as_str(), head.keeps_open), (500, "<b/>", false));
        assert_eq!(answer("HTTP/1.1 204 No Content\r\n\r\n").unwrap().1, "");
    }

    #[test]
    fn what_the_server_offers_and_asks_for_is_read() {
        let (head, _) = answer(
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\
             Retry-After: 7\r\nContent-Length: 0\r\n\r\n",
        )
        .unwrap();
        assert_eq!(head.login_schemes(), ["Negotiate", "Basic"]);
        assert_eq!(head.retry_after(), Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_wait_may_be_given_as_a_date() {
        let head = |fields: &str| {
            answer(&format!("HTTP/1.1 503 Busy\r\n{fields}Content-Length: 0\r\n\r\n")).unwrap().0
        };
        let date = "Retry-After: Sun, 22 Nov 2026 23:59:00 GMT\r\n";
        let own = head(&format!("Date: Sun, 22 Nov 2026 23:39:00 GMT\r\n{date}"));
        assert_eq!(own.retry_after(), Some(Duration::from_secs(1200)));
        let mut ours = head(date);
        assert_eq!(ours.retry_after(), None);
        ours.arrived = Some("2026-11-22T23:58:00Z".parse().unwrap());
        assert_eq!(ours.retry_after(), Some(Duration::from_secs(60)));
        ours.arrived = Some("2026-11-23T23:58:00Z".parse().unwrap());
        assert_eq!(ours.retry_after(), Some(Duration::ZERO));
        assert_eq!(head("Retry-After: soon\r\n").retry_after(), None);
    }

    #[test]
    fn hostile_answers_are_refused() {
        for (octets, words) in [
            ("SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "length"),
            ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "length"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "coding"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "no size"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", "longer than it says"),
        ] {
            let error = answer(octets).unwrap_err().to_string();
            assert!(error.contains(words), "{octets}: {error}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(limits::HTTP_HEAD_BYTES_MAX));
        assert!(answer(&endless).unwrap_err().to_string().contains("exceeds the limit"));
    }

    #[test]
    fn a_value_cannot_become_another_field() {
        let fields = [("X-AnchorMailbox", "a@b\r\nX: y")];
        let text = String::from_utf8(Request { fields: &fields, ..REQUEST }.octets()).unwrap();
        assert!(text.contains("X-AnchorMailbox: a@bX: y\r\n"), "{text}");
    }
}
