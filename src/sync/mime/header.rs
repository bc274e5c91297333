//! A header section as it was meant, for a parser that takes it by the letter: octets beyond ASCII that nobody has encoded, and
//! letters that were cut in two.

use std::borrow::Cow;
use std::fmt::Write as _;

use memchr::memmem;

use super::decode;
use super::words::{Word, word};
use crate::model::limits;
use crate::sync::self_message;

/// An encoded word has up to 75 characters (RFC 2047 section 2); longer ones are written all the same, and this is enough for them.
const WORD_CHARACTERS_MAX: usize = 1000;

/// Fields that are looked for behind [`limits::HEADER_BYTES_MAX`] octets of a header, each once.
const LOOKED_FOR: [&str; 13] = [
    "Message-ID",
    "In-Reply-To",
    "References",
    "Subject",
    "From",
    "To",
    "Cc",
    "Date",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
    self_message::HEADER,
];

/// How much of a header was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Whole,
    /// Of what stands behind its limit, only the fields that say what the message is.
    Chosen,
}

/// Whether a field is one of those that say what the message is.
pub(super) fn is_looked_for(line: &[u8]) -> bool {
    name(line).is_some()
}

/// Which of them.
fn name(line: &[u8]) -> Option<usize> {
    let colon = memchr::memchr(b':', &line[..line.len().min(100)])?;
    let name = line[..colon].trim_ascii_end();
    LOOKED_FOR.iter().position(|looked_for| name.eq_ignore_ascii_case(looked_for.as_bytes()))
}

/// The header section of a message or a part, or a longer text that begins with it, as far as it is looked at. Behind
/// [`limits::HEADER_BYTES_MAX`] octets, what says who wrote what to whom is still found up to [`limits::HEADER_LOOK_BYTES_MAX`].
pub fn looked_at(raw: &[u8]) -> (Cow<'_, [u8]>, Extent) {
    let window = &raw[..raw.len().min(limits::HEADER_LOOK_BYTES_MAX)];
    let end = header_end(window).unwrap_or(window.len());
    let header = &window[..end];
    if end <= limits::HEADER_BYTES_MAX {
        return (Cow::Borrowed(header), Extent::Whole);
    }
    // The last whole line before the limit.
    let first = &header[..limits::HEADER_BYTES_MAX];
    let first = &first[..memchr::memrchr(b'\n', first).map_or(first.len(), |end| end + 1)];
    let mut chosen = first.to_vec();
    let mut is_known = [false; LOOKED_FOR.len()];
    for line in first.split_inclusive(|octet| *octet == b'\n') {
        name(line).into_iter().for_each(|known| is_known[known] = true);
    }
    let mut is_wanted = false;
    for line in header[first.len()..].split_inclusive(|octet| *octet == b'\n') {
        if !matches!(line.first(), Some(b' ' | b'\t')) {
            let found = name(line).filter(|name| !is_known[*name]);
            found.into_iter().for_each(|name| is_known[name] = true);
            is_wanted = found.is_some();
        }
        if is_wanted {
            chosen.extend_from_slice(line);
        }
    }
    chosen.extend_from_slice(b"\r\n");
    (Cow::Owned(chosen), Extent::Chosen)
}

/// Behind the empty line.
fn header_end(window: &[u8]) -> Option<usize> {
    let mut line_start = 0;
    memchr::memchr_iter(b'\n', window).find_map(|end| {
        let is_empty = matches!(&window[line_start..end], b"" | b"\r");
        line_start = end + 1;
        is_empty.then_some(line_start)
    })
}

/// Fields that are no UTF-8 are read as texts of bodies are; encoded words that end within a letter are joined with the next.
pub fn mended(header: &[u8]) -> Cow<'_, [u8]> {
    let text = match str::from_utf8(header) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(header.split_inclusive(|octet| *octet == b'\n').map(line).collect()),
    };
    match (joined(&text), text) {
        (Some(joined), _) => Cow::Owned(joined.into_bytes()),
        (None, Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
        (None, Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
    }
}

fn line(octets: &[u8]) -> String {
    match str::from_utf8(octets) {
        Ok(text) => text.to_owned(),
        Err(_) => decode::text(&escaped(octets), None).text,
    }
}

/// A line whose encoded words have no octets beyond ASCII: those that stand there raw are of the word's charset.
fn escaped(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = memmem::find(rest, b"=?") {
        let (before, from) = rest.split_at(at);
        out.extend_from_slice(before);
        let Some((intro, data, after)) = q_word(from) else {
            out.extend_from_slice(b"=?");
            rest = &from[2..];
            continue;
        };
        out.extend_from_slice(intro);
        for octet in data {
            match octet {
                0x80.. => out.extend_from_slice(format!("={octet:02X}").as_bytes()),
                _ => out.push(*octet),
            }
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out
}

/// `=?charset?Q?`, what is encoded, and the rest from `?=` on.
fn q_word(from: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let charset = memchr::memchr(b'?', from.get(2..)?.get(..64).unwrap_or(&from[2..]))?;
    let start = 2 + charset + 3;
    let is_q = matches!(from.get(start - 3..start)?, b"?Q?" | b"?q?");
    let (intro, rest) = from.split_at(start);
    let window = rest.get(..WORD_CHARACTERS_MAX).unwrap_or(rest);
    let end = memmem::find(window, b"?=").filter(|_| is_q && charset > 0)?;
    Some((intro, &rest[..end], &rest[end..]))
}

/// `None`: nothing is to be joined.
fn joined(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut copied = 0;
    let mut position = 0;
    while let Some(at) = text[position..].find("=?").map(|at| position + at) {
        position = at + 2;
        let Some((mut first, mut end)) = word_at(text, at) else { continue };
        position = end;
        let mut count = 1;
        while is_cut(&first)
            && let Some(next) = next_word(text, end)
            && let Some((second, behind)) = word_at(text, next)
            && second.charset == first.charset
        {
            first.octets.extend_from_slice(&second.octets);
            (end, count) = (behind, count + 1);
        }
        if count > 1 {
            out.push_str(&text[copied..at]);
            out.push_str(&encoded(&first));
            (copied, position) = (end, end);
        }
    }
    (copied > 0).then(|| out + &text[copied..])
}

/// The word at this position, and where it ends.
fn word_at(text: &str, at: usize) -> Option<(Word, usize)> {
    let from = &text[at..];
    let window = from.char_indices().nth(WORD_CHARACTERS_MAX).map_or(from, |(end, _)| &from[..end]);
    let (word, after) = word(window)?;
    Some((word, at + window.len() - after.len()))
}

/// Where the next word begins, if only blanks stand before it.
fn next_word(text: &str, end: usize) -> Option<usize> {
    let rest = text.get(end..)?;
    let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    (blank > 0 && rest[blank..].starts_with("=?")).then_some(end + blank)
}

/// Whether a letter begins in it that does not end in it.
fn is_cut(word: &Word) -> bool {
    let is_utf8 = matches!(word.charset.as_str(), "utf-8" | "utf8");
    is_utf8 && str::from_utf8(&word.octets).is_err_and(|error| error.error_len().is_none())
}

fn encoded(word: &Word) -> String {
    let mut text = format!("=?{}?Q?", word.charset);
    for octet in &word.octets {
        // A text grows as long as there is memory.
        let _ = write!(text, "={octet:02X}");
    }
    text + "?="
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_order_stays_as_it_is() {
        for header in [
            "Subject: =?utf-8?B?4pyT?= =?utf-8?Q?x?=\r\nFrom: \"Jürgen\" <j@x>\r\n\r\n",
            "Subject: =?utf-8?B?4pw=?= and then =?utf-8?B?kw==?=\r\n",
            "Subject: =?iso-2022-jp?B?GyRCJDMkcxsoQg==?= =?iso-2022-jp?B?GyRCJDMkcxsoQg==?=\r\n",
            "=?=?=?utf-8?B?",
        ] {
            assert!(matches!(mended(header.as_bytes()), Cow::Borrowed(_)), "{header}");
        }
    }

    #[test]
    fn a_letter_in_two_words_is_one_letter() {
        let header = b"Subject: Re: =?utf-8?B?4pyT4pw=?=\r\n =?utf-8?B?kyBvaw==?= end\r\nTo: a@b\r\n";
        let expected = "Subject: Re: =?utf-8?Q?=E2=9C=93=E2=9C=93=20=6F=6B?= end\r\nTo: a@b\r\n";
        assert_eq!(mended(header), expected.as_bytes());
    }

    #[test]
    fn octets_that_nobody_has_encoded_are_read_as_in_bodies() {
        let header = b"Subject: Gr\xfc\xdfe\r\nFrom: J\xc3\xbcrgen <j@x>\r\n";
        assert_eq!(mended(header), "Subject: Grüße\r\nFrom: Jürgen <j@x>\r\n".as_bytes());
    }

    #[test]
    fn octets_that_stand_raw_in_an_encoded_word_are_of_its_charset() {
        let header = b"Subject: =?iso-8859-1?Q?Fr\xf6sche?= und =?iso-8859-15?q?J\xfcrgen_\xa4?=\r\nX: =?b\xf6?B? =?x\xf6\r\n";
        let expected =
            "Subject: =?iso-8859-1?Q?Fr=F6sche?= und =?iso-8859-15?q?J=FCrgen_=A4?=\r\nX: =?bö?B? =?xö\r\n";
        assert_eq!(String::from_utf8_lossy(&mended(header)), expected);
    }

    #[test]
    fn behind_the_limit_of_a_header_the_fields_that_count_are_found() {
        let received = "Received: from x by y; Sun, 22 Nov 2026 10:00:00 +0000\r\n".repeat(6000);
        let raw = format!(
            "From: a\r\n{received}From: b\r\nX: y\r\nSUBJECT : late\r\n\tfolded\r\nmessage-id: <m>\r\n\r\nTo: body\r\n"
        );
        let (header, extent) = looked_at(raw.as_bytes());
        assert_eq!(extent, Extent::Chosen);
        assert!(header.len() < limits::HEADER_BYTES_MAX + 100);
        assert!(header.ends_with(b"+0000\r\nSUBJECT : late\r\n\tfolded\r\nmessage-id: <m>\r\n\r\n"));
        let (header, extent) = looked_at(b"Subject: x\n\nTo: body\n\n");
        assert_eq!((&*header, extent), (&b"Subject: x\n\n"[..], Extent::Whole));
        let endless = "X: y\r\n".repeat(limits::HEADER_LOOK_BYTES_MAX / 6 + 5) + "Subject: never\r\n";
        let (header, extent) = looked_at(endless.as_bytes());
        assert!(extent == Extent::Chosen && header.len() <= limits::HEADER_BYTES_MAX + 2);
    }

    proptest::proptest! {
        #[test]
        fn whatever_stands_there_it_ends(text in "(=\\?|\\?=|utf-8|\\?[BQ]\\?|[a4/ \r\n]|ü|4pw=){0,40}") {
            let _ = mended(text.as_bytes());
        }
    }
}
