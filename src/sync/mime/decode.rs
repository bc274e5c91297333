//! Octets of a part: transfer encodings (RFC 2045 section 6) and charsets.
//!
//! Decoding never fails. What an encoding does not allow is passed over (base64) or kept as it is (quoted-printable), as
//! mail programs do it; the raw message still has it.

use super::behind;
use mail_parser::decoders::charsets::map::charset_decoder;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// 7bit, 8bit, binary, and whatever is not known: uuencode is left as it is.
    Identity,
    Base64,
    QuotedPrintable,
}

impl Encoding {
    pub(super) fn named(name: &str) -> Self {
        let name = name.trim().trim_end_matches(';');
        if name.eq_ignore_ascii_case("base64") {
            Self::Base64
        } else if name.eq_ignore_ascii_case("quoted-printable") {
            Self::QuotedPrintable
        } else {
            Self::Identity
        }
    }
}

/// The decoded octets.
pub(super) fn decode(encoding: Encoding, raw: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(raw.len());
    each(encoding, raw, |piece| octets.extend_from_slice(piece));
    octets
}

/// How many octets [`decode`] would return.
pub(super) fn length(encoding: Encoding, raw: &[u8]) -> u64 {
    let mut length = 0;
    match encoding {
        Encoding::Base64 => return base64_length(raw),
        Encoding::Identity | Encoding::QuotedPrintable => {
            each(encoding, raw, |piece| length += piece.len() as u64);
        }
    }
    length
}

/// Most of what arrives is base64, and is only counted: without looking at one character after the other.
fn base64_length(raw: &[u8]) -> u64 {
    let mut length = 0;
    let mut position = 0;
    while position < raw.len() {
        let end = behind(b'=', raw, position);
        let group = raw.get(position..end).unwrap_or_default();
        let count = group.chunks(COUNTED_AT_ONCE).map(|some| u64::from(base64_characters(some))).sum::<u64>();
        length += count / 4 * 3 + (count % 4).saturating_sub(1);
        position = end;
    }
    length
}

/// As many as a `u16` counts.
const COUNTED_AT_ONCE: usize = 32 * 1024;

fn base64_characters(some: &[u8]) -> u16 {
    let is_digit = |byte: u8| {
        // Letters of both cases at once.
        let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        letter | (byte.wrapping_sub(b'0') < 10) | (byte == b'+') | (byte == b'/')
    };
    some.iter().map(|byte| u16::from(is_digit(*byte))).sum()
}

/// Hands out the decoded octets piece by piece.
fn each(encoding: Encoding, raw: &[u8], put: impl FnMut(&[u8])) {
    match encoding {
        Encoding::Identity => std::iter::once(raw).for_each(put),
        Encoding::Base64 => base64(raw, put),
        Encoding::QuotedPrintable => quoted_printable(raw, put),
    }
}

fn base64(raw: &[u8], mut put: impl FnMut(&[u8])) {
    let (mut bits, mut count) = (0_u32, 0);
    for byte in raw {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            // The end of a group; some senders go on with another one.
            b'=' => {
                flush(&mut bits, &mut count, &mut put);
                continue;
            }
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 1;
        if count == 4 {
            put(&bits.to_be_bytes()[1..]);
            (bits, count) = (0, 0);
        }
    }
    flush(&mut bits, &mut count, &mut put);
}

/// What a group that is not complete holds: one octet in two characters, two in three.
fn flush(bits: &mut u32, count: &mut u32, put: &mut impl FnMut(&[u8])) {
    match *count {
        2 => put(&(*bits << 12).to_be_bytes()[1..2]),
        3 => put(&(*bits << 6).to_be_bytes()[1..3]),
        _ => {}
    }
    (*bits, *count) = (0, 0);
}

fn quoted_printable(raw: &[u8], mut put: impl FnMut(&[u8])) {
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
        let end = &line[text.len()..];
        // Blanks at the end of a line were added on the way.
        let mut rest = text.trim_ascii_end();
        let (mut soft, mut last) = (false, rest);
        if let Some(before) = rest.strip_suffix(b"=") {
            (soft, last) = (true, before);
        }
        rest = last;
        while let Some(at) = rest.iter().position(|byte| *byte == b'=') {
            put(&rest[..at]);
            rest = &rest[at..];
            match rest {
                [b'=', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    put(&[hex(*high) << 4 | hex(*low)]);
                    rest = &rest[3..];
                }
                _ => {
                    put(b"=");
                    rest = &rest[1..];
                }
            }
        }
        put(rest);
        if !soft {
            put(end);
        }
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10) & 15,
    }
}

/// Text, and what was odd about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    pub text: String,
    pub note: Option<String>,
}

/// Text in the charset that its part names. A name that is missing, unknown or plainly wrong is replaced by the likeliest one.
pub(super) fn text(octets: &[u8], charset: Option<&str>) -> Decoded {
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    let named = charset.unwrap_or("us-ascii");
    let is_unicode =
        matches!(named, "us-ascii" | "ascii" | "utf-8" | "utf8" | "unknown-8bit" | "unknown" | "x-unknown");
    match (charset_decoder(named.as_bytes()), is_unicode) {
        (Some(decoder), false) => {
            let text = decoder(octets);
            // Some senders name their region's charset, whatever they write in.
            if has_nonsense(&text) && !octets.is_ascii() && str::from_utf8(octets).is_ok() {
                return guess(octets, charset);
            }
            Decoded { text, note: None }
        }
        (known, _) => guess(octets, charset.filter(|_| known.is_none() || !octets.is_ascii())),
    }
}

/// Signs that stand for octets that are none of the charset.
fn has_nonsense(text: &str) -> bool {
    text.contains(|sign| matches!(sign, '\u{FFFD}' | '\u{E000}'..='\u{F8FF}'))
}

/// UTF-8 if it is, else the charset of those who do not think about charsets.
fn guess(octets: &[u8], named: Option<&str>) -> Decoded {
    let (text, read_as) = match str::from_utf8(octets) {
        Ok(text) => (text.to_owned(), "utf-8"),
        Err(_) => match charset_decoder(b"windows-1252") {
            Some(decoder) => (decoder(octets), "windows-1252"),
            None => (String::from_utf8_lossy(octets).into_owned(), "utf-8"),
        },
    };
    let is_named = named.is_none_or(|named| named == read_as || named == "utf8" && read_as == "utf-8");
    let note = (!is_named).then(|| {
        format!(
            "the text was read as {read_as}, because it is not what its charset `{}` says",
            named.unwrap_or_default()
        )
    });
    Decoded { text, note }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_as_far_as_it_goes() {
        for (encoded, decoded) in [
            ("aGVsbG8=", "hello"),
            ("aGVs\r\nbG8", "hello"),
            ("aGVsbG8=aGVsbG8=", "hellohello"),
            ("@ aGVs\0bG8=!", "hello"),
            ("aGVsb", "hel"),
            ("", ""),
            ("=", ""),
        ] {
            assert_eq!(decode(Encoding::Base64, encoded.as_bytes()), decoded.as_bytes(), "{encoded}");
            assert_eq!(length(Encoding::Base64, encoded.as_bytes()), decoded.len() as u64, "{encoded}");
        }
    }

    proptest::proptest! {
        #[test]
        fn base64_is_counted_as_it_is_decoded(encoded in "[aZ0+/=@\r\n\\[`{]{0,40}", times in 1..3_usize) {
            let encoded = encoded.repeat(times * times * 1000);
            let decoded = decode(Encoding::Base64, encoded.as_bytes());
            proptest::prop_assert_eq!(length(Encoding::Base64, encoded.as_bytes()), decoded.len() as u64);
        }
    }

    #[test]
    fn quoted_printable_keeps_what_it_cannot_read() {
        for (encoded, decoded) in [
            ("a=3Db\r\n", "a=b\r\n"),
            ("soft=\r\n break=\n!", "soft break!"),
            ("100 = all, =zz, =4", "100 = all, =zz, =4"),
            ("blank \t\r\nend", "blank\r\nend"),
            ("=c3=BC", "ü"),
            ("last=", "last"),
        ] {
            assert_eq!(
                decode(Encoding::QuotedPrintable, encoded.as_bytes()),
                decoded.as_bytes(),
                "{encoded}"
            );
        }
    }

    #[test]
    fn a_charset_that_is_missing_unknown_or_a_lie_is_guessed() {
        let of = |octets: &[u8], charset| text(octets, charset);
        assert_eq!(of(b"Gr\xfc\xdfe", Some("iso-8859-1")), Decoded { text: "Grüße".to_owned(), note: None });
        assert_eq!(of("Grüße".as_bytes(), None), Decoded { text: "Grüße".to_owned(), note: None });
        for lie in ["utf-8", "us-ascii", "x-nonsense"] {
            let decoded = of(b"Gr\xfc\xdfe \x80", Some(lie));
            assert_eq!(decoded.text, "Grüße €");
            assert!(decoded.note.unwrap().contains("windows-1252"));
        }
        assert_eq!(of("Grüße".as_bytes(), Some("us-ascii")).text, "Grüße");
        let region = of("你好！我公司可代开各类".as_bytes(), Some("gb2312"));
        assert_eq!(region.text, "你好！我公司可代开各类");
        assert!(region.note.unwrap().contains("gb2312"));
        assert!(
            of(b"\x1b$B\x7f\x7f\x1b(B", Some("iso-2022-jp")).note.is_none(),
            "ASCII says nothing of a charset"
        );
        assert_eq!(of(b"\xef\xbb\xbfx", Some("utf-8")).text, "x");
        assert_eq!(of(b"\x1b$B$3$s\x1b(B", Some("iso-2022-jp")).text, "こん");
        assert_eq!(of(b"\xd6\xd0", Some("gb18030")).text, "中");
        assert_eq!(of(b"a+APw-b", Some("utf-7")).text, "aüb");
    }
}
