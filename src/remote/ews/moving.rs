//! Messages out of the inbox into the folder "Undeliverable", which is made where it is missing.

use crate::model::cursor::RemoteId;
use crate::model::failure::Cause;
use crate::model::limits;
use crate::protocol::ews::{
    CreateFolder, FindFolder, Folder, FolderId, FolderRef, MoveItem, Traversal, WellKnown,
};
use crate::remote::SetAside;

use super::item_id;
use super::session::{EwsFailure, Session};

/// What people see. The folder is found again by its id, so that nobody minds when it is renamed.
pub(in crate::remote) const UNDELIVERABLE: &str = "Undeliverable";

pub(super) async fn set_aside(
    session: &mut Session,
    messages: &[RemoteId],
    known: Option<&str>,
) -> Result<SetAside, Cause> {
    if let Some(known) = known {
        match move_all(session, messages, known).await {
            // Somebody has deleted it.
            Err(failure) if is_no_folder(&failure) => {}
            other => return other.map_err(EwsFailure::cause),
        }
    }
    let folder = undeliverable(session).await.map_err(EwsFailure::cause)?;
    move_all(session, messages, &folder).await.map_err(EwsFailure::cause)
}

fn is_no_folder(failure: &EwsFailure) -> bool {
    ["ErrorToFolderNotFound", "ErrorFolderNotFound", "ErrorItemNotFound"].iter().any(|code| failure.is(code))
}

async fn move_all(
    session: &mut Session,
    messages: &[RemoteId],
    folder: &str,
) -> Result<SetAside, EwsFailure> {
    let (mut moved, mut refused) = (Vec::new(), None);
    let named: Vec<&RemoteId> = messages.iter().filter(|id| matches!(id, RemoteId::Item(_))).collect();
    for some in named.chunks(limits::EWS_GET_MESSAGES) {
        let ids = some.iter().filter_map(|id| item_id(id)).collect();
        let to = FolderRef::Id(FolderId(folder.to_owned()));
        let results = session.call(&MoveItem { ids, to }).await?;
        for (id, result) in some.iter().zip(results) {
            match result {
                Ok(_) => moved.push(RemoteId::clone(id)),
                // It went elsewhere meanwhile.
                Err(refusal) if refusal.code == "ErrorItemNotFound" => moved.push(RemoteId::clone(id)),
                Err(refusal) if refusal.is_server_busy() => {
                    session.note_busy(&refusal);
                    return Err(refusal.cause().into());
                }
                Err(refusal) if is_no_folder(&EwsFailure::Answer(refusal.clone().into())) => {
                    return Err(EwsFailure::Answer(refusal.into()));
                }
                // It stays, and is tried again with the next one.
                Err(refusal) => {
                    refused.get_or_insert(refusal);
                }
            }
        }
    }
    match refused.filter(|_| moved.is_empty()) {
        Some(refusal) => Err(Cause::Refused { said: refusal.to_string() }.into()),
        None => Ok(SetAside { folder: folder.to_owned(), moved }),
    }
}

/// Finds the folder, or makes it.
async fn undeliverable(session: &mut Session) -> Result<String, EwsFailure> {
    if let Some(found) = find(session).await? {
        return Ok(found.id.0);
    }
    let parent = session.folder(WellKnown::MessageRoot);
    match session.call(&CreateFolder { parent, name: UNDELIVERABLE.to_owned() }).await {
        Ok(made) => Ok(made.id.0),
        // Somebody was faster.
        Err(failure) if failure.is("ErrorFolderExists") => match find(session).await? {
            Some(found) => Ok(found.id.0),
            None => Err(failure),
        },
        Err(failure) => Err(failure),
    }
}

async fn find(session: &mut Session) -> Result<Option<Folder>, EwsFailure> {
    let operation = FindFolder {
        parent: session.folder(WellKnown::MessageRoot),
        traversal: Traversal::Shallow,
        name: Some(UNDELIVERABLE.to_owned()),
        offset: 0,
        count_max: 1,
    };
    Ok(session.call(&operation).await?.folders.into_iter().next())
}
