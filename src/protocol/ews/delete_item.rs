//! DeleteItem. <https://learn.microsoft.com/exchange/client-developer/web-service-reference/deleteitem-operation>

use super::element::Element;
use super::item::{self, ItemId};
use super::refusal::Refusal;
use super::{EwsError, Operation, Xml, messages};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposal {
    /// At once.
    HardDelete,
    /// Recoverable by an administrator.
    SoftDelete,
    MoveToDeletedItems,
}

#[derive(Debug, Clone)]
pub struct DeleteItem {
    pub ids: Vec<ItemId>,
    pub disposal: Disposal,
}

impl Operation for DeleteItem {
    /// One answer for each id, in their order.
    type Response = Vec<Result<(), Refusal>>;
    const NAME: &'static str = "DeleteItem";

    fn attributes(&self) -> Vec<(&'static str, &str)> {
        let disposal = match self.disposal {
            Disposal::HardDelete => "HardDelete",
            Disposal::SoftDelete => "SoftDelete",
            Disposal::MoveToDeletedItems => "MoveToDeletedItems",
        };
        // Meeting requests cannot be deleted without the two further ones.
        vec![
            ("DeleteType", disposal),
            ("SendMeetingCancellations", "SendToNone"),
            ("AffectedTaskOccurrences", "SpecifiedOccurrenceOnly"),
        ]
    }

    fn write(&self, xml: &mut Xml) {
        item::write_ids(xml, &self.ids);
    }

    fn read(&self, answer: &Element) -> Result<Self::Response, EwsError> {
        Ok(messages(answer).into_iter().map(|message| message.map(drop)).collect())
    }
}
