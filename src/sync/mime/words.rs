//! Encoded words in header texts (RFC 2047), as they are written: with blanks inside, inside quotes, cut through a letter.

use super::decode::{self, Encoding};

/// A header's text without its encoded words. What is not one stays as it is.
pub(super) fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // The octets of words that follow each other in one charset: a letter may begin in one and end in the next.
    let mut pending: Option<Word> = None;
    let mut rest = text;
    while let Some(at) = rest.find("=?") {
        let (before, from) = rest.split_at(at);
        let Some((word, after)) = word(from) else {
            flush(&mut pending, &mut out);
            out.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
            continue;
        };
        // Blanks between two encoded words are not part of the text.
        let is_between = pending.is_some() && before.trim().is_empty();
        if !is_between {
            flush(&mut pending, &mut out);
            out.push_str(before);
        }
        pending = match pending {
            Some(mut known) if known.charset == word.charset => {
                known.octets.extend_from_slice(&word.octets);
                Some(known)
            }
            known => {
                flush(&mut { known }, &mut out);
                Some(word)
            }
        };
        rest = after;
    }
    flush(&mut pending, &mut out);
    out.push_str(rest);
    out
}

pub(super) struct Word {
    pub charset: String,
    pub octets: Vec<u8>,
}

fn flush(pending: &mut Option<Word>, out: &mut String) {
    if let Some(word) = pending.take() {
        out.push_str(&decode::text(&word.octets, Some(&word.charset)).text);
    }
}

/// The word that a text begins with, and what follows it.
pub(super) fn word(text: &str) -> Option<(Word, &str)> {
    let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let end = rest.find("?=")?;
    let (data, after) = (&rest[..end], &rest[end + 2..]);
    // RFC 2231 section 5: a language may stand behind the charset.
    let charset = charset.split('*').next().unwrap_or_default().to_ascii_lowercase();
    let is_sane =
        !charset.is_empty() && charset.len() <= 64 && charset.bytes().all(|byte| byte.is_ascii_graphic());
    let octets = match encoding {
        "B" | "b" => decode::decode(Encoding::Base64, data.as_bytes()),
        "Q" | "q" => q(data),
        _ => return None,
    };
    is_sane.then_some((Word { charset, octets }, after))
}

/// Like quoted-printable, with `_` for a blank.
fn q(data: &str) -> Vec<u8> {
    let spaced = data.replace('_', "=20");
    let mut octets = decode::decode(Encoding::QuotedPrintable, spaced.as_bytes());
    // There are no soft line breaks here: a sign at the end is one that was meant.
    if spaced.ends_with('=') {
        octets.push(b'=');
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words_are_read_as_they_are_written_in_reality() {
        for (text, expected) in [
            ("plain = text?", "plain = text?"),
            ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?= c", "ab c"),
            ("=?utf-8?Q?Gr=C3?=\t=?utf-8?Q?=BC=C3=9Fe?=", "Grüße"),
            ("=?utf-8?Q?with blanks in it?=", "with blanks in it"),
            ("=?utf-8*de?Q?a_b?=", "a b"),
            ("Re: =?utf-8?B?w7w=?=!", "Re: ü!"),
            ("=?utf-8?X?abc?=", "=?utf-8?X?abc?="),
            ("=?utf-8?B?", "=?utf-8?B?"),
            ("=?utf-8?B?w?= x", " x"),
            ("=?x-none?Q?=FC?=", "ü"),
            ("=?utf-8?B??=", ""),
            ("=?utf-8?Q?1+1=?=", "1+1="),
            ("=?iso-2022-jp?B?GyRCJDMkcxsoQg==?=", "こん"),
        ] {
            assert_eq!(decoded(text), expected, "{text}");
        }
    }
}
