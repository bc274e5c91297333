//! FindFolder. <https://learn.microsoft.com/exchange/client-developer/web-service-reference/findfolder-operation>

use super::element::Element;
use super::find_item::NextPage;
use super::folder::{self, Folder, FolderRef};
use super::{EwsError, Operation, Xml, missing, only_message};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traversal {
    /// Directly inside.
    Shallow,
    /// At any depth.
    Deep,
}

#[derive(Debug, Clone)]
pub struct FindFolder {
    pub parent: FolderRef,
    pub traversal: Traversal,
    /// Only folders that people see under this name.
    pub name: Option<String>,
    pub offset: u32,
    pub count_max: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFolders {
    pub folders: Vec<Folder>,
    pub next: NextPage,
}

impl Operation for FindFolder {
    type Response = FoundFolders;
    const NAME: &'static str = "FindFolder";

    fn attributes(&self) -> Vec<(&'static str, &str)> {
        let traversal = match self.traversal {
            Traversal::Shallow => "Shallow",
            Traversal::Deep => "Deep",
        };
        vec![("Traversal", traversal)]
    }

    fn write(&self, xml: &mut Xml) {
        folder::write_shape(xml);
        let (count, offset) = (self.count_max.to_string(), self.offset.to_string());
        let page = [("MaxEntriesReturned", count.as_str()), ("Offset", &offset), ("BasePoint", "Beginning")];
        xml.empty("m:IndexedPageFolderView", &page);
        if let Some(name) = &self.name {
            xml.element("m:Restriction", &[], |xml| {
                xml.element("t:IsEqualTo", &[], |xml| {
                    xml.empty("t:FieldURI", &[("FieldURI", "folder:DisplayName")]);
                    xml.element("t:FieldURIOrConstant", &[], |xml| {
                        xml.empty("t:Constant", &[("Value", name)]);
                    });
                });
            });
        }
        self.parent.write_in(xml, "m:ParentFolderIds");
    }

    fn read(&self, answer: &Element) -> Result<FoundFolders, EwsError> {
        let root = only_message(answer)?.child("RootFolder").ok_or_else(|| missing("the folders"))?;
        let folders: Vec<Folder> = folder::read_all(root.child("Folders")).collect();
        Ok(FoundFolders { next: NextPage::of(root, self.offset, folders.len()), folders })
    }
}
