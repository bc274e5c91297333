//! DATA: the message itself, and its delivery.

use bytes::BytesMut;

use super::super::calendar;
use super::super::state::{Submission, Undeliverable};
use super::{Body, Closed, Envelope, Happening, Hello, Line, Next, Session, host};

/// RFC 5321 section 4.5.3.1.6.
const LINE_TOO_LONG: &str = "554 5.6.0 line longer than 998 octets";

/// A message as it came in, with the first reason not to take it.
pub(super) struct Incoming {
    pub(super) raw: BytesMut,
    pub(super) refusal: Option<&'static str>,
}

impl Session {
    pub(super) async fn data(&mut self) -> Result<Next, Closed> {
        let Some(envelope) = self.envelope.take_if(|envelope| !envelope.recipients.is_empty()) else {
            return match self.envelope {
                Some(_) => self.say("554 5.5.1 no valid recipients").await,
                None => self.say("503 5.5.1 MAIL comes first").await,
            };
        };
        self.wire.send_line("354 end with <CR><LF>.<CR><LF>").await?;
        let incoming = self.message(envelope.body).await?;
        self.wire.note(Happening::Content { bytes: incoming.raw.len() });
        if let Some(answer) = self.wire.arrived(".").await? {
            return self.say(&answer).await;
        }
        match incoming.refusal {
            Some(refusal) => self.say(refusal).await,
            None => self.take(envelope, incoming.raw).await,
        }
    }

    /// Reads to the final dot, whatever is wrong with the message, so that both sides stay in step.
    async fn message(&mut self, body: Body) -> Result<Incoming, Closed> {
        let bytes_max = self.wire.world.options.message_bytes_max;
        let mut incoming = Incoming { raw: BytesMut::new(), refusal: None };
        let mut skipped = 0_usize;
        // Only CRLF.CRLF ends a message; a dot after a bare LF is text (and the message is refused anyway).
        let mut at_line_start = true;
        loop {
            let line = self.wire.line().await?;
            let (line, whole) = match &line {
                Line::Whole(line) => (line.as_ref(), true),
                Line::BareLf(line) => (line.as_ref(), false),
                Line::TooLong => {
                    incoming.refuse(LINE_TOO_LONG);
                    (b"".as_ref(), true)
                }
            };
            if whole && at_line_start && line == b"." {
                return Ok(incoming);
            }
            let unstuffed = if at_line_start { line.strip_prefix(b".").unwrap_or(line) } else { line };
            incoming.judge(unstuffed, body);
            if !whole {
                incoming.refuse("550 5.5.2 bare <LF> received, lines end with <CR><LF>");
            }
            at_line_start = whole;
            if incoming.raw.len() + unstuffed.len() + 2 > bytes_max {
                incoming.refuse("552 5.3.4 message too big");
                skipped += unstuffed.len() + 2;
                if skipped > bytes_max {
                    return Err(Closed);
                }
                continue;
            }
            incoming.raw.extend_from_slice(unstuffed);
            incoming.raw.extend_from_slice(b"\r\n");
        }
    }

    pub(super) async fn take(&mut self, envelope: Envelope, raw: BytesMut) -> Result<Next, Closed> {
        let received = self.wire.world.state.now();
        let trace = self.trace(&envelope, calendar::header_date(received));
        let submission = Submission {
            connection: self.wire.connection,
            username: self.login.as_ref().map(|login| login.username.clone()),
            from: envelope.from,
            recipients: envelope.recipients,
            raw: raw.freeze(),
        };
        let taken = self.wire.world.state.lock().submit(&submission, &trace, received);
        match taken {
            Ok(()) => self.say("250 2.0.0 accepted").await,
            Err(Undeliverable::Full) => self.say("452 4.3.1 insufficient system storage").await,
            Err(Undeliverable::UnknownRecipient(_)) => self.say("550 5.1.1 no such user here").await,
        }
    }

    /// The header fields of a final delivery, RFC 5321 section 4.4.
    fn trace(&self, envelope: &Envelope, date: String) -> String {
        let (name, extended) = match &self.hello {
            Hello::Extended(name) => (name.as_str(), true),
            Hello::Plain(name) => (name.as_str(), false),
            Hello::Awaited => ("unknown", false),
        };
        // RFC 3848.
        let with = match (extended, self.wire.is_secure(), self.login.is_some()) {
            (false, _, _) => "SMTP",
            (true, false, false) => "ESMTP",
            (true, false, true) => "ESMTPA",
            (true, true, false) => "ESMTPS",
            (true, true, true) => "ESMTPSA",
        };
        let (from, peer, host) = (&envelope.from, self.wire.peer(), host(&self.wire));
        format!(
            "Return-Path: <{from}>\r\nReceived: from {name} ([{peer}])\r\n\tby {host} with {with} id {};\r\n\t{date}\r\n",
            self.wire.connection
        )
    }
}

impl Incoming {
    pub(super) fn judge(&mut self, line: &[u8], body: Body) {
        if line.contains(&b'\r') {
            self.refuse("550 5.5.2 bare <CR> received, lines end with <CR><LF>");
        }
        if line.len() > 998 {
            self.refuse(LINE_TOO_LONG);
        }
        if body == Body::SevenBit && !line.is_ascii() {
            self.refuse("554 5.6.1 8-bit content needs BODY=8BITMIME");
        }
    }

    pub(super) fn refuse(&mut self, reason: &'static str) {
        self.refusal.get_or_insert(reason);
    }
}
