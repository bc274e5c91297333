//! GetAttachment. <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getattachment-operation>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::element::Element;
use super::{EwsError, Operation, Xml, missing, only_message};

/// A file that is attached to an item.
#[derive(Debug, Clone)]
pub struct GetAttachment {
    pub id: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedFile {
    pub name: Option<String>,
    pub media_type: Option<String>,
    pub octets: Vec<u8>,
}

impl Operation for GetAttachment {
    /// `None`: it is an item, not a file.
    type Response = Option<AttachedFile>;
    const NAME: &'static str = "GetAttachment";

    fn write(&self, xml: &mut Xml) {
        xml.element("m:AttachmentIds", &[], |xml| {
            xml.empty("t:AttachmentId", &[("Id", &self.id)]);
        });
    }

    fn read(&self, answer: &Element) -> Result<Option<AttachedFile>, EwsError> {
        let attachments = only_message(answer)?.child("Attachments").ok_or_else(|| missing("attachments"))?;
        let Some(file) = attachments.child("FileAttachment") else { return Ok(None) };
        let encoded: String =
            file.text_of("Content").unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect();
        let octets = STANDARD.decode(encoded);
        let octets = octets.map_err(|_| EwsError::Garbage("an attachment is not in base64".to_owned()))?;
        Ok(Some(AttachedFile {
            name: file.text_of("Name").map(str::to_owned),
            media_type: file.text_of("ContentType").map(str::to_owned),
            octets,
        }))
    }
}
