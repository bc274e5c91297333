//! A message that the server cannot hand over: put together from its properties and its attachments, so that one damaged item
//! costs its octets and not what it says.

use async_trait::async_trait;

use crate::model::cursor::{Content, Fetched, Listed};
use crate::model::failure::Cause;
use crate::protocol::ews::item_properties::{Attached, WithBody};
use crate::protocol::ews::rebuilt::Rebuilt;
use crate::protocol::ews::{
    EwsError, Found, GetAttachment, GetItemProperties, GottenAttachment, ItemId, Refusal,
};
use crate::remote::Arrivals;
use crate::remote::rebuilt::{Final, Had, NO_BASE64, Part, Stop, UnderWay, Written, without, words};

use super::fetching::is_page;
use super::session::{EwsFailure, Outlet, Session};

/// Hands over what can be had of a message. `because`: the server's words about its octets.
pub(super) async fn rebuild(
    session: &mut Session,
    (listed, id): (&Listed, ItemId),
    because: &str,
    arrivals: &mut dyn Arrivals,
) -> Result<(), Cause> {
    let mut written = Written { arrivals, bytes: 0 };
    let fetched = match put_together(session, (listed, id), because, &mut written).await {
        Ok(fetched) => fetched,
        Err(Stop::Passing(said)) => {
            Fetched::of(listed.clone(), Content::Deferred(format!("{because}; {said}")))
        }
        Err(Stop::Failed(cause)) => return Err(cause),
    };
    written.arrivals.message(fetched).await
}

async fn put_together(
    session: &mut Session,
    (listed, id): (&Listed, ItemId),
    because: &str,
    written: &mut Written<'_>,
) -> Result<Fetched, Stop> {
    let mut fetched = Fetched::of(listed.clone(), Content::Vanished);
    let (properties, mut lacks) = match properties(session, id).await? {
        Had::Properties(properties, lacks) => (properties, lacks),
        Had::Gone => return Ok(fetched),
        Had::Refused(said) => {
            fetched.content = Content::Refused(format!("{because}; its properties: {said}"));
            return Ok(fetched);
        }
    };
    let (frame, beginning) = Rebuilt::begin(&properties, because);
    written.write(beginning.into()).await?;
    for attached in &properties.attachments {
        match attachment(session, (&frame, attached), written).await? {
            Part::Whole => {}
            Part::Missing(why) => lacks.push(without(attached, &why)),
            Part::TooMuch => {
                // The answer that was under way is not read to its end.
                session.hang_up();
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

/// A page of whoever stands in front of the server may not come again.
fn of_conversation(cause: Cause) -> Stop {
    if is_page(&cause) { Stop::Passing(cause.to_string()) } else { Stop::Failed(cause) }
}

/// The text may be what the server cannot read, or be larger than an answer may be: then the rest is asked for.
async fn properties(session: &mut Session, id: ItemId) -> Result<Had, Stop> {
    let whole = GetItemProperties { id: id.clone(), body: WithBody::Yes };
    let because = match session.call(&whole).await {
        Ok(properties) => return Ok(Had::Properties(Box::new(properties), Vec::new())),
        Err(EwsFailure::Answer(EwsError::Refused(refusal))) => match of_refusal(session, refusal)? {
            Final::Refused(said) => said,
            Final::Gone => return Ok(Had::Gone),
        },
        Err(EwsFailure::Answer(error @ (EwsError::Garbage(_) | EwsError::LimitExceeded { .. }))) => {
            error.to_string()
        }
        Err(EwsFailure::Conversation(cause @ Cause::LimitExceeded { .. })) => {
            session.hang_up();
            cause.to_string()
        }
        Err(EwsFailure::Conversation(cause)) => return Err(of_conversation(cause)),
    };
    match session.call(&GetItemProperties { id, body: WithBody::No }).await {
        Ok(properties) => Ok(Had::Properties(Box::new(properties), vec![format!("its text ({because})")])),
        Err(EwsFailure::Answer(EwsError::Refused(refusal))) => match of_refusal(session, refusal)? {
            Final::Refused(said) => Ok(Had::Refused(said)),
            Final::Gone => Ok(Had::Gone),
        },
        Err(failure) => Err(of_conversation(failure.cause())),
    }
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

async fn attachment(
    session: &mut Session,
    (frame, attached): (&Rebuilt, &Attached),
    written: &mut Written<'_>,
) -> Result<Part, Stop> {
    let mut under_way = UnderWay::new((frame, attached), written);
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
        Err(failure) => return Err(of_conversation(failure.cause())),
    };
    written.write(frame.missing(attached, &because).into()).await?;
    Ok(Part::Missing(because))
}

#[async_trait]
impl Outlet for UnderWay<'_, '_> {
    async fn found(&mut self, found: Found) -> Result<(), Cause> {
        match found {
            Found::Octets(octets) => self.octets(octets).await,
            Found::Garbled => {
                self.is_garbled = true;
                Ok(())
            }
            Found::End(_) => Ok(()),
        }
    }
}
