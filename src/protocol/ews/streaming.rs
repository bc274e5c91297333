//! Subscribe, GetStreamingEvents and Unsubscribe: a server that tells of new mail over an answer that does not end.
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/notification-subscriptions-mailbox-events-and-ews-in-exchange>
//!
//! What it tells is a hint: events can be missed, so whoever hears one asks [`super::SyncFolderItems`].

use super::element::Element;
use super::folder::FolderRef;
use super::{EwsError, Operation, Xml, missing, only_message};
use crate::model::limits;

/// To mail that comes into a folder, or leaves it.
#[derive(Debug, Clone)]
pub struct Subscribe {
    pub folder: FolderRef,
}

/// Good until it is given up, or for half an hour without a connection that asks about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub id: String,
}

impl Operation for Subscribe {
    type Response = Subscription;
    const NAME: &'static str = "Subscribe";

    fn write(&self, xml: &mut Xml) {
        xml.element("m:StreamingSubscriptionRequest", &[], |xml| {
            self.folder.write_in(xml, "t:FolderIds");
            xml.element("t:EventTypes", &[], |xml| {
                for event in ["NewMailEvent", "CreatedEvent", "MovedEvent"] {
                    xml.text("t:EventType", event);
                }
            });
        });
    }

    fn read(&self, answer: &Element) -> Result<Subscription, EwsError> {
        let id = only_message(answer)?.text_of("SubscriptionId").ok_or_else(|| missing("a subscription"))?;
        Ok(Subscription { id: id.to_owned() })
    }
}

#[derive(Debug, Clone)]
pub struct Unsubscribe {
    pub subscription: Subscription,
}

impl Operation for Unsubscribe {
    type Response = ();
    const NAME: &'static str = "Unsubscribe";

    fn write(&self, xml: &mut Xml) {
        xml.text("m:SubscriptionId", &self.subscription.id);
    }

    fn read(&self, answer: &Element) -> Result<(), EwsError> {
        only_message(answer).map(drop)
    }
}

/// The answer is a stream of whole envelopes, see [`StreamedEnvelopes`]; [`super::read`] reads each.
#[derive(Debug, Clone)]
pub struct GetStreamingEvents {
    /// At most 200 of one group.
    pub subscriptions: Vec<Subscription>,
    /// After so many minutes the server ends it; 1 to 30.
    pub minutes: u32,
}

/// What one envelope of the stream tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notifications {
    /// Subscriptions in whose folder something happened. A mere sign of life is none.
    pub changed: Vec<String>,
    /// Subscriptions that the server does not know any more.
    pub lost: Vec<String>,
    /// The server ends the stream in good order.
    pub is_over: bool,
}

impl Operation for GetStreamingEvents {
    type Response = Notifications;
    const NAME: &'static str = "GetStreamingEvents";

    fn write(&self, xml: &mut Xml) {
        xml.element("m:SubscriptionIds", &[], |xml| {
            for subscription in &self.subscriptions {
                xml.text("t:SubscriptionId", &subscription.id);
            }
        });
        xml.text("m:ConnectionTimeout", &self.minutes.to_string());
    }

    fn read(&self, answer: &Element) -> Result<Notifications, EwsError> {
        let mut told = Notifications::default();
        let all = answer.child("ResponseMessages").map_or(&[][..], |messages| &messages.children);
        for message in all {
            let lost = message.child("ErrorSubscriptionIds").map_or(&[][..], |ids| &ids.children);
            told.lost.extend(lost.iter().map(|id| id.text.trim().to_owned()));
            if told.lost.is_empty() {
                super::refusal::judge(message)?;
            }
            told.is_over |= message.text_of("ConnectionStatus") == Some("Closed");
            let notifications = message.child("Notifications").map_or(&[][..], |all| &all.children);
            for notification in notifications {
                let is_event = |it: &Element| it.name.ends_with("Event") && it.name != "StatusEvent";
                if notification.children.iter().any(is_event) {
                    told.changed.extend(notification.text_of("SubscriptionId").map(str::to_owned));
                }
            }
        }
        Ok(told)
    }
}

/// Cuts the stream into its envelopes.
#[derive(Debug, Default)]
pub struct StreamedEnvelopes {
    octets: Vec<u8>,
}

impl StreamedEnvelopes {
    pub fn feed(&mut self, octets: &[u8]) -> Result<(), EwsError> {
        if self.octets.len() + octets.len() > limits::EWS_NOTIFICATION_BYTES_MAX {
            return Err(EwsError::limit("one notification", limits::EWS_NOTIFICATION_BYTES_MAX));
        }
        self.octets.extend_from_slice(octets);
        Ok(())
    }

    /// The next whole envelope, whatever its prefix.
    pub fn next_envelope(&mut self) -> Option<Vec<u8>> {
        let end = end_of_envelope(&self.octets)?;
        let rest = self.octets.split_off(end);
        Some(std::mem::replace(&mut self.octets, rest))
    }
}

fn end_of_envelope(octets: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"Envelope>";
    let ends = octets.windows(NAME.len()).enumerate().filter(|(_, window)| *window == NAME);
    let is_closing = |at: usize| {
        let before = octets.get(..at).unwrap_or_default();
        let tag = before.iter().rposition(|byte| *byte == b'<');
        tag.is_some_and(|tag| before.get(tag + 1) == Some(&b'/'))
    };
    ends.map(|(at, _)| at).find(|at| is_closing(*at)).map(|at| at + NAME.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_cut_into_its_envelopes() {
        let mut stream = StreamedEnvelopes::default();
        stream.feed(b"<s:Envelope xmlns:s='x'>1</s:Enve").unwrap();
        assert_eq!(stream.next_envelope(), None);
        stream.feed(b"lope><Envelope>2</Envelope><s:En").unwrap();
        assert_eq!(stream.next_envelope().unwrap(), b"<s:Envelope xmlns:s='x'>1</s:Envelope>");
        assert_eq!(stream.next_envelope().unwrap(), b"<Envelope>2</Envelope>");
        assert_eq!(stream.next_envelope(), None);
        let endless = vec![b'x'; limits::EWS_NOTIFICATION_BYTES_MAX];
        assert!(stream.feed(&endless).is_err());
    }
}
