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
        match gotten.len() == self.ids.len() {
            true => Ok(self.in_order(gotten)),
            false => self.of_a_part(gotten),
        }
    }
}

impl GetItem {
    /// A server that has no more time in the middle says so once, and answers about the rest no more.
    fn of_a_part(&self, gotten: Vec<Gotten>) -> Result<Vec<Gotten>, EwsError> {
        let stops =
            |refusal: &&Refusal| refusal.is_server_busy() || refusal.code == "ErrorBatchProcessingStopped";
        let stop = gotten.iter().filter_map(|answer| answer.as_ref().err()).find(stops).cloned();
        let Some(stop) = stop.filter(|_| gotten.len() < self.ids.len()) else {
            let words = format!("{} answers to {} ids", gotten.len(), self.ids.len());
            return Err(EwsError::Garbage(words));
        };
        let mut items: Vec<Item> = gotten.into_iter().flatten().collect();
        let answers = self.ids.iter().map(|id| {
            let at = items.iter().position(|item| item.id.id == id.id);
            at.map(|at| items.swap_remove(at)).ok_or_else(|| stop.clone())
        });
        Ok(answers.collect())
    }

    /// Answers come in the order of the ids; one that bears the id of another question is that one's, all the same.
    fn in_order(&self, gotten: Vec<Gotten>) -> Vec<Gotten> {
        let is_at = |at: usize, answer: &Gotten| match answer {
            Ok(item) => self.ids.get(at).is_some_and(|id| id.id == item.id.id),
            Err(_) => true,
        };
        let is_other = |(at, answer): (usize, &Gotten)| {
            let known = |item: &Item| self.ids.iter().any(|id| id.id == item.id.id);
            !is_at(at, answer) && answer.as_ref().is_ok_and(known)
        };
        if !gotten.iter().enumerate().any(is_other) {
            return gotten;
        }
        let mut places: Vec<Option<Gotten>> = self.ids.iter().map(|_| None).collect();
        let mut left = Vec::new();
        for answer in gotten {
            let at = answer.as_ref().ok().and_then(|item| self.ids.iter().position(|id| id.id == item.id.id));
            match at.and_then(|at| places.get_mut(at)) {
                Some(place) if place.is_none() => *place = Some(answer),
                Some(_) | None => left.push(answer),
            }
        }
        // Those that name nothing fill what is left, in their order.
        let mut left = left.into_iter();
        places.into_iter().filter_map(|place| place.or_else(|| left.next())).collect()
    }
}
