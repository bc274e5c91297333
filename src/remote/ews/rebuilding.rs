//! A message that the server cannot hand over: put together from its properties and its attachments, so that one damaged item
//! costs its octets and not what it says.

use async_trait::async_trait;
use bytes::Bytes;

use crate::model::cursor::{Content, Fetched, Listed};
use crate::model::failure::Cause;
use crate::model::limits;
use crate::protocol::ews::item_properties::{Attached, AttachedKind, ItemProperties, WithBody};
use crate::protocol::ews::rebuilt::{Lines, Rebuilt};
use crate::protocol::ews::{
    EwsError, Found, GetAttachment, GetItemProperties, GottenAttachment, ItemId, Refusal,
};
use crate::remote::Arrivals;

use super::session::{EwsFailure, Outlet, Session};

/// What is said of octets that did not come as they must.
pub(super) const NO_BASE64: &str = "what the server sends of it is no base64";

/// Whether a refusal is about the octets of an item: what else is known of it may be had.
pub(super) fn is_about_octets(refusal: &Refusal) -> bool {
    const ABOUT_OCTETS: [&str; 7] = [
        "ErrorMime",
        "ErrorContentConversion",
        "ErrorCorruptData",
        "ErrorItemCorrupt",
        "ErrorItemPropertyRequestFailed",
        "ErrorPropertyRequest",
        "ErrorMessageSizeExceeded",
    ];
    ABOUT_OCTETS.iter().any(|begin| refusal.code.starts_with(begin))
}

/// Hands over what can be had of a message. `because`: the server's words about its octets.
pub(super) async fn rebuild(
    session: &mut Session,
    (listed, id): (&Listed, ItemId),
    because: &str,
    arrivals: &mut dyn Arrivals,
) -> Result<(), Cause> {
    let mut fetched = Fetched {
        id: listed.id.clone(),
        received: listed.received,
        content: Content::Vanished,
        rebuilt: None,
    };
    let (properties, mut lacks) = match properties(session, id).await? {
        Had::Properties(properties, lacks) => (properties, lacks),
        Had::Nothing(content) => {
            if let Content::Refused(said) = content {
                fetched.content = Content::Refused(format!("{because}; its properties: {said}"));
            }
            return arrivals.message(fetched).await;
        }
    };
    let (frame, beginning) = Rebuilt::begin(&properties, because);
    let mut written = Written { arrivals, bytes: 0 };
    written.write(beginning.into()).await?;
    for attached in &properties.attachments {
        match attachment(session, (&frame, attached), &mut written).await? {
            Part::Whole => {}
            Part::Missing(why) => {
                let name = attached.name.as_deref().unwrap_or("without a name");
                lacks.push(format!("the attachment {name} ({why})"));
            }
            Part::TooMuch => {
                // The answer that was under way is not read to its end.
                session.hang_up();
                fetched.content = Content::TooLarge(written.bytes);
                return written.arrivals.message(fetched).await;
            }
        }
    }
    written.write(frame.end().into()).await?;
    fetched.content = Content::Streamed(written.bytes);
    fetched.rebuilt = Some(words(because, &lacks));
    written.arrivals.message(fetched).await
}

fn words(because: &str, lacks: &[String]) -> String {
    match lacks {
        [] => because.to_owned(),
        lacks => format!("{because}; without {}", lacks.join(", ")),
    }
}

/// What an item says of itself.
enum Had {
    /// With what is missing of them.
    Properties(Box<ItemProperties>, Vec<String>),
    /// `Vanished`, or `Refused`.
    Nothing(Content),
}

/// The text may be what the server cannot read, or be larger than an answer may be: then the rest is asked for.
async fn properties(session: &mut Session, id: ItemId) -> Result<Had, Cause> {
    let whole = GetItemProperties { id: id.clone(), body: WithBody::Yes };
    let because = match session.call(&whole).await {
        Ok(properties) => return Ok(Had::Properties(Box::new(properties), Vec::new())),
        Err(EwsFailure::Answer(EwsError::Refused(refusal))) => match of_refusal(session, refusal)? {
            Final::Refused(said) => said,
            Final::Gone => return Ok(Had::Nothing(Content::Vanished)),
        },
        Err(EwsFailure::Answer(error @ (EwsError::Garbage(_) | EwsError::LimitExceeded { .. }))) => {
            error.to_string()
        }
        Err(EwsFailure::Conversation(cause @ Cause::LimitExceeded { .. })) => {
            session.hang_up();
            cause.to_string()
        }
        Err(EwsFailure::Conversation(cause)) => return Err(cause),
    };
    match session.call(&GetItemProperties { id, body: WithBody::No }).await {
        Ok(properties) => Ok(Had::Properties(Box::new(properties), vec![format!("its text ({because})")])),
        Err(EwsFailure::Answer(EwsError::Refused(refusal))) => match of_refusal(session, refusal)? {
            Final::Refused(said) => Ok(Had::Nothing(Content::Refused(said))),
            Final::Gone => Ok(Had::Nothing(Content::Vanished)),
        },
        Err(failure) => Err(failure.cause()),
    }
}

/// What a refusal means that will be the same the next time.
enum Final {
    /// It is not there any more.
    Gone,
    /// In the server's words.
    Refused(String),
}

/// A refusal that may be over the next time is an error.
fn of_refusal(session: &Session, refusal: Refusal) -> Result<Final, Cause> {
    if refusal.code == "ErrorItemNotFound" {
        return Ok(Final::Gone);
    }
    if refusal.is_server_busy() {
        session.note_busy(&refusal);
    }
    let said = refusal.to_string();
    let cause = refusal.cause();
    if matches!(cause, Cause::Exchange { .. }) { Ok(Final::Refused(said)) } else { Err(cause) }
}

/// What became of one attachment.
enum Part {
    Whole,
    /// A note stands in its place. In the server's words.
    Missing(String),
    /// With it the message would be larger than any may be.
    TooMuch,
}

async fn attachment(
    session: &mut Session,
    (frame, attached): (&Rebuilt, &Attached),
    written: &mut Written<'_>,
) -> Result<Part, Cause> {
    let coding = match attached.kind {
        AttachedKind::File => Coding::Lines(Lines::default()),
        AttachedKind::Item => Coding::AsItIs,
    };
    let head = Some(frame.attachment(attached));
    let mut under_way = UnderWay { written, head, coding, is_too_much: false, is_garbled: false };
    let called = session.call_with(&GetAttachment { id: attached.id.clone() }, &mut under_way).await;
    if under_way.is_too_much {
        return Ok(Part::TooMuch);
    }
    let because = match called {
        Ok(GottenAttachment::File | GottenAttachment::Item) => {
            return Ok(match (under_way.is_garbled, under_way.finish().await?) {
                (true, ()) => Part::Missing(NO_BASE64.to_owned()),
                (false, ()) => Part::Whole,
            });
        }
        Ok(GottenAttachment::ItemWithoutMime) => "it came without its content".to_owned(),
        Err(EwsFailure::Answer(EwsError::Refused(refusal))) => match of_refusal(session, refusal)? {
            Final::Refused(said) => said,
            Final::Gone => "it is not there any more".to_owned(),
        },
        Err(failure) => return Err(failure.cause()),
    };
    written.write(frame.missing(attached, &because).into()).await?;
    Ok(Part::Missing(because))
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
struct UnderWay<'a, 'w> {
    written: &'a mut Written<'w>,
    /// Until its content begins: nobody knows whether it will.
    head: Option<Vec<u8>>,
    coding: Coding,
    is_too_much: bool,
    is_garbled: bool,
}

#[async_trait]
impl Outlet for UnderWay<'_, '_> {
    async fn found(&mut self, found: Found) -> Result<(), Cause> {
        let octets = match found {
            Found::Octets(octets) => octets,
            Found::Garbled => {
                self.is_garbled = true;
                return Ok(());
            }
            Found::End(_) => return Ok(()),
        };
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
}

impl UnderWay<'_, '_> {
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
