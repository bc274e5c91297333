//! MoveItem. <https://learn.microsoft.com/exchange/client-developer/web-service-reference/moveitem-operation>

use super::element::Element;
use super::folder::FolderRef;
use super::item::{self, ItemId};
use super::refusal::Refusal;
use super::{EwsError, Operation, Xml, messages};

/// Each item gets another id in its new folder.
#[derive(Debug, Clone)]
pub struct MoveItem {
    pub ids: Vec<ItemId>,
    pub to: FolderRef,
}

impl Operation for MoveItem {
    /// One answer for each id, in their order. `None`: the server does not tell the new id, as with public folders.
    type Response = Vec<Result<Option<ItemId>, Refusal>>;
    const NAME: &'static str = "MoveItem";

    fn write(&self, xml: &mut Xml) {
        self.to.write_in(xml, "m:ToFolderId");
        item::write_ids(xml, &self.ids);
    }

    fn read(&self, answer: &Element) -> Result<Self::Response, EwsError> {
        let moved = |message: Result<&Element, Refusal>| {
            message.map(|message| item::read_all(message.child("Items")).next().map(|item| item.id))
        };
        Ok(messages(answer).into_iter().map(moved).collect())
    }
}
