//! CreateItem: a message out of its octets, saved, sent, or both.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/createitem-operation>

use super::element::Element;
use super::folder::FolderRef;
use super::item::{self, ItemId, MARKER};
use super::{EwsError, Operation, Xml, only_message};
use crate::model::name::Address;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    SaveOnly,
    SendOnly,
    SendAndSaveCopy,
}

#[derive(Debug, Clone)]
pub struct CreateItem<'m> {
    pub disposition: Disposition,
    /// Where a copy goes; `None`: `Drafts` or `Sent Items` of the mailbox.
    pub folder: Option<FolderRef>,
    /// With CRLF line ends. The server sends it to whomever its header names.
    pub raw: &'m [u8],
    /// Those whom the header does not name.
    pub blind_recipients: &'m [Address],
    /// By which [`super::Restriction::Marker`] finds the copy.
    pub marker: Option<&'m str>,
}

impl Operation for CreateItem<'_> {
    /// `None`: the server keeps no copy.
    type Response = Option<ItemId>;
    const NAME: &'static str = "CreateItem";
    const SENDS: bool = true;

    fn octets(&self) -> usize {
        self.raw.len()
    }

    fn attributes(&self) -> Vec<(&'static str, &str)> {
        let disposition = match self.disposition {
            Disposition::SaveOnly => "SaveOnly",
            Disposition::SendOnly => "SendOnly",
            Disposition::SendAndSaveCopy => "SendAndSaveCopy",
        };
        vec![("MessageDisposition", disposition)]
    }

    fn write(&self, xml: &mut Xml) {
        if let Some(folder) = &self.folder {
            folder.write_in(xml, "m:SavedItemFolderId");
        }
        xml.element("m:Items", &[], |xml| {
            xml.element("t:Message", &[], |xml| self.write_message(xml));
        });
    }

    fn read(&self, answer: &Element) -> Result<Option<ItemId>, EwsError> {
        let message = only_message(answer)?;
        Ok(item::read_all(message.child("Items")).next().map(|item| item.id))
    }
}

impl CreateItem<'_> {
    fn write_message(&self, xml: &mut Xml) {
        xml.base64("t:MimeContent", self.raw);
        if let Some(marker) = self.marker {
            xml.element("t:ExtendedProperty", &[], |xml| {
                write_marker_field(xml);
                xml.text("t:Value", marker);
            });
        }
        if !self.blind_recipients.is_empty() {
            xml.element("t:BccRecipients", &[], |xml| {
                for address in self.blind_recipients {
                    xml.element("t:Mailbox", &[], |xml| {
                        xml.text("t:EmailAddress", address.as_str());
                    });
                }
            });
        }
    }
}

pub(super) fn write_marker_field(xml: &mut Xml) {
    let field = [
        ("DistinguishedPropertySetId", "PublicStrings"),
        ("PropertyName", MARKER),
        ("PropertyType", "String"),
    ];
    xml.empty("t:ExtendedFieldURI", &field);
}
