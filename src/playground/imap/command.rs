//! Collecting one command: its lines, and the literals between them (RFC 3501 section 4.3, RFC 7888).

use bytes::Bytes;

use super::super::log::Happening;
use super::reader::{Bad, Chunk, Reader, is_atom_char};
use super::{Closed, Line, Phase, Session};

/// Literals of commands other than APPEND.
const LITERAL_BYTES_MAX: usize = 8 * 1024;
const CHUNKS_MAX: usize = 64;

/// A command with its tag.
pub(super) struct Command {
    pub(super) tag: String,
    pub(super) verb: String,
    /// What follows the verb, its space included.
    pub(super) rest: Vec<Chunk>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// The client waits for our word before it sends the literal.
    ForUs,
    /// LITERAL+: it comes at once.
    No,
}

impl Session {
    /// Reads the next command. `None`: it was no command, and that has been answered.
    pub(super) async fn read(&mut self) -> Result<Option<Command>, Closed> {
        let Some(first) = self.read_text("*").await? else { return Ok(None) };
        let Some((tag, verb, mut text)) = begin(&first) else {
            self.wire.arrived("***").await?;
            self.bad("*", "a command is a tag, a space and a keyword").await?;
            return Ok(None);
        };
        let mut rest = Vec::new();
        loop {
            let Some((size, waiting, before)) = announced(&text) else {
                push_text(&mut rest, text);
                return Ok(Some(Command { tag, verb, rest }));
            };
            push_text(&mut rest, before);
            let Some(octets) = self.read_literal(&tag, &verb, size, waiting).await? else { return Ok(None) };
            rest.push(Chunk::Literal(octets));
            if rest.len() > CHUNKS_MAX {
                return Err(Closed);
            }
            let Some(line) = self.read_text(&tag).await? else { return Ok(None) };
            text = line;
        }
    }

    async fn read_text(&mut self, tag: &str) -> Result<Option<Bytes>, Closed> {
        match self.wire.line().await? {
            Line::Whole(line) => Ok(Some(line)),
            Line::BareLf(_) => self.bad(tag, "lines end with CRLF").await.map(|_| None),
            Line::TooLong => self.bad(tag, "line too long").await.map(|_| None),
        }
    }

    async fn read_literal(
        &mut self,
        tag: &str,
        verb: &str,
        size: usize,
        waiting: Waiting,
    ) -> Result<Option<Bytes>, Closed> {
        let max = match &self.phase {
            Phase::NotAuthenticated => LITERAL_BYTES_MAX,
            Phase::Authenticated { .. } | Phase::Selected { .. } if verb == "APPEND" => {
                self.wire.world.options.message_bytes_max
            }
            Phase::Authenticated { .. } | Phase::Selected { .. } => LITERAL_BYTES_MAX,
        };
        match (size > max, waiting) {
            (false, Waiting::ForUs) => self.wire.send_line("+ go ahead").await?,
            (false, Waiting::No) => {}
            (true, Waiting::ForUs) => {
                self.wire.arrived(&format!("{verb} ***")).await?;
                self.wire.send_line(&format!("{tag} NO [TOOBIG] literal too long")).await?;
                return Ok(None);
            }
            (true, Waiting::No) => {
                self.wire.arrived(&format!("{verb} ***")).await?;
                self.wire.send_line("* BYE literal too long").await?;
                self.wire.flush().await?;
                return Err(Closed);
            }
        }
        let octets = self.wire.octets(size).await?;
        if verb == "APPEND" {
            self.wire.note(Happening::Content { bytes: octets.len() });
        }
        Ok(Some(octets))
    }
}

impl Command {
    /// The command as the log may show it, without tag. What is not known may be a mistyped password.
    pub(super) fn redacted(&self) -> String {
        const HARMLESS: [&str; 28] = [
            "IDLE",
            "APPEND",
            "CAPABILITY",
            "CHECK",
            "CLOSE",
            "COPY",
            "CREATE",
            "DELETE",
            "EXAMINE",
            "EXPUNGE",
            "FETCH",
            "LIST",
            "LOGOUT",
            "LSUB",
            "NAMESPACE",
            "NOOP",
            "RENAME",
            "SEARCH",
            "SELECT",
            "STARTTLS",
            "STATUS",
            "STORE",
            "SUBSCRIBE",
            "UID",
            "UNSELECT",
            "UNSUBSCRIBE",
            "ID",
            "ENABLE",
        ];
        let verb = &self.verb;
        if HARMLESS.contains(&verb.as_str()) {
            return self.rest.iter().fold(verb.clone(), |shown, chunk| match chunk {
                Chunk::Text(text) => shown + &String::from_utf8_lossy(text),
                Chunk::Literal(octets) => format!("{shown}{{{}}}", octets.len()),
            });
        }
        let mut reader = Reader::new(&self.rest);
        match (verb.as_str(), first_argument(&mut reader)) {
            (_, _) if self.rest.is_empty() => verb.clone(),
            ("LOGIN", Ok(username)) => format!("LOGIN {username} ***"),
            ("AUTHENTICATE", Ok(mechanism)) if reader.end().is_ok() => format!("AUTHENTICATE {mechanism}"),
            ("AUTHENTICATE", Ok(mechanism)) => format!("AUTHENTICATE {mechanism} ***"),
            _ => format!("{verb} ***"),
        }
    }
}

fn first_argument(reader: &mut Reader) -> Result<String, Bad> {
    reader.space()?;
    reader.astring()
}

/// Parts a command's first line into tag, verb in upper case, and rest.
fn begin(line: &Bytes) -> Option<(String, String, Bytes)> {
    let tag_ends = line.iter().position(|byte| *byte == b' ')?;
    let tag = line.get(..tag_ends)?;
    let after = line.get(tag_ends + 1..)?;
    let verb_ends = after.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(after.len());
    let verb = after.get(..verb_ends)?;
    let tag_good = !tag.is_empty() && tag.iter().all(|byte| is_tag_char(*byte)) && tag.len() <= 64;
    let good = tag_good && !verb.is_empty() && verb.len() <= 32;
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    good.then(|| (text(tag), text(verb).to_ascii_uppercase(), line.slice(tag_ends + 1 + verb_ends..)))
}

/// RFC 3501 `tag`: any ASTRING-CHAR except `+`.
fn is_tag_char(byte: u8) -> bool {
    (is_atom_char(byte) || byte == b']') && byte != b'+'
}

/// The literal a line announces at its end, and the line before that.
fn announced(line: &Bytes) -> Option<(usize, Waiting, Bytes)> {
    let inside = line.strip_suffix(b"}")?;
    let opens = inside.iter().rposition(|byte| *byte == b'{')?;
    let number = inside.get(opens + 1..)?;
    let (digits, waiting) = match number.strip_suffix(b"+") {
        Some(digits) => (digits, Waiting::No),
        None => (number, Waiting::ForUs),
    };
    let digits = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    let size: u32 = digits.parse().ok()?;
    Some((usize::try_from(size).ok()?, waiting, line.slice(..opens)))
}

fn push_text(chunks: &mut Vec<Chunk>, text: Bytes) {
    if !text.is_empty() {
        chunks.push(Chunk::Text(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &'static str) -> Command {
        let (tag, verb, text) = begin(&Bytes::from_static(line.as_bytes())).unwrap();
        let mut rest = Vec::new();
        push_text(&mut rest, text);
        Command { tag, verb, rest }
    }

    #[test]
    fn passwords_are_not_logged() {
        assert_eq!(command("a1 login anna s3cret").redacted(), "LOGIN anna ***");
        assert_eq!(command("a1 LOGIN \"anna").redacted(), "LOGIN ***");
        assert_eq!(command("a1 LOGNI anna s3cret").redacted(), "LOGNI ***");
        assert_eq!(command("a1 AUTHENTICATE PLAIN AGFubmEA").redacted(), "AUTHENTICATE PLAIN ***");
        assert_eq!(command("a1 AUTHENTICATE PLAIN").redacted(), "AUTHENTICATE PLAIN");
        assert_eq!(command("a1 UID FETCH 1:* (UID)").redacted(), "UID FETCH 1:* (UID)");
    }

    #[test]
    fn a_literal_is_announced_at_the_end_of_a_line() {
        let line = Bytes::from_static(b" INBOX {12+}");
        let (size, waiting, before) = announced(&line).unwrap();
        assert_eq!((size, &before[..]), (12, b" INBOX ".as_ref()));
        assert!(waiting == Waiting::No);
        assert!(announced(&Bytes::from_static(b" {x}")).is_none());
        assert!(announced(&Bytes::from_static(b" {}")).is_none());
    }

    #[test]
    fn a_command_begins_with_a_tag() {
        assert!(begin(&Bytes::from_static(b"NOOP")).is_none());
        assert!(begin(&Bytes::from_static(b"+a NOOP")).is_none());
        assert!(begin(&Bytes::from_static(b"a1  NOOP")).is_none());
    }
}
