//! The two commands that are exchanges of their own: STARTTLS and QUIT.

use bytes::BytesMut;

use super::reply::{Replies, Reply};
use crate::model::failure::Cause;
use crate::protocol::{Conversation, Progress};

/// One line, one reply.
#[derive(Default)]
struct Command {
    replies: Replies,
    state: State,
}

#[derive(Default)]
enum State {
    #[default]
    Unsaid,
    Said,
}

impl Command {
    fn advance(&mut self, line: &str, input: &mut BytesMut) -> Result<Progress<Reply>, Cause> {
        match self.state {
            State::Unsaid => {
                self.state = State::Said;
                Ok(Progress::Send(line.as_bytes().to_vec()))
            }
            State::Said => Ok(self.replies.next(input)?.map_or(Progress::NeedInput, Progress::Done)),
        }
    }
}

/// Asks for TLS; done means that the handshake comes next. Bytes behind the go-ahead were injected: they stay in the
/// input, where whoever upgrades the connection refuses them.
#[derive(Default)]
pub struct StartTls(Command);

impl Conversation for StartTls {
    type Output = ();

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<()>, Cause> {
        match self.0.advance("STARTTLS\r\n", input)? {
            Progress::Send(bytes) => Ok(Progress::Send(bytes)),
            Progress::NeedInput => Ok(Progress::NeedInput),
            Progress::Done(reply) if reply.code == 220 => Ok(Progress::Done(())),
            Progress::Done(reply) => Err(reply.refusal()),
        }
    }
}

/// Says goodbye, whatever the answer.
#[derive(Default)]
pub struct Quit(Command);

impl Conversation for Quit {
    type Output = ();

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<()>, Cause> {
        match self.0.advance("QUIT\r\n", input)? {
            Progress::Send(bytes) => Ok(Progress::Send(bytes)),
            Progress::NeedInput => Ok(Progress::NeedInput),
            Progress::Done(_) => Ok(Progress::Done(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::smtp::transcript::play;

    #[test]
    fn tls_begins_at_220_only() {
        let start = |transcript: &str| play(&mut StartTls::default(), transcript);
        assert_eq!(start("C: STARTTLS\nS: 220 go ahead"), Ok(()));
        let refused = Cause::Refused { said: "502 no".to_owned() };
        assert_eq!(start("C: STARTTLS\nS: 502 no"), Err(refused));
        let later = Cause::TemporarilyRefused { said: "454 not now".to_owned() };
        assert_eq!(start("C: STARTTLS\nS: 454 not now"), Err(later));
        assert!(matches!(start("C: STARTTLS\nS: 250 what?"), Err(Cause::Garbage { .. })));
    }

    #[test]
    fn what_was_injected_behind_the_go_ahead_stays_to_be_refused() {
        let mut start = StartTls::default();
        let mut input = BytesMut::new();
        assert!(matches!(start.advance(&mut input), Ok(Progress::Send(_))));
        input.extend_from_slice(b"220 go ahead\r\n250-injected\r\n");
        assert!(matches!(start.advance(&mut input), Ok(Progress::Done(()))));
        assert_eq!(&input[..], b"250-injected\r\n");
    }

    #[test]
    fn a_goodbye_needs_no_kind_answer() {
        assert_eq!(play(&mut Quit::default(), "C: QUIT\nS: 500 what?"), Ok(()));
    }
}
