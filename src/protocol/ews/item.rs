//! Items and their ids, as all operations have them in common.

use jiff::Timestamp;

use super::Xml;
use super::element::Element;

/// The named property by which a message that we handed over is found again: it holds the message's own id.
pub const MARKER: &str = "mailplumb-marker";

/// An item as the server names it. Ids distinguish upper and lower case, and another one is given when an item is moved.
/// <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/ews-identifiers-in-exchange>
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId {
    pub id: String,
    /// Which state of the item; a change wants it.
    pub change_key: Option<String>,
}

impl ItemId {
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), change_key: None }
    }

    pub(super) fn of(element: &Element) -> Option<Self> {
        let id = element.attribute("Id").filter(|id| !id.is_empty())?;
        Some(Self { id: id.to_owned(), change_key: element.attribute("ChangeKey").map(str::to_owned) })
    }

    pub(super) fn write(&self, xml: &mut Xml, name: &str) {
        let mut attributes = vec![("Id", self.id.as_str())];
        attributes.extend(self.change_key.as_deref().map(|key| ("ChangeKey", key)));
        xml.empty(name, &attributes);
    }
}

/// What is read of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub id: ItemId,
    /// The name of its element: `Message`, `MeetingRequest`, `Contact` …
    pub kind: String,
    /// `IPM.Note`, `REPORT.IPM.Note.NDR` …
    pub class: Option<String>,
    pub subject: Option<String>,
    pub size: Option<u64>,
    pub received: Option<Timestamp>,
    /// With its angle brackets.
    pub internet_message_id: Option<String>,
    pub is_read: Option<bool>,
    pub categories: Vec<String>,
    /// By which [`super::CreateItem`] marked it.
    pub marker: Option<String>,
    /// The number under which its octets left the answer, see [`super::Splitter`].
    pub mime: Option<usize>,
}

impl Item {
    /// `None`: it has no id.
    pub(super) fn of(element: &Element) -> Option<Self> {
        let text = |name: &str| element.text_of(name).map(str::to_owned);
        let categories = element.child("Categories").map_or(&[][..], |categories| &categories.children);
        Some(Self {
            id: ItemId::of(element.child("ItemId")?)?,
            kind: element.name.clone(),
            class: text("ItemClass"),
            subject: text("Subject"),
            size: element.text_of("Size").and_then(|size| size.parse().ok()),
            received: element.text_of("DateTimeReceived").and_then(|moment| moment.parse().ok()),
            internet_message_id: text("InternetMessageId"),
            is_read: element.text_of("IsRead").map(|text| matches!(text, "true" | "1")),
            categories: categories.iter().map(|category| category.text.clone()).collect(),
            marker: element.children.iter().find_map(marker),
            mime: element.text_of("MimeContent").and_then(|number| number.parse().ok()),
        })
    }

    /// Whether it is mail: appointments, contacts and tasks that somebody dropped into an inbox are none.
    pub fn is_mail(&self) -> bool {
        !matches!(self.kind.as_str(), "CalendarItem" | "Contact" | "DistributionList" | "Task")
    }
}

/// The value of our own property, if the element holds that one.
fn marker(element: &Element) -> Option<String> {
    let field = element.child("ExtendedFieldURI")?;
    let is_ours = element.name == "ExtendedProperty" && field.attribute("PropertyName") == Some(MARKER);
    element.text_of("Value").filter(|_| is_ours).map(str::to_owned)
}

pub(super) fn write_ids(xml: &mut Xml, ids: &[ItemId]) {
    xml.element("m:ItemIds", &[], |xml| ids.iter().for_each(|id| id.write(xml, "t:ItemId")));
}

/// Which properties are answered: the id, and those named; [`MARKER`] stands for our own.
pub(super) fn write_shape(xml: &mut Xml, mime: WithMime, fields: &[&str]) {
    xml.element("m:ItemShape", &[], |xml| {
        xml.text("t:BaseShape", "IdOnly");
        match mime {
            WithMime::Yes => drop(xml.text("t:IncludeMimeContent", "true")),
            WithMime::No => {}
        }
        if !fields.is_empty() {
            xml.element("t:AdditionalProperties", &[], |xml| {
                for field in fields {
                    match *field == MARKER {
                        true => super::create_item::write_marker_field(xml),
                        false => drop(xml.empty("t:FieldURI", &[("FieldURI", field)])),
                    }
                }
            });
        }
    });
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithMime {
    Yes,
    No,
}

/// The items of one element `Items`.
pub(super) fn read_all(items: Option<&Element>) -> impl Iterator<Item = Item> + '_ {
    items.into_iter().flat_map(|items| &items.children).filter_map(Item::of)
}
