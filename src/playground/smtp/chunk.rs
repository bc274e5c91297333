//! BDAT (RFC 3030): the message in counted octets.

use bytes::{Bytes, BytesMut};

use super::data::Incoming;
use super::{Closed, Happening, Next, Session};

/// What follows a BDAT.
pub(super) struct Chunk {
    octets: Bytes,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    MoreFollows,
    Last,
}

impl Session {
    pub(super) async fn bdat(&mut self, argument: &str) -> Result<Next, Closed> {
        // Its octets are read whatever becomes of them, so that both sides stay in step.
        let Some(chunk) = self.chunk(argument).await? else {
            return self.say("501 5.5.4 syntax: BDAT size [LAST]").await;
        };
        let Some(mut envelope) = self.envelope.take_if(|envelope| !envelope.recipients.is_empty()) else {
            return match self.envelope {
                Some(_) => self.say("554 5.5.1 no valid recipients").await,
                None => self.say("503 5.5.1 MAIL comes first").await,
            };
        };
        if envelope.chunks.len() + chunk.octets.len() > self.wire.world.options.message_bytes_max {
            return self.say("552 5.3.4 message too big").await;
        }
        envelope.chunks.extend_from_slice(&chunk.octets);
        if chunk.place == Place::MoreFollows {
            self.envelope = Some(envelope);
            return self.say(&format!("250 2.0.0 {} octets received", chunk.octets.len())).await;
        }
        let raw = std::mem::take(&mut envelope.chunks);
        self.wire.note(Happening::Content { bytes: raw.len() });
        let mut incoming = Incoming { raw: BytesMut::new(), refusal: None };
        for line in raw.split_inclusive(|byte| *byte == b'\n') {
            let text = line.strip_suffix(b"\r\n").unwrap_or_else(|| {
                incoming.refuse("550 5.5.2 bare <LF> received, lines end with <CR><LF>");
                line
            });
            incoming.judge(text, envelope.body);
        }
        match incoming.refusal {
            Some(refusal) => self.say(refusal).await,
            None => self.take(envelope, raw).await,
        }
    }

    /// `None`: nobody knows how many octets follow.
    pub(super) async fn chunk(&mut self, argument: &str) -> Result<Option<Chunk>, Closed> {
        let (size, place) = match argument.split_once(' ') {
            Some((size, last)) if last.eq_ignore_ascii_case("LAST") => (size, Place::Last),
            Some(_) => return Ok(None),
            None => (argument, Place::MoreFollows),
        };
        let Some(size) = size.parse::<usize>().ok().filter(|_| !size.starts_with('+')) else {
            return Ok(None);
        };
        if size > 2 * self.wire.world.options.message_bytes_max {
            return Err(Closed);
        }
        Ok(Some(Chunk { octets: self.wire.octets(size).await?, place }))
    }
}
