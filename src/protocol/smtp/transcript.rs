//! Plays a conversation against a transcript: `C:` what must be said, `S:` what the server says.

use bytes::BytesMut;

use crate::model::failure::Cause;
use crate::protocol::{Conversation, Progress};

/// Runs the conversation to its end. Consecutive `C:` lines are one write, as are consecutive `S:` lines. Where the
/// transcript ends early, the connection is lost.
pub(super) fn play<C: Conversation>(conversation: &mut C, transcript: &str) -> Result<C::Output, Cause> {
    let mut lines = transcript.lines().map(str::trim_start).peekable();
    let mut input = BytesMut::new();
    loop {
        match conversation.advance(&mut input)? {
            Progress::Send(bytes) => {
                let said = String::from_utf8(bytes).unwrap();
                let mut expected = String::new();
                while let Some(line) = lines.next_if(|line| line.starts_with("C:")) {
                    expected += line.strip_prefix("C: ").unwrap_or("");
                    expected += "\r\n";
                }
                assert_eq!(said, expected);
            }
            Progress::NeedInput => {
                let mut heard = false;
                while let Some(line) = lines.next_if(|line| line.starts_with("S:")) {
                    input.extend_from_slice(line.strip_prefix("S: ").unwrap_or("").as_bytes());
                    input.extend_from_slice(b"\r\n");
                    heard = true;
                }
                if !heard {
                    assert_eq!(lines.next(), None, "the client waits instead of speaking");
                    return Err(Cause::ConnectionLost { detail: "end of the transcript".to_owned() });
                }
            }
            Progress::Done(output) => {
                assert_eq!(lines.next(), None, "the conversation ended early");
                return Ok(output);
            }
        }
    }
}
