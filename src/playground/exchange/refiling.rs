//! What clients do to folders that are there: another name, another place, gone.

use super::OwnFolder;
use super::folders::{NOT_FOUND, Place, below, folder_id, named, own_mut};
use super::node::Node;
use super::soap::{Message, Turn};

const DISTINGUISHED: Message = Message::Error {
    code: "ErrorDeleteDistinguishedFolder",
    words: "Distinguished folders cannot be deleted.",
    rest: "",
};
const FOREVER: [&str; 2] = ["HardDelete", "SoftDelete"];

/// UpdateFolder: only the name can be set.
pub(super) fn update(turn: &mut Turn<'_>) -> Vec<Message> {
    let changes = turn.request.get("FolderChanges").map_or(&[][..], |changes| &changes.children);
    changes.iter().map(|change| renamed(turn, change)).collect()
}

fn renamed(turn: &mut Turn<'_>, change: &Node) -> Message {
    let reference = change.children.first().filter(|it| it.name.ends_with("FolderId"));
    let Some(place) = reference.and_then(|reference| one(turn, reference)) else { return NOT_FOUND };
    let updates = change.get("Updates").map_or(&[][..], |updates| &updates.children);
    for update in updates {
        let field = update.get("FieldURI").and_then(|field| field.attribute("FieldURI"));
        let name = update.all("DisplayName").first().map(|name| name.text.trim().to_owned());
        let (Some("folder:DisplayName"), Some(name)) = (field, name) else {
            return Message::error("ErrorInvalidPropertySet", "Only the name of a folder can be set here.");
        };
        let Some(folder) = own_mut(turn.inner, &place).filter(|folder| is_made(folder)) else {
            return Message::error("ErrorInvalidFolderTypeForOperation", "The folder cannot be renamed.");
        };
        folder.name = name;
    }
    answered(&place)
}

/// MoveFolder.
pub(super) fn relocate(turn: &mut Turn<'_>) -> Vec<Message> {
    let Some(to) = named(turn, turn.request.get("ToFolderId")) else { return vec![NOT_FOUND] };
    let ids = turn.request.get("FolderIds").map_or(&[][..], |ids| &ids.children);
    let one = |id: &Node| moved(turn, id, &to);
    ids.iter().map(one).collect()
}

fn moved(turn: &mut Turn<'_>, id: &Node, to: &Place) -> Message {
    let Some(place) = one(turn, id) else { return NOT_FOUND };
    if place == *to || below(turn.inner, &place).contains(to) {
        return Message::error("ErrorMoveCopyFailed", "A folder cannot be moved into itself.");
    }
    match own_mut(turn.inner, &place).filter(|folder| is_made(folder)) {
        Some(folder) => {
            folder.parent.clone_from(&to.key);
            answered(&place)
        }
        None => Message::error("ErrorMoveDistinguishedFolder", "Distinguished folders cannot be moved."),
    }
}

/// DeleteFolder, with everything inside.
pub(super) fn delete(turn: &mut Turn<'_>) -> Vec<Message> {
    let is_forever = turn.request.attribute("DeleteType").is_some_and(|kind| FOREVER.contains(&kind));
    let ids = turn.request.get("FolderIds").map_or(&[][..], |ids| &ids.children);
    ids.iter().map(|id| deleted(turn, id, is_forever)).collect()
}

fn deleted(turn: &mut Turn<'_>, id: &Node, is_forever: bool) -> Message {
    let Some(place) = one(turn, id) else { return NOT_FOUND };
    let Some(folder) = own_mut(turn.inner, &place).filter(|folder| is_made(folder)) else {
        return DISTINGUISHED;
    };
    if is_forever {
        let mut gone = below(turn.inner, &place);
        gone.push(place);
        turn.inner.folders.retain(|folder| {
            !gone.iter().any(|place| folder.account == place.account.0 && folder.key == place.key)
        });
    } else {
        "deleteditems".clone_into(&mut folder.parent);
    }
    Message::Success(String::new())
}

/// Whether a client has made it.
fn is_made(folder: &OwnFolder) -> bool {
    folder.key.starts_with("own:")
}

/// The folder of a reference that stands alone.
fn one(turn: &Turn<'_>, reference: &Node) -> Option<Place> {
    named(turn, Some(&Node { children: vec![super::folders::copy(reference)], ..Node::default() }))
}

fn answered(place: &Place) -> Message {
    let id = folder_id(place);
    Message::Success(format!(
        "<m:Folders><t:Folder><t:FolderId Id=\"{id}\" ChangeKey=\"MA==\"/></t:Folder></m:Folders>"
    ))
}
