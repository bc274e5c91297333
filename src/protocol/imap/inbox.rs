//! Opening the inbox (RFC 3501 sections 6.3.1 and 6.3.2).

use crate::model::cursor::Mark;
use crate::model::failure::Cause;

use super::command::{Tag, bare};
use super::exchange::{About, Answer, Asked, Completion};
use super::refusal::{Stage, refusal};
use super::response::{Code, Reply, Response};
use crate::protocol::Conversation;

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
    /// HIGHESTMODSEQ (RFC 7162): grows with whatever changes in the inbox. Servers that have it tell it without being asked.
    pub modseq: Option<u64>,
}

impl Opened {
    pub fn mark(&self) -> Mark {
        Mark { uid_next: self.uid_next, modseq: self.modseq }
    }
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
            Code::HighestModSeq(highest) => self.opened.modseq = highest,
            Code::UidNext(_) | Code::None | Code::Capability(_) | Code::ReadOnly | Code::Other(_) => {}
        }
    }
}

impl Answer for OpenInbox {
    type Output = Opened;

    fn about(&self) -> About {
        About::Mailbox
    }

    fn untagged(&mut self, response: Response) -> Result<(), Cause> {
        match response {
            Response::Exists(messages) => self.opened.messages = Some(messages),
            Response::Status { reply, .. } => self.note(&reply),
            Response::Tagged { .. }
            | Response::Continue { .. }
            | Response::Capability(_)
            | Response::Expunge
            | Response::Fetch(_)
            | Response::Found(_)
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

#[cfg(test)]
mod tests {
    use super::super::command::Tags;
    use super::super::transcript::play;
    use super::*;

    fn open(access: Access, transcript: &str) -> Result<Opened, Cause> {
        play(|| open_inbox(Tags::default().next_tag(), access), transcript)
    }

    #[test]
    fn an_inbox_tells_its_numbers() {
        let transcript = r"
            C: M1 EXAMINE INBOX
            S: * FLAGS (\Answered \Seen)
            S: * OK [PERMANENTFLAGS ()] Read-only mailbox.
            S: * 312 EXISTS
            S: * 0 RECENT
            S: * OK [UNSEEN 0] a number that the grammar forbids
            S: * OK [UIDVALIDITY 1700000000] UIDs valid
            S: * OK [UIDNEXT 4392] Predicted next UID
            S: * OK [HIGHESTMODSEQ 9223372036854775807] Highest
            S: M1 OK [READ-ONLY] Examine completed";
        let opened = open(Access::ReadOnly, transcript).unwrap();
        let expected = Opened {
            validity: 1_700_000_000,
            uid_next: Some(4392),
            messages: Some(312),
            modseq: Some(9_223_372_036_854_775_807),
        };
        assert_eq!(opened, expected);
    }

    #[test]
    fn a_missing_or_forbidden_uidvalidity_is_zero() {
        for line in ["OK [UIDVALIDITY 0] hm", "OK [UIDVALIDITY] hm", "OK hm"] {
            let transcript = format!("C: M1 EXAMINE INBOX\nS: * 1 EXISTS\nS: * {line}\nS: M1 OK");
            let opened = open(Access::ReadOnly, &transcript).unwrap();
            let expected = Opened { validity: 0, uid_next: None, messages: Some(1), modseq: None };
            assert_eq!(opened, expected);
        }
    }

    #[test]
    fn a_mod_sequence_that_is_missing_zero_or_impossible_is_none() {
        for line in [
            "OK [NOMODSEQ] no",
            "OK [HIGHESTMODSEQ 0] never",
            "OK [HIGHESTMODSEQ] hm",
            "OK [HIGHESTMODSEQ 9223372036854775808] more than 63 bits",
            "OK [HIGHESTMODSEQ 99999999999999999999999] far more",
            "OK [HIGHESTMODSEQ -1] less than nothing",
        ] {
            let transcript = format!("C: M1 EXAMINE INBOX\nS: * {line}\nS: M1 OK");
            assert_eq!(open(Access::ReadOnly, &transcript).unwrap().modseq, None, "{line}");
        }
    }

    #[test]
    fn a_read_only_inbox_is_refused_when_something_is_to_be_deleted() {
        let transcript = "C: M1 SELECT INBOX\nS: M1 OK [READ-ONLY] yours to look at";
        assert!(matches!(open(Access::ReadWrite, transcript), Err(Cause::Refused { .. })));
    }

    #[test]
    fn a_throttling_server_is_not_one_that_refuses() {
        let transcript = "C: M1 EXAMINE INBOX\nS: M1 BAD User is authenticated but not connected.";
        assert!(matches!(open(Access::ReadOnly, transcript), Err(Cause::TemporarilyRefused { .. })));
        let transcript = "C: M1 EXAMINE INBOX\nS: M1 NO [NONEXISTENT] no inbox";
        assert!(matches!(open(Access::ReadOnly, transcript), Err(Cause::Refused { .. })));
    }
}
