//! UpdateItem: categories, and whether a message was read.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/updateitem-operation>

use super::element::Element;
use super::item::{self, ItemId};
use super::{EwsError, Operation, Xml, missing, only_message};

/// What happens when somebody else changed the item since its change key was given.
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/updateitem>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// `ErrorIrresolvableConflict`: the item is to be read again first.
    Refuse,
    /// Changes of different properties stand side by side.
    Resolve,
    Overwrite,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// All of them together; empty: none.
    Categories(Vec<String>),
    Read(ReadState),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadState {
    Read,
    Unread,
}

/// Read receipts are never sent for it.
#[derive(Debug, Clone)]
pub struct UpdateItem {
    pub id: ItemId,
    pub changes: Vec<Change>,
    pub conflict: Conflict,
}

impl Operation for UpdateItem {
    /// The item with its new change key.
    type Response = ItemId;
    const NAME: &'static str = "UpdateItem";

    fn attributes(&self) -> Vec<(&'static str, &str)> {
        let conflict = match self.conflict {
            Conflict::Refuse => "NeverOverwrite",
            Conflict::Resolve => "AutoResolve",
            Conflict::Overwrite => "AlwaysOverwrite",
        };
        vec![("ConflictResolution", conflict), ("MessageDisposition", "SaveOnly")]
    }

    fn write(&self, xml: &mut Xml) {
        xml.element("m:ItemChanges", &[], |xml| {
            xml.element("t:ItemChange", &[], |xml| {
                self.id.write(xml, "t:ItemId");
                xml.element("t:Updates", &[], |xml| {
                    for change in &self.changes {
                        change.write(xml);
                    }
                });
            });
        });
    }

    fn read(&self, answer: &Element) -> Result<ItemId, EwsError> {
        let message = only_message(answer)?;
        let item = item::read_all(message.child("Items")).next();
        item.map(|item| item.id).ok_or_else(|| missing("the changed item"))
    }
}

impl Change {
    fn write(&self, xml: &mut Xml) {
        match self {
            Self::Categories(categories) if categories.is_empty() => {
                xml.element("t:DeleteItemField", &[], |xml| {
                    xml.empty("t:FieldURI", &[("FieldURI", "item:Categories")]);
                });
            }
            Self::Categories(categories) => set(xml, "item:Categories", |xml| {
                xml.element("t:Categories", &[], |xml| {
                    for category in categories {
                        xml.text("t:String", category);
                    }
                });
            }),
            Self::Read(state) => set(xml, "message:IsRead", |xml| {
                let text = match state {
                    ReadState::Read => "true",
                    ReadState::Unread => "false",
                };
                xml.text("t:IsRead", text);
            }),
        }
    }
}

fn set(xml: &mut Xml, field: &str, value: impl FnOnce(&mut Xml)) {
    xml.element("t:SetItemField", &[], |xml| {
        xml.empty("t:FieldURI", &[("FieldURI", field)]);
        xml.element("t:Message", &[], value);
    });
}
