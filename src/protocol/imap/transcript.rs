//! Plays transcripts of sessions against a conversation, cut in every way in which a network may cut them.
//!
//! Lines begin with `C: ` (what the client is expected to write; adjacent lines are one write) or `S: `.
//! Each line ends with CRLF, unless it ends with `⏎`, which stands for nothing: the line goes on with the next one.

use std::fmt::Debug;

use bytes::BytesMut;

use crate::model::failure::Cause;

use crate::protocol::{Conversation, Progress};

#[derive(Debug, PartialEq, Eq, Clone)]
enum Turn {
    Client(Vec<u8>),
    Server(Vec<u8>),
}

/// How the server's bytes are cut.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Nowhere,
    Everywhere,
    At(u64),
}

/// Plays the transcript with every kind of cut; all have to end alike. An early end is a lost connection.
pub fn play<C>(make: impl Fn() -> C, transcript: &str) -> Result<C::Output, Cause>
where
    C: Conversation,
    C::Output: Debug,
{
    let turns = turns(transcript);
    let whole = play_once(make(), &turns, Cut::Nowhere);
    let cuts = (1..=40).map(Cut::At).chain([Cut::Everywhere]);
    for cut in cuts {
        let result = play_once(make(), &turns, cut);
        assert_eq!(format!("{result:?}"), format!("{whole:?}"), "{cut:?}");
    }
    whole
}

fn turns(transcript: &str) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for line in transcript.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        let (speaker, text) = line.split_at(line.len().min(3));
        let mut bytes = text.strip_suffix('⏎').unwrap_or(text).as_bytes().to_vec();
        if !text.ends_with('⏎') {
            bytes.extend(b"\r\n");
        }
        match (speaker.trim(), turns.last_mut()) {
            ("C:", Some(Turn::Client(said))) | ("S:", Some(Turn::Server(said))) => said.extend(bytes),
            ("C:", _) => turns.push(Turn::Client(bytes)),
            ("S:", _) => turns.push(Turn::Server(bytes)),
            _ => panic!("neither C: nor S: in `{line}`"),
        }
    }
    turns
}

fn play_once<C: Conversation>(mut conversation: C, turns: &[Turn], cut: Cut) -> Result<C::Output, Cause> {
    let mut input = BytesMut::new();
    let mut turns = turns.iter();
    let mut unread: Vec<Vec<u8>> = Vec::new();
    loop {
        match conversation.advance(&mut input)? {
            Progress::Done(output) => return Ok(output),
            Progress::Send(bytes) => {
                assert!(unread.is_empty(), "sent before everything was read: {}", bytes.escape_ascii());
                let Some(Turn::Client(expected)) = turns.next() else {
                    panic!("did not expect the client to send {}", bytes.escape_ascii());
                };
                assert_eq!(bytes.escape_ascii().to_string(), expected.escape_ascii().to_string());
            }
            Progress::NeedInput => {
                if unread.is_empty() {
                    match turns.next() {
                        Some(Turn::Server(said)) => unread = pieces(said, cut),
                        Some(Turn::Client(expected)) => {
                            panic!("the client waits instead of sending {}", expected.escape_ascii())
                        }
                        None => return Err(Cause::ConnectionLost { detail: "end of transcript".to_owned() }),
                    }
                }
                input.extend_from_slice(&unread.remove(0));
            }
        }
    }
}

fn pieces(bytes: &[u8], cut: Cut) -> Vec<Vec<u8>> {
    match cut {
        Cut::Nowhere => vec![bytes.to_vec()],
        Cut::Everywhere => bytes.iter().map(|byte| vec![*byte]).collect(),
        Cut::At(seed) => {
            let (mut rest, mut state, mut pieces) = (bytes, seed, Vec::new());
            while !rest.is_empty() {
                // Knuth's linear congruential generator: the same borders in every run.
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let length = ((state >> 33) as usize % 23 + 1).min(rest.len());
                let (piece, after) = rest.split_at(length);
                pieces.push(piece.to_vec());
                rest = after;
            }
            pieces
        }
    }
}
