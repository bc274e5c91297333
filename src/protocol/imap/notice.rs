//! NOOP on an open mailbox: whether anything has changed in it since it was last told (RFC 3501 section 6.1.2).

use crate::model::failure::Cause;

use super::command::{Tag, bare};
use super::exchange::{About, Answer, Asked, Completion};
use super::refusal::{Stage, refusal};
use super::response::Response;
use crate::protocol::Conversation;

/// What a server told of a mailbox that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    Nothing,
    /// Messages came or went: the mailbox is to be opened again.
    Changed,
}

/// NOOP. A server that has something to tell must tell it before it answers (RFC 3501 section 5.2).
pub fn notice(tag: Tag) -> impl Conversation<Output = Notice> {
    let chunks = bare(&tag, "NOOP");
    Asked::new(tag, chunks, Noticing { notice: Notice::Nothing })
}

struct Noticing {
    notice: Notice,
}

impl Answer for Noticing {
    type Output = Notice;

    fn about(&self) -> About {
        About::Mailbox
    }

    fn untagged(&mut self, response: Response) -> Result<(), Cause> {
        match response {
            Response::Exists(_) | Response::Expunge => self.notice = Notice::Changed,
            Response::Tagged { .. }
            | Response::Status { .. }
            | Response::Continue { .. }
            | Response::Capability(_)
            | Response::Fetch(_)
            | Response::Found(_)
            | Response::Other => {}
        }
        Ok(())
    }

    fn completed(&mut self, completion: Completion) -> Result<Notice, Cause> {
        completion.accepted().map_err(|completion| refusal(Stage::Session, &completion))?;
        Ok(self.notice)
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::Tags;
    use super::super::transcript::play;
    use super::*;

    fn look(transcript: &str) -> Result<Notice, Cause> {
        play(|| notice(Tags::default().next_tag()), transcript)
    }

    #[test]
    fn what_came_or_went_is_noticed_and_flags_are_not() {
        for (told, noticed) in [
            ("* 4 EXISTS", Notice::Changed),
            ("* 2 EXPUNGE", Notice::Changed),
            ("* 2 FETCH (FLAGS (\\Seen))", Notice::Nothing),
            ("* OK Still here", Notice::Nothing),
            ("* 0 RECENT", Notice::Nothing),
        ] {
            assert_eq!(look(&format!("C: M1 NOOP\nS: {told}\nS: M1 OK")).unwrap(), noticed, "{told}");
        }
    }

    #[test]
    fn a_server_that_says_goodbye_is_no_server_without_news() {
        let gone = look("C: M1 NOOP\nS: * BYE idle for too long").unwrap_err();
        assert!(matches!(gone, Cause::ServerBye { .. }), "{gone}");
    }
}
