//! Plays transcripts: `C:` is what the client says, `S:` what the server answers. `S~:` is a line that the server
//! ends with a bare LF.
//!
//! Every transcript is played three times: each answer at once, byte by byte, and in pieces of seven bytes. All must
//! end alike, so that no rule depends on where a read ends.

use bytes::BytesMut;

use crate::model::failure::Cause;
use crate::protocol::{Conversation, Progress};

#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Client(Vec<u8>),
    Server(Vec<u8>),
}

/// The outcome of a conversation that follows the script to its end.
pub fn play<C>(begin: impl Fn() -> C, script: &str) -> Result<C::Output, Cause>
where
    C: Conversation<Output: PartialEq + std::fmt::Debug>,
{
    let turns = parse(script);
    let at_once = run(begin(), &turns, usize::MAX);
    for piece in [1, 7] {
        assert_eq!(run(begin(), &turns, piece), at_once, "in pieces of {piece}");
    }
    at_once
}

fn parse(script: &str) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for line in script.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        let (who, said) = line.split_once(':').expect("a line begins with C: or S:");
        let said = said.strip_prefix(' ').unwrap_or(said).as_bytes();
        let end: &[u8] = if who == "S~" { b"\n" } else { b"\r\n" };
        let bytes = [said, end].concat();
        match (who, turns.last_mut()) {
            ("C", Some(Turn::Client(before))) => before.extend(bytes),
            ("S" | "S~", Some(Turn::Server(before))) => before.extend(bytes),
            ("C", _) => turns.push(Turn::Client(bytes)),
            ("S" | "S~", _) => turns.push(Turn::Server(bytes)),
            _ => panic!("neither C: nor S: in `{line}`"),
        }
    }
    turns
}

fn run<C: Conversation>(mut conversation: C, turns: &[Turn], piece: usize) -> Result<C::Output, Cause> {
    let mut input = BytesMut::new();
    let mut turns = turns.iter().peekable();
    let mut unread: &[u8] = &[];
    loop {
        match conversation.advance(&mut input)? {
            Progress::Send(bytes) => {
                assert!(unread.is_empty(), "it speaks before it has heard the answer");
                let said = String::from_utf8_lossy(&bytes).into_owned();
                match turns.next() {
                    Some(Turn::Client(expected)) => assert_eq!(said, String::from_utf8_lossy(expected)),
                    other => panic!("it says `{said}`, the script goes on with {other:?}"),
                }
            }
            Progress::NeedInput => {
                if unread.is_empty() {
                    match turns.next() {
                        Some(Turn::Server(said)) => unread = said,
                        other => panic!("it waits, the script goes on with {other:?}"),
                    }
                }
                let (now, later) = unread.split_at(piece.min(unread.len()));
                input.extend_from_slice(now);
                unread = later;
            }
            Progress::Done(output) => {
                assert!(unread.is_empty() && input.is_empty(), "something is left unread: {input:?}");
                assert_eq!(turns.next(), None, "the script is not over");
                return Ok(output);
            }
        }
    }
}
