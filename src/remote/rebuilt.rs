//! A message that its server cannot hand over: put together from its properties and its attachments, so that one damaged item costs
//! its octets and not what it says. The same for every way of asking; on its way to whoever takes messages.

use async_trait::async_trait;
use bytes::Bytes;

use super::Arrivals;
use crate::model::cursor::{Content, Fetched, Listed};
use crate::model::failure::Cause;
use crate::model::limits;
use crate::protocol::ews::item_properties::{Attached, AttachedKind, ItemProperties, WithBody};
use crate::protocol::ews::rebuilt::{Lines, Place, Rebuilt};

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

/// Whoever tells of one message, piece by piece.
#[async_trait]
pub(super) trait Witness: Send {
    async fn properties(&mut self, body: WithBody) -> Result<ItemProperties, Silent>;

    /// Adds what is attached to what the message says of itself, where that is asked for apart; or what is missing of it.
    async fn attachments(
        &mut self,
        properties: &mut ItemProperties,
        lacks: &mut Vec<String>,
    ) -> Result<(), Stop> {
        let _ = (properties, lacks);
        Ok(())
    }

    /// Hands over one attachment. What is answered for it beyond the limit is not read to its end.
    async fn attachment(&mut self, id: &str, under_way: &mut UnderWay<'_, '_>) -> Result<(), Silent>;
}

/// Why nothing is told.
pub(super) enum Silent {
    Final(Final),
    /// What is told cannot be read, or is too large. With less of it there may be something.
    Unreadable(Cause),
    Stop(Stop),
}

impl From<Stop> for Silent {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// Hands over what can be had of a message. `because`: the server's words about its octets.
pub(super) async fn rebuild(
    witness: &mut dyn Witness,
    listed: &Listed,
    because: &str,
    arrivals: &mut dyn Arrivals,
) -> Result<(), Cause> {
    let mut written = Written { arrivals, bytes: 0 };
    let fetched = match put_together(witness, listed, because, &mut written).await {
        Ok(fetched) => fetched,
        Err(Stop::Passing(said)) => {
            Fetched::of(listed.clone(), Content::Deferred(format!("{because}; {said}")))
        }
        Err(Stop::Failed(cause)) => return Err(cause),
    };
    written.arrivals.message(fetched).await
}

async fn put_together(
    witness: &mut dyn Witness,
    listed: &Listed,
    because: &str,
    written: &mut Written<'_>,
) -> Result<Fetched, Stop> {
    let mut fetched = Fetched::of(listed.clone(), Content::Vanished);
    let mut lacks = Vec::new();
    let mut properties = match properties(witness, &mut lacks).await? {
        Ok(properties) => properties,
        Err(Final::Gone) => return Ok(fetched),
        Err(Final::Refused(said)) => {
            fetched.content = Content::Refused(format!("{because}; its properties: {said}"));
            return Ok(fetched);
        }
    };
    witness.attachments(&mut properties, &mut lacks).await?;
    let (frame, beginning) = Rebuilt::begin(&properties, because);
    written.write(beginning.into()).await?;
    for place in [Place::InText, Place::Attached] {
        let is_here = |attached: &&Attached| properties.shows(attached) == (place == Place::InText);
        for attached in properties.attachments.iter().filter(is_here) {
            match attachment(witness, (&frame, attached, place), written).await? {
                Part::Whole => {}
                Part::Missing(why) => lacks.push(without(attached, &why)),
                Part::TooMuch => {
                    fetched.content = Content::TooLarge(written.bytes);
                    return Ok(fetched);
                }
            }
        }
        if place == Place::InText {
            written.write(frame.after_text().into()).await?;
        }
    }
    written.write(frame.end().into()).await?;
    fetched.content = Content::Streamed(written.bytes);
    fetched.rebuilt = Some(words(because, &lacks));
    Ok(fetched)
}

/// The text may be what the server cannot read, or be larger than an answer may be: then the rest is asked for.
async fn properties(
    witness: &mut dyn Witness,
    lacks: &mut Vec<String>,
) -> Result<Result<ItemProperties, Final>, Stop> {
    let because = match witness.properties(WithBody::Yes).await {
        Ok(properties) => return Ok(Ok(properties)),
        Err(Silent::Final(Final::Gone)) => return Ok(Err(Final::Gone)),
        Err(Silent::Final(Final::Refused(said))) => said,
        Err(Silent::Unreadable(cause)) => cause.to_string(),
        Err(Silent::Stop(stop)) => return Err(stop),
    };
    match witness.properties(WithBody::No).await {
        Ok(properties) => {
            lacks.push(format!("its text ({because})"));
            Ok(Ok(properties))
        }
        Err(Silent::Final(refused)) => Ok(Err(refused)),
        Err(Silent::Unreadable(cause)) => Err(Stop::Failed(cause)),
        Err(Silent::Stop(stop)) => Err(stop),
    }
}

async fn attachment(
    witness: &mut dyn Witness,
    (frame, attached, place): (&Rebuilt, &Attached, Place),
    written: &mut Written<'_>,
) -> Result<Part, Stop> {
    let mut under_way = UnderWay::new((frame, attached, place), written);
    let told = witness.attachment(&attached.id, &mut under_way).await;
    if under_way.is_too_much {
        return Ok(Part::TooMuch);
    }
    let because = match told {
        Ok(()) => {
            return Ok(match (under_way.is_garbled, under_way.finish().await?) {
                (true, ()) => Part::Missing(NO_BASE64.to_owned()),
                (false, ()) => Part::Whole,
            });
        }
        Err(Silent::Final(Final::Refused(said))) => said,
        Err(Silent::Final(Final::Gone)) => "it is not there any more".to_owned(),
        Err(Silent::Unreadable(cause)) => return Err(Stop::Failed(cause)),
        Err(Silent::Stop(stop)) => return Err(stop),
    };
    written.write(frame.missing(attached, &because, place).into()).await?;
    Ok(Part::Missing(because))
}

/// Why it was put together, and what is missing of it.
fn words(because: &str, lacks: &[String]) -> String {
    match lacks {
        [] => because.to_owned(),
        lacks => format!("{because}; without {}", lacks.join(", ")),
    }
}

/// What a message lacks whose attachment could not be had.
fn without(attached: &Attached, why: &str) -> String {
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

/// What a refusal means that will be the same the next time.
pub(super) enum Final {
    /// It is not there any more.
    Gone,
    /// In the server's words.
    Refused(String),
}

/// What became of one attachment.
enum Part {
    Whole,
    /// A note stands in its place. In the server's words.
    Missing(String),
    /// With it the message would be larger than any may be.
    TooMuch,
}

/// Counts what is handed over.
struct Written<'a> {
    arrivals: &'a mut dyn Arrivals,
    bytes: u64,
}

impl Written<'_> {
    async fn write(&mut self, octets: Bytes) -> Result<(), Cause> {
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
    is_too_much: bool,
    pub is_garbled: bool,
}

impl<'a, 'w> UnderWay<'a, 'w> {
    fn new((frame, attached, place): (&Rebuilt, &Attached, Place), written: &'a mut Written<'w>) -> Self {
        let coding = match attached.kind {
            AttachedKind::File => Coding::Lines(Lines::default()),
            AttachedKind::Item => Coding::AsItIs,
        };
        let head = Some(frame.attachment(attached, place));
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
    async fn finish(mut self) -> Result<(), Cause> {
        self.begin().await?;
        let last = match self.coding {
            Coding::Lines(lines) => lines.last(),
            Coding::AsItIs => Vec::new(),
        };
        self.written.write(last.into()).await
    }
}
