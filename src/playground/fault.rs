//! Misbehaviour on request: what a test can make the servers do wrong.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::options::Protocol;

/// One way to misbehave. `at` names a command by its beginning, whatever the case (`RCPT`, `RCPT TO:<bob@`,
/// `UID FETCH`), without IMAP tag and as the log shows it; `.` is the end of an SMTP message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The ports are closed: clients get `connection refused`.
    RefuseConnections,
    /// This line instead of the greeting (with its `+OK`, `220`, `* OK`).
    Greet(String),
    /// Each connection breaks once it has sent this many bytes (counted inside TLS).
    CloseAfterBytes(u64),
    /// Never answers the command, nor anything after it.
    Stall { at: String },
    /// This line instead of doing what the command asks; for IMAP without tag (`NO [UNAVAILABLE] later`). The
    /// connection closes after `421` and `* BYE`.
    Answer { at: String, line: String, times: Times },
    /// Breaks the connection when the command arrives, without acting on it.
    CloseBefore { at: String },
    /// Acts on the command, and breaks the connection instead of answering.
    CloseAfter { at: String },
}

/// How often a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    Always,
    Next(u32),
}

/// The faults in force.
#[derive(Default)]
pub struct Faults(Mutex<Vec<(Protocol, Fault)>>);

/// What is to be done with a command that arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Proceed,
    /// Act, but break the connection before any answer is sent.
    ProceedMuted,
    Answer(String),
    Stall,
    Close,
}

impl Faults {
    pub(super) fn inject(&self, protocol: Protocol, fault: Fault) {
        self.lock().push((protocol, fault));
    }

    pub(super) fn heal(&self, protocol: Protocol) {
        self.lock().retain(|(of, _)| *of != protocol);
    }

    pub(super) fn greeting(&self, protocol: Protocol) -> Option<String> {
        self.first(protocol, |fault| if let Fault::Greet(line) = fault { Some(line.clone()) } else { None })
    }

    pub(super) fn bytes_max(&self, protocol: Protocol) -> Option<u64> {
        self.first(
            protocol,
            |fault| if let Fault::CloseAfterBytes(bytes) = fault { Some(*bytes) } else { None },
        )
    }

    /// Judges a command; a limited fault that strikes is used up by one.
    pub(super) fn judge(&self, protocol: Protocol, command: &str) -> Verdict {
        let verdict = self.first(protocol, |fault| strike(fault, command));
        verdict.unwrap_or(Verdict::Proceed)
    }

    fn first<T>(&self, protocol: Protocol, mut look: impl FnMut(&mut Fault) -> Option<T>) -> Option<T> {
        let mut faults = self.lock();
        faults.iter_mut().filter(|(of, _)| *of == protocol).find_map(|(_, fault)| look(fault))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Protocol, Fault)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn strike(fault: &mut Fault, command: &str) -> Option<Verdict> {
    match fault {
        Fault::RefuseConnections | Fault::Greet(_) | Fault::CloseAfterBytes(_) => None,
        Fault::Stall { at } => begins(command, at).then_some(Verdict::Stall),
        Fault::CloseBefore { at } => begins(command, at).then_some(Verdict::Close),
        Fault::CloseAfter { at } => begins(command, at).then_some(Verdict::ProceedMuted),
        Fault::Answer { at, line, times } => {
            (begins(command, at) && times.strike()).then(|| Verdict::Answer(line.clone()))
        }
    }
}

impl Times {
    fn strike(&mut self) -> bool {
        match self {
            Self::Always => true,
            Self::Next(0) => false,
            Self::Next(left) => {
                *left -= 1;
                true
            }
        }
    }
}

/// Whether the command begins with these words. `RETR 1` does not name `RETR 10`.
fn begins(command: &str, at: &str) -> bool {
    let Some(start) = command.get(..at.len()) else { return false };
    let next = command[at.len()..].chars().next();
    let word_ends = !at.ends_with(char::is_alphanumeric) || !next.is_some_and(char::is_alphanumeric);
    start.eq_ignore_ascii_case(at) && word_ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_named_by_its_first_words() {
        assert!(begins("RCPT TO:<bob@example.test>", "rcpt"));
        assert!(begins("RCPT TO:<bob@example.test>", "RCPT TO:<bob@"));
        assert!(begins("RETR 1", "RETR 1"));
        assert!(!begins("RETR 10", "RETR 1"));
        assert!(!begins("UIDL", "UID"));
        assert!(!begins("é", "R"));
    }

    #[test]
    fn a_limited_fault_is_used_up() {
        let faults = Faults::default();
        let line = String::from("451 4.3.0 try later");
        let at = String::from("RCPT");
        faults.inject(Protocol::Smtp, Fault::Answer { at, line: line.clone(), times: Times::Next(1) });
        assert_eq!(faults.judge(Protocol::Imap, "RCPT TO:<a@b>"), Verdict::Proceed);
        assert_eq!(faults.judge(Protocol::Smtp, "RCPT TO:<a@b>"), Verdict::Answer(line));
        assert_eq!(faults.judge(Protocol::Smtp, "RCPT TO:<a@b>"), Verdict::Proceed);
    }
}
