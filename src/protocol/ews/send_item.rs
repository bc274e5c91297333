//! SendItem: a saved message on its way.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/senditem-operation>

use super::element::Element;
use super::folder::FolderRef;
use super::item::{self, ItemId};
use super::{EwsError, Operation, Xml, only_message};

#[derive(Debug, Clone)]
pub struct SendItem {
    /// With its change key, or it is refused (`ErrorChangeKeyRequired`).
    pub id: ItemId,
    /// Where the copy goes; `None`: none is kept.
    pub copy: Option<FolderRef>,
}

impl Operation for SendItem {
    type Response = ();
    const NAME: &'static str = "SendItem";
    const SENDS: bool = true;

    fn attributes(&self) -> Vec<(&'static str, &str)> {
        vec![("SaveItemToFolder", if self.copy.is_some() { "true" } else { "false" })]
    }

    fn write(&self, xml: &mut Xml) {
        item::write_ids(xml, std::slice::from_ref(&self.id));
        if let Some(copy) = &self.copy {
            copy.write_in(xml, "m:SavedItemFolderId");
        }
    }

    fn read(&self, answer: &Element) -> Result<(), EwsError> {
        only_message(answer).map(drop)
    }
}
