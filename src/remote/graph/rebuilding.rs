//! A message that the service cannot make into MIME: put together from its properties and its attachments, as by Exchange Web
//! Services, so that one damaged item costs its octets and not what it says.

use async_trait::async_trait;
use bytes::Bytes;

use super::fetching::Attempt;
use super::session::{GraphFailure, Outlet, Session};
use crate::model::cursor::{Content, Fetched, Listed};
use crate::model::failure::Cause;
use crate::protocol::ews::item_properties::{Attached, WithBody};
use crate::protocol::ews::rebuilt::Rebuilt;
use crate::protocol::graph::{AttachmentValue, GetMessage, ListAttachments, Operation, Refusal};
use crate::remote::Arrivals;
use crate::remote::rebuilt::{Final, Had, Part, Stop, UnderWay, Written, is_about_octets, without, words};

/// Hands over what can be had of a message. `because`: the service's words about its octets.
pub(super) async fn rebuild(
    session: &mut Session,
    (listed, id): (&Listed, &str),
    (because, attempt): (&str, Attempt),
    arrivals: &mut dyn Arrivals,
) -> Result<(), Cause> {
    let mut written = Written { arrivals, bytes: 0 };
    let mut asking = Asking { session, message: id, attempt };
    let fetched = match asking.put_together(listed, because, &mut written).await {
        Ok(fetched) => fetched,
        Err(Stop::Passing(said)) => {
            Fetched::of(listed.clone(), Content::Deferred(format!("{because}; {said}")))
        }
        Err(Stop::Failed(cause)) => return Err(cause),
    };
    written.arrivals.message(fetched).await
}

/// Asks for one message, piece by piece.
struct Asking<'a> {
    session: &'a mut Session,
    message: &'a str,
    attempt: Attempt,
}

impl Asking<'_> {
    async fn put_together(
        &mut self,
        listed: &Listed,
        because: &str,
        written: &mut Written<'_>,
    ) -> Result<Fetched, Stop> {
        let mut fetched = Fetched::of(listed.clone(), Content::Vanished);
        let (properties, mut lacks) = match self.properties().await? {
            Had::Properties(properties, lacks) => (properties, lacks),
            Had::Gone => return Ok(fetched),
            Had::Refused(said) => {
                fetched.content = Content::Refused(format!("{because}; its properties: {said}"));
                return Ok(fetched);
            }
        };
        let attachments = self.attachments(&mut lacks).await?;
        let (frame, beginning) = Rebuilt::begin(&properties, because);
        written.write(beginning.into()).await?;
        for attached in &attachments {
            match self.attachment((&frame, attached), written).await? {
                Part::Whole => {}
                Part::Missing(why) => lacks.push(without(attached, &why)),
                Part::TooMuch => {
                    fetched.content = Content::TooLarge(written.bytes);
                    return Ok(fetched);
                }
            }
        }
        written.write(frame.end().into()).await?;
        fetched.content = Content::Streamed(written.bytes);
        fetched.rebuilt = Some(words(because, &lacks));
        Ok(fetched)
    }

    /// The text may be what the service cannot read, or be larger than an answer may be: then the rest is asked for.
    async fn properties(&mut self) -> Result<Had, Stop> {
        let id = self.message;
        let because = match self.session.call(&GetMessage { id, body: WithBody::Yes }).await {
            Ok(properties) => return Ok(Had::Properties(Box::new(properties), Vec::new())),
            Err(GraphFailure::Refused(refusal)) => match self.of_refusal(refusal)? {
                Final::Refused(said) => said,
                Final::Gone => return Ok(Had::Gone),
            },
            Err(GraphFailure::Conversation(
                cause @ (Cause::LimitExceeded { .. } | Cause::Garbage { .. }),
            )) => cause.to_string(),
            Err(failure) => return Err(failure.cause().into()),
        };
        match self.session.call(&GetMessage { id, body: WithBody::No }).await {
            Ok(properties) => {
                Ok(Had::Properties(Box::new(properties), vec![format!("its text ({because})")]))
            }
            Err(GraphFailure::Refused(refusal)) => Ok(match self.of_refusal(refusal)? {
                Final::Refused(said) => Had::Refused(said),
                Final::Gone => Had::Gone,
            }),
            Err(failure) => Err(failure.cause().into()),
        }
    }

    /// What is attached, without links to somewhere else.
    async fn attachments(&mut self, lacks: &mut Vec<String>) -> Result<Vec<Attached>, Stop> {
        let said = match self.session.call(&ListAttachments { message: self.message }).await {
            Ok(listed) => return Ok(listed.into_iter().filter_map(|one| one.content()).collect()),
            Err(GraphFailure::Refused(refusal)) => match self.of_refusal(refusal)? {
                Final::Refused(said) => said,
                Final::Gone => "they are not there any more".to_owned(),
            },
            Err(failure) => return Err(failure.cause().into()),
        };
        lacks.push(format!("its attachments ({said})"));
        Ok(Vec::new())
    }

    async fn attachment(
        &mut self,
        (frame, attached): (&Rebuilt, &Attached),
        written: &mut Written<'_>,
    ) -> Result<Part, Stop> {
        let call = AttachmentValue { message: self.message, id: &attached.id }.call(self.session.user());
        let mut under_way = UnderWay::new((frame, attached), written);
        let asked = self.session.stream(call, &mut under_way).await;
        if under_way.is_too_much {
            return Ok(Part::TooMuch);
        }
        let because = match asked {
            Ok(()) => {
                under_way.finish().await?;
                return Ok(Part::Whole);
            }
            Err(GraphFailure::Refused(refusal)) => match self.of_refusal(refusal)? {
                Final::Refused(said) => said,
                Final::Gone => "it is not there any more".to_owned(),
            },
            Err(failure) => return Err(failure.cause().into()),
        };
        written.write(frame.missing(attached, &because).into()).await?;
        Ok(Part::Missing(because))
    }

    /// What may be otherwise with another reading is waited for, until there is none.
    fn of_refusal(&self, refusal: Refusal) -> Result<Final, Stop> {
        const FINAL: [&str; 3] = ["ErrorCannotOpen", "ErrorAttachment", "ErrorVirus"];
        let said = refusal.to_string();
        if refusal.is_throttled() || matches!(refusal.status, 401 | 403) {
            return Err(refusal.cause().into());
        }
        if refusal.is_missing() {
            return Ok(Final::Gone);
        }
        let is_final = FINAL.iter().any(|begin| refusal.code.starts_with(begin));
        if is_final || is_about_octets(&refusal.code) || self.attempt == Attempt::Last {
            return Ok(Final::Refused(said));
        }
        Err(Stop::Passing(said))
    }
}

#[async_trait]
impl Outlet for UnderWay<'_, '_> {
    async fn octets(&mut self, octets: Bytes) -> Result<(), Cause> {
        UnderWay::octets(self, octets).await
    }
}
