//! A header section as it was meant, for a parser that takes it by the letter: octets beyond ASCII that nobody has encoded, and
//! letters that were cut in two.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::decode;
use super::words::{Word, word};

/// An encoded word has up to 75 characters (RFC 2047 section 2); longer ones are written all the same, and this is enough for them.
const WORD_CHARACTERS_MAX: usize = 1000;

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
        Err(_) => decode::text(octets, None).text,
    }
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

    proptest::proptest! {
        #[test]
        fn whatever_stands_there_it_ends(text in "(=\\?|\\?=|utf-8|\\?[BQ]\\?|[a4/ \r\n]|ü|4pw=){0,40}") {
            let _ = mended(text.as_bytes());
        }
    }
}
