//! A message that is put together from what its server says of it, on its way to whoever takes messages.

use bytes::Bytes;

use super::Arrivals;
use crate::model::failure::Cause;
use crate::model::limits;
use crate::protocol::ews::item_properties::{Attached, AttachedKind, ItemProperties};
use crate::protocol::ews::rebuilt::{Lines, Rebuilt};

/// What is said of octets that did not come as they must.
pub(super) const NO_BASE64: &str = "what the server sends of it is no base64";

/// Whether the code of a refusal is about the octets of an item: what else is known of it may be had.
pub(super) fn is_about_octets(code: &str) -> bool {
    const ABOUT_OCTETS: [&str; 7] = [
        "ErrorMime",
        "ErrorContentConversion",
        "ErrorCorruptData",
        "ErrorItemCorrupt",
        "ErrorItemPropertyRequestFailed",
        "ErrorPropertyRequest",
        "ErrorMessageSizeExceeded",
    ];
    ABOUT_OCTETS.iter().any(|begin| code.starts_with(begin))
}

/// Why it was put together, and what is missing of it.
pub(super) fn words(because: &str, lacks: &[String]) -> String {
    match lacks {
        [] => because.to_owned(),
        lacks => format!("{because}; without {}", lacks.join(", ")),
    }
}

/// What a message lacks whose attachment could not be had.
pub(super) fn without(attached: &Attached, why: &str) -> String {
    let name = attached.name.as_deref().unwrap_or("without a name");
    format!("the attachment {name} ({why})")
}

/// Why nothing is put together now.
pub(super) enum Stop {
    /// It may be had with another reading. In the server's words.
    Passing(String),
    /// It is not about this message.
    Failed(Cause),
}

impl From<Cause> for Stop {
    fn from(cause: Cause) -> Self {
        Self::Failed(cause)
    }
}

/// What an item says of itself.
pub(super) enum Had {
    /// With what is missing of them.
    Properties(Box<ItemProperties>, Vec<String>),
    /// It is not there any more.
    Gone,
    /// In the server's words.
    Refused(String),
}

/// What a refusal means that will be the same the next time.
pub(super) enum Final {
    /// It is not there any more.
    Gone,
    /// In the server's words.
    Refused(String),
}

/// What became of one attachment.
pub(super) enum Part {
    Whole,
    /// A note stands in its place. In the server's words.
    Missing(String),
    /// With it the message would be larger than any may be.
    TooMuch,
}

/// Counts what is handed over.
pub(super) struct Written<'a> {
    pub arrivals: &'a mut dyn Arrivals,
    pub bytes: u64,
}

impl Written<'_> {
    pub async fn write(&mut self, octets: Bytes) -> Result<(), Cause> {
        if octets.is_empty() {
            return Ok(());
        }
        self.bytes = self.bytes.saturating_add(octets.len() as u64);
        self.arrivals.piece(octets).await
    }
}

/// How the octets of an attachment stand in the message.
enum Coding {
    Lines(Lines),
    AsItIs,
}

/// The attachment that is arriving.
pub(super) struct UnderWay<'a, 'w> {
    written: &'a mut Written<'w>,
    /// Until its content begins: nobody knows whether it will.
    head: Option<Vec<u8>>,
    coding: Coding,
    pub is_too_much: bool,
    pub is_garbled: bool,
}

impl<'a, 'w> UnderWay<'a, 'w> {
    pub fn new((frame, attached): (&Rebuilt, &Attached), written: &'a mut Written<'w>) -> Self {
        let coding = match attached.kind {
            AttachedKind::File => Coding::Lines(Lines::default()),
            AttachedKind::Item => Coding::AsItIs,
        };
        let head = Some(frame.attachment(attached));
        Self { written, head, coding, is_too_much: false, is_garbled: false }
    }

    pub async fn octets(&mut self, octets: Bytes) -> Result<(), Cause> {
        let size = self.written.bytes.saturating_add(octets.len() as u64);
        if size > limits::RECEIVED_BYTES_MAX {
            self.is_too_much = true;
            return Err(Cause::LimitExceeded {
                what: "a message".to_owned(),
                limit: limits::RECEIVED_BYTES_MAX,
            });
        }
        self.begin().await?;
        let octets = match &mut self.coding {
            Coding::Lines(lines) => lines.encoded(&octets).into(),
            Coding::AsItIs => octets,
        };
        self.written.write(octets).await
    }

    async fn begin(&mut self) -> Result<(), Cause> {
        match self.head.take() {
            Some(head) => self.written.write(head.into()).await,
            None => Ok(()),
        }
    }

    /// An attachment without any content is one, too.
    pub async fn finish(mut self) -> Result<(), Cause> {
        self.begin().await?;
        let last = match self.coding {
            Coding::Lines(lines) => lines.last(),
            Coding::AsItIs => Vec::new(),
        };
        self.written.write(last.into()).await
    }
}
