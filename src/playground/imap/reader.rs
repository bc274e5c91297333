//! The grammar of RFC 3501 section 9, as far as commands need it. What does not fit is `Bad`.

use bytes::Bytes;

use super::sequence::SequenceSet;

/// A piece of a command: text up to a literal, or a literal's octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chunk {
    Text(Bytes),
    Literal(Bytes),
}

/// A syntax error, in words for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bad(pub(super) &'static str);

/// Reads a command from left to right.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    chunks: &'a [Chunk],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(chunks: &'a [Chunk]) -> Self {
        Self { chunks, at: 0 }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        match self.chunks.first() {
            Some(Chunk::Text(text)) => text.get(self.at).copied(),
            Some(Chunk::Literal(_)) | None => None,
        }
    }

    /// Takes this byte if it is next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        if found {
            self.skip_finished();
        }
        found
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Bad> {
        if self.eat(byte) { Ok(()) } else { Err(Bad("syntax error")) }
    }

    pub(super) fn space(&mut self) -> Result<(), Bad> {
        if self.eat(b' ') { Ok(()) } else { Err(Bad("a space and an argument are expected")) }
    }

    pub(super) fn end(&self) -> Result<(), Bad> {
        if self.chunks.is_empty() { Ok(()) } else { Err(Bad("unexpected text at the end of the command")) }
    }

    /// One or more bytes of a kind; they are ASCII.
    pub(super) fn word(&mut self, kind: fn(u8) -> bool) -> Result<String, Bad> {
        let mut word = String::new();
        while let Some(byte) = self.peek().filter(|byte| byte.is_ascii() && kind(*byte)) {
            word.push(char::from(byte));
            self.at += 1;
        }
        self.skip_finished();
        if word.is_empty() { Err(Bad("a word is expected")) } else { Ok(word) }
    }

    /// An atom in upper case: command and item names are case-insensitive.
    pub(super) fn keyword(&mut self) -> Result<String, Bad> {
        self.word(is_atom_char).map(|word| word.to_ascii_uppercase())
    }

    pub(super) fn number(&mut self) -> Result<u32, Bad> {
        self.word(|byte| byte.is_ascii_digit())?.parse().map_err(|_| Bad("number out of range"))
    }

    pub(super) fn sequence_set(&mut self) -> Result<SequenceSet, Bad> {
        let text = self.word(|byte| byte.is_ascii_digit() || b":*,".contains(&byte))?;
        SequenceSet::parse(&text).ok_or(Bad("this is no sequence set"))
    }

    pub(super) fn astring(&mut self) -> Result<String, Bad> {
        match self.peek() {
            Some(byte) if is_astring_char(byte) => self.word(is_astring_char),
            Some(_) | None => self.string(),
        }
    }

    /// `astring` with the wildcards of LIST.
    pub(super) fn list_mailbox(&mut self) -> Result<String, Bad> {
        let kind = |byte| is_astring_char(byte) || b"%*".contains(&byte);
        match self.peek() {
            Some(byte) if kind(byte) => self.word(kind),
            Some(_) | None => self.string(),
        }
    }

    pub(super) fn string(&mut self) -> Result<String, Bad> {
        let octets = match self.peek() {
            Some(b'"') => self.quoted()?,
            Some(_) => return Err(Bad("a string is expected")),
            None => self.literal()?.to_vec(),
        };
        String::from_utf8(octets).map_err(|_| Bad("a string is not UTF-8"))
    }

    pub(super) fn literal(&mut self) -> Result<Bytes, Bad> {
        let Some((Chunk::Literal(octets), rest)) = self.chunks.split_first() else {
            return Err(Bad("a literal is expected"));
        };
        if octets.contains(&0) {
            return Err(Bad("a literal contains NUL"));
        }
        (self.chunks, self.at) = (rest, 0);
        self.skip_finished();
        Ok(octets.clone())
    }

    pub(super) fn flags(&mut self) -> Result<Vec<String>, Bad> {
        self.expect(b'(')?;
        let mut flags = Vec::new();
        if self.eat(b')') {
            return Ok(flags);
        }
        loop {
            flags.push(self.flag()?);
            if self.eat(b')') {
                return Ok(flags);
            }
            self.space()?;
        }
    }

    pub(super) fn flag(&mut self) -> Result<String, Bad> {
        if !self.eat(b'\\') {
            return self.word(is_atom_char);
        }
        // System flags are case-insensitive; one spelling is kept.
        match self.keyword()?.as_str() {
            "SEEN" => Ok(String::from("\\Seen")),
            "ANSWERED" => Ok(String::from("\\Answered")),
            "FLAGGED" => Ok(String::from("\\Flagged")),
            "DELETED" => Ok(String::from("\\Deleted")),
            "DRAFT" => Ok(String::from("\\Draft")),
            _ => Err(Bad("this system flag cannot be set")),
        }
    }

    fn quoted(&mut self) -> Result<Vec<u8>, Bad> {
        self.expect(b'"')?;
        let mut octets = Vec::new();
        loop {
            let byte = self.peek().ok_or(Bad("a quoted string does not end"))?;
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => {
                    let escaped = self.peek().filter(|byte| b"\"\\".contains(byte));
                    octets.push(escaped.ok_or(Bad("only `\"` and `\\` are escaped"))?);
                    self.at += 1;
                }
                0 | b'\r' => return Err(Bad("a quoted string contains NUL or CR")),
                other => octets.push(other),
            }
        }
        self.skip_finished();
        Ok(octets)
    }

    fn skip_finished(&mut self) {
        if let Some((Chunk::Text(text), rest)) = self.chunks.split_first()
            && text.len() <= self.at
        {
            (self.chunks, self.at) = (rest, 0);
        }
    }
}

/// RFC 3501 `ATOM-CHAR`.
pub(super) fn is_atom_char(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte)
}

fn is_astring_char(byte: u8) -> bool {
    is_atom_char(byte) || byte == b']'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &'static str) -> Chunk {
        Chunk::Text(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_string_is_an_atom_quoted_or_a_literal() {
        let chunks =
            [text("an]na \"s3\\\"cret\" "), Chunk::Literal(Bytes::from_static(b"x y")), text(" end")];
        let mut reader = Reader::new(&chunks);
        assert_eq!(reader.astring(), Ok(String::from("an]na")));
        reader.space().unwrap();
        assert_eq!(reader.astring(), Ok(String::from("s3\"cret")));
        reader.space().unwrap();
        assert_eq!(reader.astring(), Ok(String::from("x y")));
        reader.space().unwrap();
        assert_eq!(reader.keyword(), Ok(String::from("END")));
        assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn flags_are_listed_in_parentheses() {
        let chunks = [text("(\\seen $Work)")];
        let mut reader = Reader::new(&chunks);
        assert_eq!(reader.flags(), Ok(vec![String::from("\\Seen"), String::from("$Work")]));
        assert!(Reader::new(&[text("(\\Recent)")]).flags().is_err());
        assert!(Reader::new(&[text("(a  b)")]).flags().is_err());
    }
}
