//! Mail as it comes in reality, made from a seed: conversations, languages, attachments, and about one message in
//! twenty that is broken. The same count and seed give the same octets everywhere.

mod attachment;
mod broken;
mod letter;
mod mime;
mod people;
mod random;

use jiff::Timestamp;

use broken::Damage;
use letter::Letter;
use mime::Part;
use people::{LANGUAGES, PEOPLE, Person, WESTERN};
use random::Random;

/// 2026-01-05T06:00:00Z.
const FIRST_SECOND: i64 = 1_767_592_800;
/// 2026-11-27T18:00:00Z.
const LAST_SECOND: i64 = 1_795_802_400;
const ONE_BROKEN_IN: usize = 20;
/// Conversations that may still be answered.
const CONVERSATIONS_MAX: usize = 8;

/// A message and when it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    pub sent: Timestamp,
    pub raw: Vec<u8>,
}

/// So many messages, oldest first, dated from 2026-01-05 to 2026-11-27. Every line ends in CRLF.
pub fn messages(count: usize, seed: u64) -> Vec<Vec<u8>> {
    dated_messages(count, seed).into_iter().map(|message| message.raw).collect()
}

/// Like [`messages`], with the time each was sent (also of those that do not say so themselves).
pub fn dated_messages(count: usize, seed: u64) -> Vec<Dated> {
    let mut author = Author { random: Random::new(seed), conversations: Vec::new() };
    let span = LAST_SECOND - FIRST_SECOND;
    let step = (span / i64::try_from(count.max(1)).unwrap_or(span)).max(1);
    let dated = |index: usize| {
        let index_second = i64::try_from(index).unwrap_or(0).saturating_mul(step).min(span - 1);
        let within = i64::try_from(author.random.below(usize::try_from(step).unwrap_or(1))).unwrap_or(0);
        let second = FIRST_SECOND + (index_second + within).min(span);
        let sent = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
        Dated { sent, raw: author.message(index, sent) }
    };
    (0..count).map(dated).collect()
}

/// What a message consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Plain,
    QuotedPrintable,
    Latin1,
    Windows1252,
    Alternative,
    Pdf,
    Png,
    Csv,
    Forwarded,
    Invitation,
    WinmailDat,
}

/// The shapes in turn. Their number has no factor in common with `ONE_BROKEN_IN`, so that broken messages replace each.
const SHAPES: [Shape; 13] = [
    Shape::Plain,
    Shape::QuotedPrintable,
    Shape::Alternative,
    Shape::Latin1,
    Shape::Pdf,
    Shape::QuotedPrintable,
    Shape::Windows1252,
    Shape::Png,
    Shape::Alternative,
    Shape::Csv,
    Shape::Forwarded,
    Shape::Invitation,
    Shape::WinmailDat,
];

struct Author {
    random: Random,
    conversations: Vec<Letter>,
}

impl Author {
    fn message(&mut self, index: usize, sent: Timestamp) -> Vec<u8> {
        if index % ONE_BROKEN_IN == ONE_BROKEN_IN / 2 {
            let damage = Damage::ALL[index / ONE_BROKEN_IN % Damage::ALL.len()];
            let letter = self.letter(index, sent, Shape::QuotedPrintable);
            return broken::write(&letter, damage, &mut self.random);
        }
        let shape = SHAPES[index % SHAPES.len()];
        let letter = self.letter(index, sent, shape);
        let part = self.part(&letter, shape);
        let raw = letter.write(&part);
        if self.conversations.len() == CONVERSATIONS_MAX {
            self.conversations.remove(0);
        }
        self.conversations.push(letter);
        raw
    }

    /// A new letter, or an answer to a recent one.
    fn letter(&mut self, index: usize, sent: Timestamp, shape: Shape) -> Letter {
        let language = match shape {
            Shape::Plain => people::ENGLISH,
            Shape::Latin1 | Shape::Windows1252 => self.random.pick(&WESTERN),
            Shape::QuotedPrintable
            | Shape::Alternative
            | Shape::Pdf
            | Shape::Png
            | Shape::Csv
            | Shape::Forwarded
            | Shape::Invitation
            | Shape::WinmailDat => self.random.pick(&LANGUAGES),
        };
        let from = self.random.pick(&PEOPLE);
        let count = 1 + self.random.below(language.sentences.len());
        let sentences = language.sentences.iter().copied().take(count).collect();
        let domain = from.address.rsplit_once('@').map_or("example.test", |(_, domain)| domain);
        let message_id = format!("<{:016x}.{index}@{domain}>", self.random.next());
        let mut letter = Letter {
            to: self.recipients(from),
            from,
            sent,
            subject: self.random.pick(language.subjects).to_owned(),
            language,
            sentences,
            message_id,
            references: Vec::new(),
        };
        if !self.conversations.is_empty() && self.random.below(5) < 2 {
            let at = self.random.below(self.conversations.len());
            letter.answer(&self.conversations[at]);
        }
        letter
    }

    fn recipients(&mut self, from: Person) -> Vec<Person> {
        let first = self.random.below(PEOPLE.len());
        let count = 1 + self.random.below(3);
        let others = PEOPLE.iter().copied().cycle().skip(first).filter(|person| *person != from);
        others.take(count).collect()
    }

    fn part(&mut self, letter: &Letter, shape: Shape) -> Part {
        let text = letter.text();
        let utf8 = Part::quoted_printable("plain", "utf-8", text.as_bytes());
        let boundary = format!("=_{:016x}", self.random.next());
        let with = |attachment: Part| Part::multipart("mixed", &boundary, &[utf8.clone(), attachment]);
        match shape {
            Shape::Plain if text.is_ascii() => Part::plain(&text),
            Shape::Plain | Shape::QuotedPrintable => utf8,
            Shape::Latin1 => {
                let text = text.replace('€', "EUR").replace('–', "-");
                Part::quoted_printable("plain", "iso-8859-1", &mime::latin(&text))
            }
            Shape::Windows1252 => Part::quoted_printable("plain", "windows-1252", &mime::latin(&text)),
            Shape::Alternative => {
                let html = Part::quoted_printable("html", "utf-8", letter.html().as_bytes());
                Part::multipart("alternative", &boundary, &[utf8, html])
            }
            Shape::Pdf => with(attachment::pdf(&mut self.random)),
            Shape::Png => with(attachment::png(&mut self.random)),
            Shape::Csv => with(attachment::csv(&mut self.random)),
            Shape::Forwarded => with(attachment::forwarded(letter)),
            Shape::Invitation => {
                let invitation = attachment::invitation(letter);
                Part::multipart("alternative", &boundary, &[utf8, invitation])
            }
            Shape::WinmailDat => with(attachment::winmail_dat()),
        }
    }
}

impl Letter {
    fn answer(&mut self, earlier: &Self) {
        self.subject = match earlier.subject.strip_prefix("Re: ") {
            Some(_) => earlier.subject.clone(),
            None => format!("Re: {}", earlier.subject),
        };
        self.references.clone_from(&earlier.references);
        self.references.push(earlier.message_id.clone());
        self.to = vec![earlier.from];
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mail_parser::{MessageParser, MimeHeaders};

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_mail() {
        assert_eq!(messages(300, 7), messages(300, 7));
        assert_ne!(messages(10, 7), messages(10, 8));
        assert!(messages(0, 1).is_empty());
    }

    #[test]
    fn every_line_ends_in_crlf_and_only_broken_ones_are_long() {
        for raw in messages(300, 1) {
            let bare = raw.split_inclusive(|byte| *byte == b'\n').find(|line| !line.ends_with(b"\r\n"));
            assert_eq!(bare, None);
        }
    }

    #[test]
    fn dates_ascend_within_2026() {
        let sent: Vec<Timestamp> = dated_messages(500, 3).iter().map(|message| message.sent).collect();
        assert!(sent.is_sorted());
        assert!(sent[0].to_string().starts_with("2026-01-0"), "{}", sent[0]);
        assert!(sent[499].to_string().starts_with("2026-11-2"), "{}", sent[499]);
    }

    #[test]
    fn messages_that_are_not_broken_are_read_as_they_were_meant() {
        for (index, message) in dated_messages(400, 5).iter().enumerate() {
            if index % ONE_BROKEN_IN == ONE_BROKEN_IN / 2 {
                continue;
            }
            let parsed = MessageParser::default().parse(&message.raw).unwrap();
            assert!(parsed.message_id().is_some() && parsed.subject().is_some(), "{index}");
            assert_eq!(parsed.date().unwrap().to_timestamp(), message.sent.as_second());
            let text = parsed.body_text(0).unwrap();
            let closed = LANGUAGES.iter().any(|language| text.contains(language.closing));
            assert!(closed && !text.contains('\u{fffd}'), "{index}: {text}");
            assert!(message.raw.split(|byte| *byte == b'\n').all(|line| line.len() <= 998), "{index}");
        }
    }

    #[test]
    fn all_kinds_of_attachment_occur() {
        let mut kinds = BTreeSet::new();
        for raw in messages(26, 9) {
            let parsed = MessageParser::default().parse(&raw).map(|parsed| parsed.into_owned());
            for part in parsed.iter().flat_map(|parsed| &parsed.parts) {
                kinds.extend(
                    part.content_type()
                        .map(|kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or(""))),
                );
            }
        }
        for kind in [
            "application/pdf",
            "image/png",
            "text/csv",
            "message/rfc822",
            "text/calendar",
            "application/ms-tnef",
            "multipart/alternative",
            "text/html",
        ] {
            assert!(kinds.contains(kind), "{kind} in {kinds:?}");
        }
    }

    #[test]
    fn conversations_refer_to_earlier_messages() {
        let mut known = BTreeSet::new();
        let mut answers = 0;
        for raw in messages(200, 2) {
            let Some(parsed) = MessageParser::default().parse(&raw) else { continue };
            if let Some(answered) = parsed.in_reply_to().as_text() {
                answers += 1;
                assert!(known.contains(answered), "{answered}");
            }
            known.extend(parsed.message_id().map(str::to_owned));
        }
        assert!((40..=120).contains(&answers), "{answers}");
    }

    #[test]
    fn one_message_in_twenty_is_broken_in_its_own_way() {
        let broken: Vec<Vec<u8>> = messages(240, 4).into_iter().skip(10).step_by(ONE_BROKEN_IN).collect();
        assert_eq!(broken.len(), Damage::ALL.len());
        let of = |damage: Damage| &broken[Damage::ALL.iter().position(|one| *one == damage).unwrap()];
        let text = |damage| String::from_utf8_lossy(of(damage)).into_owned();
        assert!(!text(Damage::NoMessageId).contains("Message-ID:"));
        assert!(!text(Damage::NoDate).contains("\r\nDate:") && !text(Damage::NoDate).starts_with("Date:"));
        assert!(std::str::from_utf8(of(Damage::WrongCharset)).is_err());
        assert!(!text(Damage::NoClosingBoundary).ends_with("--\r\n"));
        assert!(std::str::from_utf8(of(Damage::RawHeader)).is_err());
        assert_eq!(text(Damage::DuplicateHeaders).matches("\nFrom: ").count() + 1, 2);
        assert!(of(Damage::NulBytes).contains(&0));
        assert!(text(Damage::LeadingDots).contains("\r\n.\r\n..\r\n"));
        assert!(text(Damage::LongLines).lines().any(|line| line.len() > 10_000));
        assert!(of(Damage::EmptyBody).ends_with(b"\r\n\r\n"));
        assert!(of(Damage::EmptyMessage).is_empty());
        assert!(text(Damage::BadBase64).contains("@ \0!"));
    }
}
