//! Messages as no standard allows them and every mailbox holds them.

use super::letter::Letter;
use super::mime::{self, Part};
use super::random::Random;

/// A way to be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    NoMessageId,
    WrongCharset,
    NoClosingBoundary,
    RawHeader,
    NoDate,
    DuplicateHeaders,
    NulBytes,
    LeadingDots,
    LongLines,
    EmptyBody,
    EmptyMessage,
    BadBase64,
}

impl Damage {
    pub(super) const ALL: [Self; 12] = [
        Self::NoMessageId,
        Self::WrongCharset,
        Self::NoClosingBoundary,
        Self::RawHeader,
        Self::NoDate,
        Self::DuplicateHeaders,
        Self::NulBytes,
        Self::LeadingDots,
        Self::LongLines,
        Self::EmptyBody,
        Self::EmptyMessage,
        Self::BadBase64,
    ];
}

/// Writes a letter with one thing wrong.
pub(super) fn write(letter: &Letter, damage: Damage, random: &mut Random) -> Vec<u8> {
    let text = letter.text();
    let plain = Part::quoted_printable("plain", "utf-8", text.as_bytes());
    match damage {
        Damage::NoMessageId => without(&letter.write(&plain), "Message-ID:"),
        Damage::NoDate => without(&letter.write(&plain), "Date:"),
        Damage::WrongCharset => {
            let fields = ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"];
            letter.write(&Part::new(&fields, mime::latin("Grüße aus Köln, 12 € – bezahlt\r\n")))
        }
        Damage::NoClosingBoundary => {
            let boundary = format!("=_{:016x}", random.next());
            let mut part = Part::multipart("mixed", &boundary, &[plain, Part::plain("cut off here\r\n")]);
            let closing = format!("--{boundary}--\r\n").len();
            part.body.truncate(part.body.len() - closing);
            letter.write(&part)
        }
        Damage::RawHeader => {
            let raw = without(&letter.write(&plain), "Subject:");
            [b"Subject: ".as_slice(), &mime::latin("Prüfung für Köln"), b"\r\n", &raw].concat()
        }
        Damage::DuplicateHeaders => {
            let again = b"From: somebody.else@example.test\r\nSubject: another subject\r\nMessage-ID: <twice@example.test>\r\n";
            [again.as_slice(), &letter.write(&plain)].concat()
        }
        Damage::NulBytes => letter.write(&Part::plain("before\0between\0\0after\r\n")),
        Damage::LeadingDots => letter.write(&Part::plain(".\r\n..\r\n.hidden\r\n...\r\n. \r\nlast\r\n.\r\n")),
        Damage::LongLines => {
            letter.write(&Part::plain(&format!("{}\r\nshort\r\n", "long line ".repeat(2000))))
        }
        Damage::EmptyBody => letter.write(&Part::plain("")),
        Damage::EmptyMessage => Vec::new(),
        Damage::BadBase64 => {
            let mut part = Part::base64("application/pdf", "attachment", &random.octets(200));
            part.body.splice(40..44, *b"@ \0!");
            letter.write(&part)
        }
    }
}

/// The message without a header field that is not folded.
fn without(raw: &[u8], field: &str) -> Vec<u8> {
    let kept = |line: &&[u8]| !line.starts_with(field.as_bytes());
    // Folded subjects would leave their second line behind as part of the field before, which is broken as well.
    raw.split_inclusive(|byte| *byte == b'\n').filter(kept).flatten().copied().collect()
}
