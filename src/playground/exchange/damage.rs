//! Items that the server itself cannot read any more, in whole or in part.

use bytes::Bytes;

use super::ExchangeDoor;
use super::changes;
use super::folders::Place;
use super::shape::Shape;
use super::soap::Message;

/// What of an item cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// It cannot be made into MIME; all else can be had.
    Mime,
    /// Neither can its text be read.
    MimeAndText,
    /// Neither can what is attached be opened.
    MimeAndAttachments,
    Everything,
}

impl Damage {
    /// What the server says to somebody who wants this of the item. `None`: that can be had.
    pub(super) fn refuses(self, shape: &Shape) -> Option<Message> {
        let refused = |code, words| Some(Message::Error { code, words, rest: "<m:Items/>" });
        match self {
            Self::Everything => refused("ErrorItemCorrupt", "The item is corrupt."),
            Self::Mime | Self::MimeAndText | Self::MimeAndAttachments if shape.mime => {
                refused("ErrorMimeContentConversionFailed", "The MIME content conversion failed.")
            }
            Self::MimeAndText if shape.wants("item:Body") => {
                refused("ErrorItemPropertyRequestFailed", "The body of the item could not be read.")
            }
            Self::Mime | Self::MimeAndText | Self::MimeAndAttachments => None,
        }
    }

    /// The same by Graph: its code and words. `selected`: the properties that are asked for; `rest`: what follows the id.
    pub(super) fn refuses_by_graph(
        self,
        selected: Option<&[&str]>,
        rest: &[&str],
    ) -> Option<(&'static str, &'static str)> {
        let asks_for_body = selected.is_none_or(|selected| selected.contains(&"body"));
        match (self, rest) {
            (Self::Everything, _) => Some(("ErrorItemCorrupt", "The item is corrupt.")),
            (Self::Mime | Self::MimeAndText | Self::MimeAndAttachments, ["$value"]) => {
                Some(("ErrorMimeContentConversionFailed", "The MIME content conversion failed."))
            }
            (Self::MimeAndText, []) if asks_for_body => {
                Some(("ErrorItemPropertyRequestFailed", "The body of the item could not be read."))
            }
            (Self::Mime | Self::MimeAndText | Self::MimeAndAttachments, _) => None,
        }
    }

    pub(super) fn opens_attachments(self) -> bool {
        match self {
            Self::Mime | Self::MimeAndText => true,
            Self::MimeAndAttachments | Self::Everything => false,
        }
    }
}

impl ExchangeDoor<'_> {
    /// Puts a message into the inbox that the server cannot read any more.
    pub fn deliver_damaged(&self, address: &str, raw: &[u8], damage: Damage) {
        self.turn(address, |turn| {
            let inbox = Place { account: turn.caller.account, key: "inbox".to_owned() };
            if let Some(held) = changes::put(turn, &inbox, Bytes::copy_from_slice(raw)) {
                turn.inner.properties.entry(held.uidl).or_default().damage = Some(damage);
            }
        });
    }
}
