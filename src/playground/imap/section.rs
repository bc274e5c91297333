//! The parts of a message that FETCH can name without knowing MIME.

use std::borrow::Cow;

/// Whether listed header fields are wanted, or all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Listed,
    Others,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Section {
    Whole,
    Header,
    Text,
    Fields { choice: Choice, names: Vec<String> },
}

/// The section's octets. NUL cannot be sent in a literal (RFC 3501 `CHAR8`), so it becomes 0x80, as Dovecot does it.
pub(super) fn octets<'a>(raw: &'a [u8], section: &Section) -> Cow<'a, [u8]> {
    let split = header_bytes(raw);
    let (header, text) = raw.split_at_checked(split).unwrap_or((raw, &[]));
    let octets = match section {
        Section::Whole => Cow::Borrowed(raw),
        Section::Header => Cow::Borrowed(header),
        Section::Text => Cow::Borrowed(text),
        Section::Fields { choice, names } => Cow::Owned(fields(header, *choice, names)),
    };
    if !octets.contains(&0) {
        return octets;
    }
    Cow::Owned(octets.iter().map(|byte| if *byte == 0 { 0x80 } else { *byte }).collect())
}

/// How long the header is, the empty line after it included.
fn header_bytes(raw: &[u8]) -> usize {
    let mut end = 0;
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        end += line.len();
        if line == b"\r\n" {
            break;
        }
    }
    end
}

/// Header fields with their folded lines, and an empty line.
fn fields(header: &[u8], choice: Choice, names: &[String]) -> Vec<u8> {
    let mut chosen = Vec::new();
    let mut taking = false;
    for line in header.split_inclusive(|byte| *byte == b'\n') {
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let name_ends = line.iter().position(|byte| *byte == b':').unwrap_or(0);
            let name = line.get(..name_ends).unwrap_or_default().trim_ascii_end();
            let listed = names.iter().any(|wanted| name.eq_ignore_ascii_case(wanted.as_bytes()));
            taking = line != b"\r\n"
                && match choice {
                    Choice::Listed => listed,
                    Choice::Others => !listed,
                };
        }
        if taking {
            chosen.extend_from_slice(line);
        }
    }
    chosen.extend_from_slice(b"\r\n");
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &[u8] = b"From: a\r\nSubject: long\r\n line\r\nTo: b\r\n\r\nbody\0\r\n";

    #[test]
    fn header_and_text_make_the_message() {
        assert_eq!(octets(RAW, &Section::Header).len() + octets(RAW, &Section::Text).len(), RAW.len());
        assert_eq!(&octets(RAW, &Section::Text)[..], b"body\x80\r\n");
        assert_eq!(&octets(b"A: 1\r\n", &Section::Text)[..], b"");
        assert_eq!(&octets(b"", &Section::Header)[..], b"");
    }

    #[test]
    fn fields_keep_their_folded_lines() {
        let names = vec![String::from("subject")];
        let listed = Section::Fields { choice: Choice::Listed, names: names.clone() };
        assert_eq!(&octets(RAW, &listed)[..], b"Subject: long\r\n line\r\n\r\n");
        let others = Section::Fields { choice: Choice::Others, names };
        assert_eq!(&octets(RAW, &others)[..], b"From: a\r\nTo: b\r\n\r\n");
    }
}
