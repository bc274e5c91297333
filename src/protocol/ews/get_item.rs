//! GetItem. <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getitem-operation>

use super::element::Element;
use super::item::{self, Item, ItemId, WithMime};
use super::refusal::Refusal;
use super::{EwsError, Operation, Xml, messages};

/// One answer for each id, in their order: one item that cannot be handed over says nothing about the others.
#[derive(Debug, Clone)]
pub struct GetItem {
    pub ids: Vec<ItemId>,
    pub mime: WithMime,
    /// Further properties: `item:Categories` …
    pub fields: &'static [&'static str],
}

/// What became of one id.
pub type Gotten = Result<Item, Refusal>;

impl Operation for GetItem {
    type Response = Vec<Gotten>;
    const NAME: &'static str = "GetItem";

    fn write(&self, xml: &mut Xml) {
        item::write_shape(xml, self.mime, self.fields);
        item::write_ids(xml, &self.ids);
    }

    fn read(&self, answer: &Element) -> Result<Vec<Gotten>, EwsError> {
        let gotten: Vec<Gotten> = messages(answer)
            .into_iter()
            .map(|message| {
                let items = message?.child("Items");
                item::read_all(items).next().ok_or_else(|| Refusal {
                    code: "NoItem".to_owned(),
                    said: "the answer holds no item".to_owned(),
                    back_off: None,
                })
            })
            .collect();
        if gotten.len() != self.ids.len() {
            let words = format!("{} answers to {} ids", gotten.len(), self.ids.len());
            return Err(EwsError::Garbage(words));
        }
        Ok(gotten)
    }
}
