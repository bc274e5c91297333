//! GetAttachment. <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getattachment-operation>

use super::element::Element;
use super::{EwsError, Operation, Xml, missing, only_message};

/// One attachment of an item. Its octets leave the answer while it arrives, see [`super::Splitter`].
#[derive(Debug, Clone)]
pub struct GetAttachment {
    pub id: String,
}

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GottenAttachment {
    /// The content of a file, which may be empty.
    File,
    /// Another item, as MIME.
    Item,
    /// Another item, which the server cannot hand over as MIME.
    ItemWithoutMime,
}

impl Operation for GetAttachment {
    type Response = GottenAttachment;
    const NAME: &'static str = "GetAttachment";
    const OCTETS_IN: &'static [&'static str] = &["Content", "MimeContent"];

    fn write(&self, xml: &mut Xml) {
        // Of an attached item only its octets are wanted; of a file they come in any case.
        xml.element("m:AttachmentShape", &[], |xml| {
            xml.text("t:IncludeMimeContent", "true");
        });
        xml.element("m:AttachmentIds", &[], |xml| {
            xml.empty("t:AttachmentId", &[("Id", &self.id)]);
        });
    }

    fn read(&self, answer: &Element) -> Result<GottenAttachment, EwsError> {
        let attachments = only_message(answer)?.child("Attachments").ok_or_else(|| missing("attachments"))?;
        if attachments.child("FileAttachment").is_some() {
            return Ok(GottenAttachment::File);
        }
        let item = attachments.child("ItemAttachment").ok_or_else(|| missing("an attachment"))?;
        match item.find("MimeContent") {
            Some(_) => Ok(GottenAttachment::Item),
            None => Ok(GottenAttachment::ItemWithoutMime),
        }
    }
}
