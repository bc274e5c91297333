//! Messages out of the inbox into the folder "Undeliverable", which is made where it is missing.

use super::batches;
use super::session::{GraphFailure, Session};
use super::tracking::folders_below;
use crate::model::cursor::RemoteId;
use crate::model::failure::Cause;
use crate::protocol::graph::{CreateMailFolder, Folder, GetMailFolder, MoveMessage, Operation};
use crate::remote::SetAside;
use crate::remote::ews::UNDELIVERABLE;

pub(super) async fn set_aside(
    session: &mut Session,
    messages: &[RemoteId],
    known: Option<&str>,
) -> Result<SetAside, Cause> {
    // A message and the folder that it is to go to are missed with the same words, so the folder is looked at first.
    let folder = match known {
        Some(known) if is_there(session, known).await? => known.to_owned(),
        Some(_) | None => undeliverable(session).await.map_err(GraphFailure::cause)?,
    };
    let to = || Folder::Id(folder.clone());
    let moved = batches::each(session, messages, |id, user| MoveMessage { id, to: to() }.call(user)).await?;
    Ok(SetAside { folder, moved })
}

async fn is_there(session: &mut Session, folder: &str) -> Result<bool, Cause> {
    match session.call(&GetMailFolder { folder: Folder::Id(folder.to_owned()) }).await {
        Ok(_) => Ok(true),
        // An id that is malformed to the service is none of its own: it was told by another transport.
        Err(GraphFailure::Refused(refusal)) if refusal.is_missing() || refusal.status == 400 => Ok(false),
        Err(failure) => Err(failure.cause()),
    }
}

/// Finds the folder, or makes it.
async fn undeliverable(session: &mut Session) -> Result<String, GraphFailure> {
    if let Some(found) = find(session).await? {
        return Ok(found);
    }
    match session.call(&CreateMailFolder { below: None, name: UNDELIVERABLE.to_owned() }).await {
        Ok(made) => Ok(made.id),
        // Somebody was faster.
        Err(GraphFailure::Refused(refusal)) if refusal.code == "ErrorFolderExists" => {
            find(session).await?.ok_or(GraphFailure::Refused(refusal))
        }
        Err(failure) => Err(failure),
    }
}

async fn find(session: &mut Session) -> Result<Option<String>, GraphFailure> {
    let all = folders_below(session, None).await?;
    let is_it =
        |name: &Option<String>| name.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(UNDELIVERABLE));
    Ok(all.into_iter().find(|folder| is_it(&folder.name)).map(|folder| folder.id))
}
