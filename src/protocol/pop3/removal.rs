//! DELE for many messages, then QUIT. Nothing is removed before the server has accepted QUIT (RFC 1939 section 6).

use std::collections::VecDeque;

use bytes::BytesMut;

use super::Pipelining;
use super::reply::{Lines, Status, unexpected_challenge};
use crate::model::failure::Cause;
use crate::protocol::{Conversation, Progress};

/// Marks messages and quits; the numbers of those that are gone.
#[derive(Debug)]
pub struct RemoveAndQuit {
    window: usize,
    unasked: VecDeque<u32>,
    unanswered: VecDeque<u32>,
    marked: Vec<u32>,
    lines: Lines,
    state: State,
    /// To DELE, one for each.
    answers: usize,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Mark,
    ExpectBye,
}

impl RemoveAndQuit {
    pub fn new(numbers: Vec<u32>, pipelining: Pipelining) -> Self {
        Self {
            window: pipelining.window(),
            unasked: numbers.into(),
            unanswered: VecDeque::new(),
            marked: Vec::new(),
            lines: Lines::default(),
            state: State::Mark,
            answers: 0,
        }
    }

    fn ask(&mut self) -> Option<Vec<u8>> {
        if self.unasked.is_empty() || self.unanswered.len() > self.window / 2 {
            return None;
        }
        let free = self.window - self.unanswered.len();
        let mut commands = String::new();
        for number in self.unasked.drain(..free.min(self.unasked.len())) {
            commands.push_str(&format!("DELE {number}\r\n"));
            self.unanswered.push_back(number);
        }
        Some(commands.into_bytes())
    }

    fn note(&mut self, status: &Status) -> Result<(), Cause> {
        self.answers += 1;
        let number = self.unanswered.pop_front();
        match status {
            Status::Ok(_) => self.marked.extend(number),
            // It is not marked, and so it is not reported as removed.
            Status::Err(_) => {}
            Status::Continue(_) => return Err(unexpected_challenge()),
        }
        Ok(())
    }
}

impl Conversation for RemoveAndQuit {
    type Output = Vec<u32>;

    fn advance(&mut self, input: &mut BytesMut) -> Result<Progress<Vec<u32>>, Cause> {
        loop {
            match self.state {
                State::Mark => {
                    if let Some(commands) = self.ask() {
                        return Ok(Progress::Send(commands));
                    }
                    if self.unanswered.is_empty() {
                        self.state = State::ExpectBye;
                        return Ok(Progress::Send(b"QUIT\r\n".to_vec()));
                    }
                    match self.lines.next(input, Status::parse)?.transpose()? {
                        None => return Ok(Progress::NeedInput),
                        Some(status) => self.note(&status)?,
                    }
                }
                State::ExpectBye => {
                    return match self.lines.next(input, Status::parse)?.transpose()? {
                        None => Ok(Progress::NeedInput),
                        Some(Status::Ok(_)) => Ok(Progress::Done(std::mem::take(&mut self.marked))),
                        Some(Status::Err(refusal)) => Err(refusal.cause()),
                        Some(Status::Continue(_)) => Err(unexpected_challenge()),
                    };
                }
            }
        }
    }

    fn answers(&self) -> usize {
        self.answers
    }
}

#[cfg(test)]
mod tests {
    use super::super::transcript::play;
    use super::*;

    #[test]
    fn only_marked_messages_of_an_accepted_quit_are_gone() {
        let begin = || RemoveAndQuit::new(vec![1, 2, 5], Pipelining::Offered);
        let script = "C: DELE 1
             C: DELE 2
             C: DELE 5
             S: +OK
             S: -ERR message 2 is locked
             S: +OK
             C: QUIT
             S: +OK bye";
        assert_eq!(play(begin, script), Ok(vec![1, 5]));
    }

    #[test]
    fn without_pipelining_each_answer_is_awaited() {
        let begin = || RemoveAndQuit::new(vec![1, 2], Pipelining::NotOffered);
        let script = "C: DELE 1\nS: +OK\nC: DELE 2\nS: +OK\nC: QUIT\nS: +OK";
        assert_eq!(play(begin, script), Ok(vec![1, 2]));
    }

    #[test]
    fn a_refused_quit_has_removed_nothing_that_we_know_of() {
        let begin = || RemoveAndQuit::new(vec![1], Pipelining::NotOffered);
        let answer = play(begin, "C: DELE 1\nS: +OK\nC: QUIT\nS: -ERR some deleted messages not removed");
        assert_eq!(answer, Err(Cause::Refused { said: "some deleted messages not removed".to_owned() }));
    }

    #[test]
    fn nothing_to_remove_is_only_goodbye() {
        let begin = || RemoveAndQuit::new(vec![], Pipelining::Offered);
        assert_eq!(play(begin, "C: QUIT\nS: +OK"), Ok(vec![]));
    }
}
