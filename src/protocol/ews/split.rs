//! Messages out of an answer while it arrives: their octets leave the document before anybody holds it whole.
//!
//! `MimeContent`, and `Content` of an attachment, are base64 inside an element. This scanner finds it in the stream of octets, decodes it piece by piece, and
//! leaves a document behind in which each one is replaced by its number: that document is small, and is parsed as usual.

use base64::Engine;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use bytes::{Bytes, BytesMut};

use super::EwsError;
use crate::model::limits;

/// Some servers leave the padding out.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What left the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Decoded octets of the message that is under way.
    Octets(Bytes),
    /// What comes of it is no base64: it cannot be had.
    Garbled,
    /// The message with that number is over: its number stands in the document.
    End(usize),
}

/// Where the scanner is. <https://www.w3.org/TR/xml/#syntax>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    /// After `<`: a tag, a comment or CDATA, until the kind is known.
    Tag,
    Quoted(u8),
    Comment,
    CData,
    Content,
    /// After `&`, inside of base64.
    ContentReference,
    /// After `<`, inside of base64, until it is known what begins.
    ContentTag,
    ContentCData,
}

const CDATA: &[u8] = b"![CDATA[";

/// Writers of XML that keep carriage returns write them as references.
const BLANKS: [&[u8]; 8] = [b"#xD", b"#xd", b"#13", b"#xA", b"#xa", b"#10", b"#x20", b"#32"];

/// Takes an answer apart as it comes.
#[derive(Debug)]
pub struct Splitter {
    /// The names of the elements that hold octets.
    elements: &'static [&'static str],
    state: State,
    /// The beginning of the tag that is open.
    tag: Vec<u8>,
    /// The end of a comment or of CDATA, as far as it came.
    tail: [u8; 2],
    document: Vec<u8>,
    /// Base64 that has not been decoded yet.
    encoded: Vec<u8>,
    is_garbled: bool,
    count: usize,
}

impl Default for Splitter {
    /// For messages.
    fn default() -> Self {
        Self::of(&["MimeContent"])
    }
}

/// No name of a tag that matters is longer.
const TAG_NAME_BYTES_MAX: usize = 64;

impl Splitter {
    pub fn of(elements: &'static [&'static str]) -> Self {
        Self {
            elements,
            state: State::Text,
            tag: Vec::new(),
            tail: [0; 2],
            document: Vec::new(),
            encoded: Vec::new(),
            is_garbled: false,
            count: 0,
        }
    }

    /// The document without the messages, when the answer has ended.
    pub fn into_document(self) -> Result<Vec<u8>, EwsError> {
        match self.state {
            State::Content | State::ContentReference | State::ContentTag | State::ContentCData => {
                Err(EwsError::Garbage("the answer ends in the middle of a message".to_owned()))
            }
            State::Text | State::Tag | State::Quoted(_) | State::Comment | State::CData => Ok(self.document),
        }
    }

    /// Takes the next octets of the answer. `found` gets what leaves the document.
    pub fn feed(&mut self, mut octets: &[u8], found: &mut impl FnMut(Found)) -> Result<(), EwsError> {
        while let Some(first) = octets.first().copied() {
            octets = match self.state {
                State::Content => self.content(octets, found),
                State::Text => self.text(octets)?,
                State::ContentReference | State::ContentTag | State::ContentCData => {
                    self.step_inside(first, found)?;
                    octets.get(1..).unwrap_or_default()
                }
                State::Tag | State::Quoted(_) | State::Comment | State::CData => {
                    self.keep(&[first])?;
                    self.step(first);
                    octets.get(1..).unwrap_or_default()
                }
            };
        }
        Ok(())
    }

    /// Text between elements, up to the next tag. Returns what follows.
    fn text<'o>(&mut self, octets: &'o [u8]) -> Result<&'o [u8], EwsError> {
        let end = memchr::memchr(b'<', octets).unwrap_or(octets.len());
        let (text, rest) = octets.split_at(end);
        self.keep(text)?;
        if rest.is_empty() {
            return Ok(rest);
        }
        self.keep(b"<")?;
        self.tag.clear();
        self.state = State::Tag;
        Ok(rest.get(1..).unwrap_or_default())
    }

    /// Base64, up to the next markup. Returns what follows.
    fn content<'o>(&mut self, octets: &'o [u8], found: &mut impl FnMut(Found)) -> &'o [u8] {
        let end = memchr::memchr2(b'<', b'&', octets).unwrap_or(octets.len());
        let (content, rest) = octets.split_at(end);
        self.take_encoded(content);
        self.decode(Rest::Follows, found);
        self.state = match rest.first() {
            None => return rest,
            Some(b'&') => State::ContentReference,
            Some(_) => State::ContentTag,
        };
        self.tag.clear();
        rest.get(1..).unwrap_or_default()
    }

    /// One octet of markup inside of base64: line ends that are written as references, CDATA, or the end of it all.
    fn step_inside(&mut self, byte: u8, found: &mut impl FnMut(Found)) -> Result<(), EwsError> {
        match (self.state, byte) {
            (State::ContentReference, b';') => {
                if !BLANKS.contains(&self.tag.as_slice()) {
                    self.garble(found);
                }
                self.state = State::Content;
            }
            (State::ContentReference, byte) if self.tag.len() < TAG_NAME_BYTES_MAX => self.tag.push(byte),
            // No reference is so long: the decoder says so.
            (State::ContentReference, _) => {
                self.garble(found);
                self.state = State::Content;
            }
            (State::ContentCData, b']') => {}
            (State::ContentCData, b'>') => self.state = State::Content,
            (State::ContentCData, byte) => self.take_encoded(&[byte]),
            (_, byte) => {
                self.tag.push(byte);
                if self.tag == CDATA {
                    self.state = State::ContentCData;
                } else if !CDATA.starts_with(&self.tag) {
                    self.end_content(found)?;
                }
            }
        }
        Ok(())
    }

    /// A tag follows, and its beginning with it.
    fn end_content(&mut self, found: &mut impl FnMut(Found)) -> Result<(), EwsError> {
        self.decode(Rest::IsAll, found);
        found(Found::End(self.count));
        self.is_garbled = false;
        let beginning = std::mem::take(&mut self.tag);
        self.keep(self.count.to_string().as_bytes())?;
        self.count += 1;
        self.keep(b"<")?;
        self.state = State::Tag;
        for byte in beginning {
            self.keep(&[byte])?;
            self.step(byte);
        }
        Ok(())
    }

    /// Base64 without the blanks and line ends that may stand in it: most has none, or one after each line.
    fn take_encoded(&mut self, mut content: &[u8]) {
        if self.is_garbled {
            return;
        }
        while let Some(end) = memchr::memchr3(b'\n', b'\r', b' ', content) {
            let (line, rest) = content.split_at(end);
            self.encoded.extend_from_slice(line);
            content = rest.get(1..).unwrap_or_default();
        }
        self.encoded.extend_from_slice(content);
    }

    /// What came is no base64: nothing more is made of it, up to its end.
    fn garble(&mut self, found: &mut impl FnMut(Found)) {
        if !self.is_garbled {
            self.is_garbled = true;
            self.encoded.clear();
            found(Found::Garbled);
        }
    }

    fn keep(&mut self, octets: &[u8]) -> Result<(), EwsError> {
        if self.document.len() + octets.len() > limits::EWS_DOCUMENT_BYTES_MAX {
            return Err(EwsError::limit("an answer without its messages", limits::EWS_DOCUMENT_BYTES_MAX));
        }
        self.document.extend_from_slice(octets);
        Ok(())
    }

    /// One octet inside of markup.
    fn step(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Tag, b'"' | b'\'') => State::Quoted(byte),
            (State::Quoted(quote), byte) if byte == quote => State::Tag,
            (State::Tag, b'>') => self.after_tag(),
            (State::Tag, byte) => {
                if self.tag.len() < TAG_NAME_BYTES_MAX {
                    self.tag.push(byte);
                }
                self.tail = [0; 2];
                match self.tag.as_slice() {
                    b"!--" => State::Comment,
                    b"![CDATA[" => State::CData,
                    _ => State::Tag,
                }
            }
            (State::Comment, b'>') if self.tail == *b"--" => State::Text,
            (State::CData, b'>') if self.tail == *b"]]" => State::Text,
            (state, _) => state,
        };
        self.tail = [self.tail[1], byte];
    }

    /// A tag is complete. That of a message begins its octets.
    fn after_tag(&self) -> State {
        if self.document.ends_with(b"/>") {
            return State::Text;
        }
        let end = self.tag.iter().position(|byte| byte.is_ascii_whitespace()).unwrap_or(self.tag.len());
        let name = self.tag.get(..end).unwrap_or_default();
        let local = name.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        let is_start = !name.starts_with(b"/");
        let holds_octets = self.elements.iter().any(|name| name.as_bytes() == local);
        if is_start && holds_octets { State::Content } else { State::Text }
    }

    /// Decodes what is whole, in pieces of a sane size.
    fn decode(&mut self, rest: Rest, found: &mut impl FnMut(Found)) {
        let enough = limits::PIECE_BYTES / 3 * 4;
        while self.encoded.len() >= enough || (rest == Rest::IsAll && !self.encoded.is_empty()) {
            let count = self.encoded.len().min(enough);
            let mut octets = BytesMut::zeroed(count / 4 * 3 + 3);
            let encoded = self.encoded.get(..count).unwrap_or_default();
            let decoded = match memchr::memchr(b'\t', encoded) {
                None => LENIENT.decode_slice(encoded, &mut octets),
                Some(_) => {
                    // Nobody indents base64; whoever does is understood, too.
                    self.encoded.retain(|byte| *byte != b'\t');
                    continue;
                }
            };
            let Ok(decoded) = decoded else { return self.garble(found) };
            octets.truncate(decoded);
            self.encoded.drain(..count);
            if decoded > 0 {
                found(Found::Octets(octets.freeze()));
            }
        }
    }
}

/// Whether more base64 may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Follows,
    IsAll,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(document: &[u8], chunk: usize) -> Result<(Vec<u8>, Vec<Vec<u8>>), EwsError> {
        let mut splitter = Splitter::default();
        let (mut messages, mut open) = (Vec::new(), Vec::new());
        for octets in document.chunks(chunk) {
            splitter.feed(octets, &mut |found| match found {
                Found::Octets(octets) => open.extend_from_slice(&octets),
                Found::Garbled => open = b"garbled".to_vec(),
                Found::End(number) => {
                    assert_eq!(number, messages.len());
                    messages.push(std::mem::take(&mut open));
                }
            })?;
        }
        Ok((splitter.into_document()?, messages))
    }

    #[test]
    fn octets_leave_the_document_however_it_is_cut() {
        let document =
            b"<?xml version=\"1.0\"?><!-- <t:MimeContent>AAAA --><a b='>'><![CDATA[<MimeContent>]]>\
            <t:MimeContent CharacterSet=\"UTF-8\">TUlN\r\n \tRQ==</t:MimeContent><t:MimeContent/>\
            <MimeContent>eA</MimeContent><t:MimeContents>x</t:MimeContents></a>";
        for chunk in [1, 2, 3, 7, 1000] {
            let (left, messages) = split(document, chunk).unwrap();
            assert_eq!(messages, [b"MIME".to_vec(), b"x".to_vec()], "{chunk}");
            let left = String::from_utf8(left).unwrap();
            assert!(left.contains("<t:MimeContent CharacterSet=\"UTF-8\">0</t:MimeContent>"), "{left}");
            assert!(left.contains("<MimeContent>1</MimeContent><t:MimeContents>x<"), "{left}");
        }
    }

    #[test]
    fn line_ends_may_be_references_and_base64_may_be_cdata() {
        let document = b"<a><MimeContent>TU&#xD;\nlN&#13;&#10;RQ==</MimeContent><Content>x</Content>\
            <MimeContent><![CDATA[eA]]></MimeContent><MimeContent>e<![CDATA[A]]>==</MimeContent></a>";
        for chunk in [1, 2, 3, 7, 1000] {
            let (left, messages) = split(document, chunk).unwrap();
            assert_eq!(messages, [b"MIME".to_vec(), b"x".to_vec(), b"x".to_vec()], "{chunk}");
            let left = String::from_utf8(left).unwrap();
            assert!(left.starts_with("<a><MimeContent>0</MimeContent><Content>x<"), "{left}");
            assert!(left.ends_with("<MimeContent>2</MimeContent></a>"), "{left}");
        }
    }

    #[test]
    fn what_is_no_base64_spoils_its_own_message_only() {
        for bad in [
            "T!!!",
            "TUlN&amp;",
            "TU&lt;",
            "TU&#xDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD",
        ] {
            let document = format!("<a><MimeContent>{bad}</MimeContent><MimeContent>eA==</MimeContent></a>");
            for chunk in [1, 3, 1000] {
                let (_, messages) = split(document.as_bytes(), chunk).unwrap();
                assert_eq!(messages, [b"garbled".to_vec(), b"x".to_vec()], "{bad} {chunk}");
            }
        }
    }

    #[test]
    fn an_answer_that_breaks_off_inside_a_message_is_no_message() {
        assert!(split(b"<a><MimeContent>TUlN", 4).is_err());
        assert!(split(b"<a><MimeContent>TUlN<", 4).is_err());
        assert!(split(b"<a><MimeContent>TUlN&#", 4).is_err());
    }

    #[test]
    fn long_messages_come_in_pieces() {
        let octets = vec![7_u8; limits::PIECE_BYTES * 2 + 1];
        let document = format!("<MimeContent>{}</MimeContent>", LENIENT.encode(&octets));
        let mut sizes = Vec::new();
        let mut splitter = Splitter::default();
        let mut note = |found| match found {
            Found::Octets(octets) => sizes.push(octets.len()),
            Found::Garbled | Found::End(_) => {}
        };
        for chunk in document.as_bytes().chunks(10_000) {
            splitter.feed(chunk, &mut note).unwrap();
        }
        assert_eq!(sizes.iter().sum::<usize>(), octets.len());
        assert!(sizes.iter().all(|size| *size <= limits::PIECE_BYTES), "{sizes:?}");
        assert!(splitter.into_document().unwrap().len() < 100);
    }
}
