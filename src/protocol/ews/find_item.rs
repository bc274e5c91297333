//! FindItem. <https://learn.microsoft.com/exchange/client-developer/web-service-reference/finditem-operation>

use super::create_item::write_marker_field;
use super::element::Element;
use super::folder::FolderRef;
use super::item::{self, Item, WithMime};
use super::{EwsError, Operation, Xml, missing, only_message};

#[derive(Debug, Clone)]
pub struct FindItem {
    pub folder: FolderRef,
    pub restriction: Option<Restriction>,
    pub offset: u32,
    pub count_max: u32,
}

/// Which items are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restriction {
    /// With its angle brackets.
    InternetMessageId(String),
    /// What [`super::CreateItem`] was given.
    Marker(String),
}

/// Where the next page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextPage {
    Last,
    At(u32),
}

impl NextPage {
    /// A page that brings nothing is the last one, whatever the server says of it.
    pub(super) fn of(root: &Element, offset: u32, found: usize) -> Self {
        let is_last = !matches!(root.attribute("IncludesLastItemInRange"), Some("false" | "0"));
        if is_last || found == 0 {
            return Self::Last;
        }
        let after = offset.saturating_add(u32::try_from(found).unwrap_or(u32::MAX));
        let said = root.attribute("IndexedPagingOffset").and_then(|text| text.parse().ok());
        Self::At(said.filter(|said| *said > offset).unwrap_or(after))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundItems {
    pub items: Vec<Item>,
    pub next: NextPage,
}

impl Operation for FindItem {
    type Response = FoundItems;
    const NAME: &'static str = "FindItem";

    fn attributes(&self) -> Vec<(&'static str, &str)> {
        vec![("Traversal", "Shallow")]
    }

    fn write(&self, xml: &mut Xml) {
        let fields = ["item:ItemClass", "item:DateTimeReceived", "item:Size"];
        item::write_shape(xml, WithMime::No, &fields);
        let (count, offset) = (self.count_max.to_string(), self.offset.to_string());
        let page = [("MaxEntriesReturned", count.as_str()), ("Offset", &offset), ("BasePoint", "Beginning")];
        xml.empty("m:IndexedPageItemView", &page);
        if let Some(restriction) = &self.restriction {
            xml.element("m:Restriction", &[], |xml| {
                xml.element("t:IsEqualTo", &[], |xml| restriction.write(xml));
            });
        }
        self.folder.write_in(xml, "m:ParentFolderIds");
    }

    fn read(&self, answer: &Element) -> Result<FoundItems, EwsError> {
        let root = only_message(answer)?.child("RootFolder").ok_or_else(|| missing("the items"))?;
        let items: Vec<Item> = item::read_all(root.child("Items")).collect();
        Ok(FoundItems { next: NextPage::of(root, self.offset, items.len()), items })
    }
}

impl Restriction {
    fn write(&self, xml: &mut Xml) {
        let value = match self {
            Self::InternetMessageId(id) => {
                xml.empty("t:FieldURI", &[("FieldURI", "message:InternetMessageId")]);
                id
            }
            Self::Marker(marker) => {
                write_marker_field(xml);
                marker
            }
        };
        xml.element("t:FieldURIOrConstant", &[], |xml| {
            xml.empty("t:Constant", &[("Value", value)]);
        });
    }
}
