//! Removing messages, and saying goodbye.

use crate::model::failure::Cause;

use super::command::{Tag, bare};
use super::exchange::{About, Answer, Asked, Completion};
use super::refusal::{Stage, refusal};
use super::response::Response;
use crate::protocol::Conversation;

/// `UID STORE set +FLAGS.SILENT (\Deleted)`; `set` is one of [`super::uid_sets`], of at most so many messages.
pub fn flag_deleted(tag: Tag, set: &str, messages: usize) -> impl Conversation<Output = ()> + use<> {
    let chunks = bare(&tag, &format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)"));
    Asked::new(tag, chunks, Accepted { about: About::Messages(messages) })
}

/// `UID EXPUNGE set` (RFC 4315). Plain EXPUNGE has no place here: it would also remove what others have flagged.
pub fn expunge(tag: Tag, set: &str, messages: usize) -> impl Conversation<Output = ()> + use<> {
    let chunks = bare(&tag, &format!("UID EXPUNGE {set}"));
    Asked::new(tag, chunks, Accepted { about: About::Messages(messages) })
}

/// LOGOUT. It ends with [`Cause::ServerBye`], which is the server's goodbye.
pub fn logout(tag: Tag) -> impl Conversation<Output = ()> {
    let chunks = bare(&tag, "LOGOUT");
    Asked::new(tag, chunks, Accepted { about: About::Session })
}

/// Nothing but yes or no matters.
struct Accepted {
    about: About,
}

impl Answer for Accepted {
    type Output = ();

    fn about(&self) -> About {
        self.about
    }

    fn untagged(&mut self, _: Response) -> Result<(), Cause> {
        Ok(())
    }

    fn completed(&mut self, completion: Completion) -> Result<(), Cause> {
        completion.accepted().map_err(|completion| refusal(Stage::Session, &completion))
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::Tags;
    use super::super::transcript::play;
    use super::*;

    #[test]
    fn messages_are_flagged_and_expunged_by_uid_only() {
        let flag = || flag_deleted(Tags::default().next_tag(), "3:5,9", 4);
        let transcript = "C: M1 UID STORE 3:5,9 +FLAGS.SILENT (\\Deleted)\nS: * 1 EXPUNGE\nS: M1 OK";
        play(flag, transcript).unwrap();
        let expunge = || expunge(Tags::default().next_tag(), "3:5,9", 4);
        play(expunge, "C: M1 UID EXPUNGE 3:5,9\nS: * 1 EXPUNGE\nS: * 1 EXPUNGE\nS: M1 OK").unwrap();
        let cause = play(expunge, "C: M1 UID EXPUNGE 3:5,9\nS: M1 NO [NOPERM] not yours").unwrap_err();
        assert_eq!(cause, Cause::Refused { said: "[NOPERM] not yours".to_owned() });
    }

    #[test]
    fn a_goodbye_ends_with_the_servers() {
        let cause =
            play(|| logout(Tags::default().next_tag()), "C: M1 LOGOUT\nS: * BYE see you").unwrap_err();
        assert_eq!(cause, Cause::ServerBye { said: "see you".to_owned() });
    }
}
