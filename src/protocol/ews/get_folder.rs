//! GetFolder. <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getfolder-operation>

use super::element::Element;
use super::folder::{self, Folder, FolderRef};
use super::{EwsError, Operation, Xml, missing, only_message};

#[derive(Debug, Clone)]
pub struct GetFolder {
    pub folder: FolderRef,
}

impl Operation for GetFolder {
    type Response = Folder;
    const NAME: &'static str = "GetFolder";

    fn write(&self, xml: &mut Xml) {
        folder::write_shape(xml);
        self.folder.write_in(xml, "m:FolderIds");
    }

    fn read(&self, answer: &Element) -> Result<Folder, EwsError> {
        let message = only_message(answer)?;
        folder::read_all(message.child("Folders")).next().ok_or_else(|| missing("the folder"))
    }
}
