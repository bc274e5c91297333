//! Opening the inbox (RFC 3501 sections 6.3.1 and 6.3.2).

use crate::model::failure::Cause;

use super::super::Conversation;
use super::command::{Tag, bare};
use super::exchange::{Answer, Asked, Completion};
use super::refusal::{Stage, refusal};
use super::response::{Code, Reply, Response};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// EXAMINE: nothing can change, not even `\Recent`.
    ReadOnly,
    /// SELECT. [`Cause::Refused`] when the server opens it read-only all the same.
    ReadWrite,
}

/// An open inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Opened {
    /// UIDVALIDITY, or 0 when the server has none: some do not send it, or send 0, which the grammar forbids. Their
    /// UIDs are taken to be stable, because refusing the mailbox would help nobody. No real UIDVALIDITY is 0, so
    /// that all messages are listed again once the server begins to send one.
    pub validity: u32,
    /// The UID that the next message will have.
    pub uid_next: Option<u32>,
    pub messages: Option<u32>,
}

/// EXAMINE or SELECT, again and again if need be: each shows the mailbox as it is now.
pub fn open_inbox(tag: Tag, access: Access) -> impl Conversation<Output = Opened> {
    let chunks = bare(
        &tag,
        match access {
            Access::ReadOnly => "EXAMINE INBOX",
            Access::ReadWrite => "SELECT INBOX",
        },
    );
    Asked::new(tag, chunks, OpenInbox { access, opened: Opened::default() })
}

struct OpenInbox {
    access: Access,
    opened: Opened,
}

impl OpenInbox {
    fn note(&mut self, reply: &Reply) {
        match reply.code {
            Code::UidValidity(validity) => self.opened.validity = validity,
            Code::UidNext(next) if next > 0 => self.opened.uid_next = Some(next),
            Code::UidNext(_) | Code::None | Code::Capability(_) | Code::ReadOnly | Code::Other(_) => {}
        }
    }
}

impl Answer for OpenInbox {
    type Output = Opened;

    fn untagged(&mut self, response: Response) -> Result<(), Cause> {
        match response {
            Response::Exists(messages) => self.opened.messages = Some(messages),
            Response::Status { reply, .. } => self.note(&reply),
            Response::Tagged { .. }
            | Response::Continue { .. }
            | Response::Capability(_)
            | Response::Expunge(_)
            | Response::Fetch(_)
            | Response::Other => {}
        }
        Ok(())
    }

    fn completed(&mut self, completion: Completion) -> Result<Opened, Cause> {
        completion.accepted().map_err(|completion| refusal(Stage::Session, &completion))?;
        self.note(&completion.reply);
        match self.access {
            Access::ReadWrite if completion.reply.code == Code::ReadOnly => {
                Err(Cause::Refused { said: completion.reply.said })
            }
            Access::ReadWrite | Access::ReadOnly => Ok(self.opened),
        }
    }
}
