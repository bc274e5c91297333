//! What a client may do once it is logged in, and what QUIT then makes true.

use super::{Closed, FolderName, Maildrop, Message, Next, Phase, Session};

/// Why a message cannot be named.
const NO_SUCH_MESSAGE: &str = "no such message";

impl Session {
    pub(super) async fn transaction(&mut self, verb: &str, argument: Option<&str>) -> Result<Next, Closed> {
        match (verb, argument) {
            ("STAT", None) => {
                let line = self.maildrop().map(|maildrop| format!("+OK {}", maildrop.total()));
                self.answer(line).await
            }
            ("LIST", None) => self.listing(|message| message.raw.len().to_string()).await,
            ("UIDL", None) => self.listing(|message| message.uidl.clone()).await,
            ("LIST", Some(number)) => self.one(number, |message| message.raw.len().to_string()).await,
            ("UIDL", Some(number)) => self.one(number, |message| message.uidl.clone()).await,
            ("RETR", Some(number)) => self.retrieve(number, None).await,
            ("TOP", Some(arguments)) => match arguments.split_once(' ').map(|(n, k)| (n, number_of(k))) {
                Some((number, Some(lines))) => self.retrieve(number, Some(lines)).await,
                Some((_, None)) | None => self.refuse("TOP takes a message and a number of lines").await,
            },
            ("DELE", Some(number)) => {
                let found = self.find(number);
                let line = found.map(|message| {
                    message.deleted = true;
                    String::from("+OK marked")
                });
                self.answer(line).await
            }
            ("RSET", None) => {
                if let Some(maildrop) = self.maildrop_mut() {
                    maildrop.messages.iter_mut().for_each(|message| message.deleted = false);
                }
                self.say("+OK").await
            }
            ("NOOP", None) => self.say("+OK").await,
            ("STAT" | "RETR" | "TOP" | "DELE" | "RSET" | "NOOP", _) => {
                self.refuse("wrong number of arguments").await
            }
            _ => self.refuse("unknown command, or not after login").await,
        }
    }

    /// The update state: only now are marked messages removed. Messages that another session removed meanwhile are
    /// gone as wished.
    pub(super) async fn quit(&mut self) -> Result<Next, Closed> {
        let ended = std::mem::replace(&mut self.state, Phase::Authorization { username: None });
        if let Phase::Transaction(maildrop) = ended {
            let mut inner = self.wire.world.state.lock();
            for message in maildrop.messages.iter().filter(|message| message.deleted) {
                // UIDs may have been renumbered since login; UIDLs never are.
                let inbox = inner.folder_mut(maildrop.account, FolderName::Inbox);
                let uid = inbox.held.iter().find(|held| held.uidl == message.uidl).map(|held| held.uid);
                if let Some(uid) = uid {
                    inner.expunge(maildrop.account, FolderName::Inbox, uid);
                }
            }
            // The lock on the maildrop is dropped after this one: it needs the state itself.
            drop(inner);
            drop(maildrop);
        }
        self.wire.send_line("+OK goodbye").await?;
        Ok(Next::Goodbye)
    }

    async fn listing(&mut self, show: impl Fn(&Message) -> String) -> Result<Next, Closed> {
        let Some(maildrop) = self.maildrop() else { return self.refuse(NO_SUCH_MESSAGE).await };
        let present = (1..).zip(&maildrop.messages).filter(|(_, message)| !message.deleted);
        let mut lines = String::from("+OK\r\n");
        for (number, message) in present {
            lines.push_str(&format!("{number} {}\r\n", show(message)));
        }
        lines.push_str(".\r\n");
        self.wire.send(lines.as_bytes()).await?;
        Ok(Next::Command)
    }

    async fn one(&mut self, number: &str, show: impl Fn(&Message) -> String) -> Result<Next, Closed> {
        let line = self.find(number).map(|message| format!("+OK {number} {}", show(message)));
        self.answer(line).await
    }

    async fn retrieve(&mut self, number: &str, body_lines: Option<usize>) -> Result<Next, Closed> {
        let Some(raw) = self.find(number).map(|message| message.raw.clone()) else {
            return self.refuse(NO_SUCH_MESSAGE).await;
        };
        let shown = match body_lines {
            Some(lines) => top(&raw, lines),
            None => &raw,
        };
        self.wire.send_line(&format!("+OK {} octets", raw.len())).await?;
        for line in shown.split_inclusive(|byte| *byte == b'\n') {
            if line.starts_with(b".") {
                self.wire.send(b".").await?;
            }
            self.wire.send(line).await?;
        }
        if !shown.is_empty() && !shown.ends_with(b"\r\n") {
            self.wire.send(b"\r\n").await?;
        }
        self.say(".").await
    }

    async fn answer(&mut self, line: Option<String>) -> Result<Next, Closed> {
        match line {
            Some(line) => self.say(&line).await,
            None => self.refuse(NO_SUCH_MESSAGE).await,
        }
    }

    fn find(&mut self, number: &str) -> Option<&mut Message> {
        let index = number_of(number)?.checked_sub(1)?;
        let message = self.maildrop_mut()?.messages.get_mut(index)?;
        (!message.deleted).then_some(message)
    }

    fn maildrop(&self) -> Option<&Maildrop> {
        match &self.state {
            Phase::Transaction(maildrop) => Some(maildrop),
            Phase::Authorization { .. } => None,
        }
    }

    fn maildrop_mut(&mut self) -> Option<&mut Maildrop> {
        match &mut self.state {
            Phase::Transaction(maildrop) => Some(maildrop),
            Phase::Authorization { .. } => None,
        }
    }
}

impl Maildrop {
    /// Number and octets of the messages that are not marked as deleted.
    fn total(&self) -> String {
        let present = || self.messages.iter().filter(|message| !message.deleted);
        format!("{} {}", present().count(), present().map(|message| message.raw.len()).sum::<usize>())
    }
}

/// Digits only: no sign, no space.
fn number_of(text: &str) -> Option<usize> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The header, the empty line after it, and so many lines of the body.
fn top(raw: &[u8], body_lines: usize) -> &[u8] {
    let mut end = 0;
    let mut left: Option<usize> = None;
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        match left {
            Some(0) => break,
            Some(lines) => left = Some(lines - 1),
            None if line == b"\r\n" => left = Some(body_lines),
            None => {}
        }
        end += line.len();
    }
    raw.get(..end).unwrap_or(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_is_the_header_and_some_lines() {
        let raw = b"A: 1\r\nB: 2\r\n\r\none\r\ntwo\r\n";
        assert_eq!(top(raw, 0), b"A: 1\r\nB: 2\r\n\r\n");
        assert_eq!(top(raw, 1), b"A: 1\r\nB: 2\r\n\r\none\r\n");
        assert_eq!(top(raw, 9), raw);
        assert_eq!(top(b"A: 1\r\n", 0), b"A: 1\r\n");
        assert_eq!(top(b"", 3), b"");
    }

    #[test]
    fn numbers_are_digits() {
        assert_eq!(number_of("12"), Some(12));
        assert_eq!(number_of("+1"), None);
        assert_eq!(number_of(""), None);
        assert_eq!(number_of("99999999999999999999999"), None);
    }
}
