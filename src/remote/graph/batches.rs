//! One thing done to many messages, twenty at a time. What is throttled is asked for again, and nothing else.

use super::item;
use super::session::{GraphFailure, Session};
use crate::model::cursor::RemoteId;
use crate::model::failure::Cause;
use crate::model::limits;
use crate::model::name::Address;
use crate::protocol::graph::{Batch, Call, Refusal};

/// What is asked about the message of that id.
type Asked<'a> = &'a (dyn Fn(&str, &Address) -> Call + Sync);

/// Those to which it was done, and those that are not there any more. One that the service refuses is left out; where it refuses
/// all, that is the error.
pub(super) async fn each(
    session: &mut Session,
    messages: &[RemoteId],
    call: impl Fn(&str, &Address) -> Call + Sync,
) -> Result<Vec<RemoteId>, Cause> {
    let (mut done, mut refused) = (Vec::new(), None);
    let named: Vec<(&RemoteId, &str)> = messages.iter().filter_map(|id| Some((id, item(id)?))).collect();
    for some in named.chunks(limits::GRAPH_BATCH_PARTS) {
        let mut due = some.to_vec();
        for attempt in 1.. {
            let Some(busy) = once(session, &call, &mut due, (&mut done, &mut refused)).await? else { break };
            match busy.retry_after {
                Some(wait) if wait <= limits::GRAPH_WAIT_MAX && attempt < limits::GRAPH_PART_ATTEMPTS => {
                    tokio::time::sleep(wait).await;
                }
                Some(_) | None => return Err(session.throttled(busy)),
            }
        }
    }
    match refused.filter(|_| done.is_empty()) {
        Some(said) => Err(Cause::Refused { said }),
        None => Ok(done),
    }
}

/// One batch. What is left in `due` is to be asked again; the refusal says when.
async fn once<'i>(
    session: &mut Session,
    call: Asked<'_>,
    due: &mut Vec<(&'i RemoteId, &'i str)>,
    (done, refused): (&mut Vec<RemoteId>, &mut Option<String>),
) -> Result<Option<Refusal>, Cause> {
    let user = session.user().clone();
    let parts = due.iter().map(|(_, id)| call(id, &user)).collect();
    let answers = session.call(&Batch { parts }).await.map_err(GraphFailure::cause)?;
    let (mut waits, mut longest) = (Vec::new(), None::<Refusal>);
    for (message, answer) in due.drain(..).zip(answers) {
        match answer {
            Some(Ok(_)) => done.push(message.0.clone()),
            Some(Err(refusal)) if refusal.is_missing() => done.push(message.0.clone()),
            Some(Err(refusal)) if refusal.is_throttled() => {
                waits.push(message);
                if longest.as_ref().is_none_or(|other| other.retry_after < refusal.retry_after) {
                    longest = Some(refusal);
                }
            }
            Some(Err(refusal)) => {
                refused.get_or_insert_with(|| refusal.cause().to_string());
            }
            None => {
                refused.get_or_insert_with(|| "the service says nothing about the message".to_owned());
            }
        }
    }
    *due = waits;
    Ok(longest)
}
