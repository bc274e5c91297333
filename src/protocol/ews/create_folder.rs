//! CreateFolder. <https://learn.microsoft.com/exchange/client-developer/web-service-reference/createfolder-operation>

use super::element::Element;
use super::folder::{self, Folder, FolderRef};
use super::{EwsError, Operation, Xml, missing, only_message};

/// A folder for mail. One of that name is refused with `ErrorFolderExists`.
#[derive(Debug, Clone)]
pub struct CreateFolder {
    pub parent: FolderRef,
    pub name: String,
}

impl Operation for CreateFolder {
    type Response = Folder;
    const NAME: &'static str = "CreateFolder";

    fn write(&self, xml: &mut Xml) {
        self.parent.write_in(xml, "m:ParentFolderId");
        xml.element("m:Folders", &[], |xml| {
            xml.element("t:Folder", &[], |xml| {
                xml.text("t:FolderClass", "IPF.Note").text("t:DisplayName", &self.name);
            });
        });
    }

    fn read(&self, answer: &Element) -> Result<Folder, EwsError> {
        let message = only_message(answer)?;
        folder::read_all(message.child("Folders")).next().ok_or_else(|| missing("the new folder"))
    }
}
