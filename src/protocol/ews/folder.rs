//! Folders and their ids, as all operations have them in common.

use super::Xml;
use super::element::Element;
use crate::model::name::Address;

/// Folders that every mailbox has, under any language's name.
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/distinguishedfolderid>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WellKnown {
    Inbox,
    SentItems,
    Drafts,
    DeletedItems,
    /// Above all that people see.
    MessageRoot,
    Calendar,
    Contacts,
    Tasks,
}

impl WellKnown {
    fn key(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::SentItems => "sentitems",
            Self::Drafts => "drafts",
            Self::DeletedItems => "deleteditems",
            Self::MessageRoot => "msgfolderroot",
            Self::Calendar => "calendar",
            Self::Contacts => "contacts",
            Self::Tasks => "tasks",
        }
    }
}

/// A folder as the server names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolderId(pub String);

/// A folder as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FolderRef {
    Id(FolderId),
    /// Of the mailbox that the login, or the impersonation, belongs to.
    Own(WellKnown),
    /// Of another mailbox, to which the login has been given rights (delegation).
    Of(Address, WellKnown),
}

impl FolderRef {
    pub(super) fn write(&self, xml: &mut Xml) {
        match self {
            Self::Id(id) => drop(xml.empty("t:FolderId", &[("Id", &id.0)])),
            Self::Own(known) => drop(xml.empty("t:DistinguishedFolderId", &[("Id", known.key())])),
            Self::Of(address, known) => {
                xml.element("t:DistinguishedFolderId", &[("Id", known.key())], |xml| {
                    xml.element("t:Mailbox", &[], |xml| {
                        xml.text("t:EmailAddress", address.as_str());
                    });
                });
            }
        }
    }

    pub(super) fn write_in(&self, xml: &mut Xml, name: &str) {
        xml.element(name, &[], |xml| self.write(xml));
    }
}

/// What is read of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    pub id: FolderId,
    pub parent: Option<FolderId>,
    pub name: Option<String>,
    /// `IPF.Note` for mail.
    pub class: Option<String>,
    pub total: Option<u64>,
    pub unread: Option<u64>,
}

impl Folder {
    /// `None`: it has no id.
    pub(super) fn of(element: &Element) -> Option<Self> {
        let count = |name: &str| element.text_of(name).and_then(|text| text.parse().ok());
        Some(Self {
            id: id_of(element.child("FolderId")?)?,
            parent: element.child("ParentFolderId").and_then(id_of),
            name: element.text_of("DisplayName").map(str::to_owned),
            class: element.text_of("FolderClass").map(str::to_owned),
            total: count("TotalCount"),
            unread: count("UnreadCount"),
        })
    }
}

pub(super) fn id_of(element: &Element) -> Option<FolderId> {
    element.attribute("Id").filter(|id| !id.is_empty()).map(|id| FolderId(id.to_owned()))
}

/// What every folder is asked for.
pub(super) fn write_shape(xml: &mut Xml) {
    xml.element("m:FolderShape", &[], |xml| {
        xml.text("t:BaseShape", "IdOnly");
        xml.element("t:AdditionalProperties", &[], |xml| {
            let fields = [
                "folder:DisplayName",
                "folder:FolderClass",
                "folder:ParentFolderId",
                "folder:TotalCount",
                "folder:UnreadCount",
            ];
            for field in fields {
                xml.empty("t:FieldURI", &[("FieldURI", field)]);
            }
        });
    });
}

pub(super) fn read_all(folders: Option<&Element>) -> impl Iterator<Item = Folder> + '_ {
    folders.into_iter().flat_map(|folders| &folders.children).filter_map(Folder::of)
}
