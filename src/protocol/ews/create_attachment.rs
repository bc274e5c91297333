//! CreateAttachment: a file beside an item that is there already.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/createattachment-operation>

use super::element::Element;
use super::item::ItemId;
use super::{EwsError, Operation, Xml, missing, only_message};

#[derive(Debug, Clone)]
pub struct CreateAttachment<'m> {
    pub parent: ItemId,
    pub name: &'m str,
    pub media_type: &'m str,
    pub octets: &'m [u8],
}

impl Operation for CreateAttachment<'_> {
    /// The attachment's id; and its parent's, whose change key is another one now.
    type Response = (String, Option<ItemId>);
    const NAME: &'static str = "CreateAttachment";

    fn octets(&self) -> usize {
        self.octets.len()
    }

    fn write(&self, xml: &mut Xml) {
        self.parent.write(xml, "m:ParentItemId");
        xml.element("m:Attachments", &[], |xml| {
            xml.element("t:FileAttachment", &[], |xml| {
                xml.text("t:Name", self.name).text("t:ContentType", self.media_type);
                xml.base64("t:Content", self.octets);
            });
        });
    }

    fn read(&self, answer: &Element) -> Result<Self::Response, EwsError> {
        let attachment =
            only_message(answer)?.find("AttachmentId").ok_or_else(|| missing("the attachment"))?;
        let id = attachment.attribute("Id").ok_or_else(|| missing("the attachment's id"))?;
        let parent = attachment.attribute("RootItemId").map(|id| ItemId {
            id: id.to_owned(),
            change_key: attachment.attribute("RootItemChangeKey").map(str::to_owned),
        });
        Ok((id.to_owned(), parent))
    }
}
