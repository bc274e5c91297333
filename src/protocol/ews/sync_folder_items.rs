//! SyncFolderItems: what changed in a folder since a state that the server once gave.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/syncfolderitems-operation>

use super::element::Element;
use super::folder::FolderRef;
use super::item::{self, Item, ItemId, MARKER, WithMime};
use super::{EwsError, Operation, Xml, missing, only_message};

/// Changes come newest first since Exchange 2010 SP2, in pages of at most 512.
#[derive(Debug, Clone)]
pub struct SyncFolderItems {
    pub folder: FolderRef,
    /// Opaque, of any length, and good for this folder and these properties only. `None`: from the beginning.
    pub state: Option<String>,
    /// 1 to 512.
    pub changes_max: u32,
    /// Properties beside class, date and size.
    pub further: &'static [Further],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Further {
    Categories,
    /// By which [`super::CreateItem`] marked it.
    Marker,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemChange {
    Created(Item),
    Updated(Item),
    Deleted(ItemId),
    Read { id: ItemId, is_read: bool },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemChanges {
    pub state: String,
    pub changes: Vec<ItemChange>,
    /// Whether these were the last ones.
    pub is_last: bool,
}

impl Operation for SyncFolderItems {
    type Response = ItemChanges;
    const NAME: &'static str = "SyncFolderItems";

    fn write(&self, xml: &mut Xml) {
        let mut fields = vec!["item:ItemClass", "item:DateTimeReceived", "item:Size"];
        fields.extend(self.further.iter().map(|further| match further {
            Further::Categories => "item:Categories",
            Further::Marker => MARKER,
        }));
        item::write_shape(xml, WithMime::No, &fields);
        self.folder.write_in(xml, "m:SyncFolderId");
        if let Some(state) = &self.state {
            xml.text("m:SyncState", state);
        }
        xml.text("m:MaxChangesReturned", &self.changes_max.to_string());
    }

    fn read(&self, answer: &Element) -> Result<ItemChanges, EwsError> {
        let message = only_message(answer)?;
        let state = message.text_of("SyncState").ok_or_else(|| missing("a sync state"))?.to_owned();
        let is_last = message.text_of("IncludesLastItemInRange");
        let is_last = is_last.ok_or_else(|| missing("whether there are more changes"))?;
        let changes = message.child("Changes").map_or(&[][..], |changes| &changes.children);
        Ok(ItemChanges {
            state,
            changes: changes.iter().filter_map(change).collect(),
            is_last: matches!(is_last, "true" | "1"),
        })
    }
}

/// `None`: a kind of change that came with a later version, or an item without id.
fn change(element: &Element) -> Option<ItemChange> {
    let id = || ItemId::of(element.child("ItemId")?);
    let item = || element.children.first().and_then(Item::of);
    match element.name.as_str() {
        "Create" => item().map(ItemChange::Created),
        "Update" => item().map(ItemChange::Updated),
        "Delete" => id().map(ItemChange::Deleted),
        "ReadFlagChange" => {
            let is_read = matches!(element.text_of("IsRead"), Some("true" | "1"));
            id().map(|id| ItemChange::Read { id, is_read })
        }
        _ => None,
    }
}
