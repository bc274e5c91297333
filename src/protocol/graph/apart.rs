//! A message that is too large for one request, taken apart: a draft that fits, and the files that are attached to it afterwards.
//!
//! Only whole attachments are taken out of `multipart/mixed` and `multipart/related` (RFC 2046 section 5.1); header and text
//! stay to the octet. What is signed or encrypted as a whole would be worth nothing in pieces.

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Encoding, Message, MessageParser, MessagePart, MimeHeaders, PartType};

use crate::model::limits;

/// A message in pieces.
#[derive(Debug, PartialEq, Eq)]
pub struct Apart {
    /// The message without the files.
    pub draft: Vec<u8>,
    /// In the order in which the message had them; empty where it fits as it is.
    pub files: Vec<File>,
}

/// A file that was a part of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub name: String,
    /// `application/pdf`
    pub media_type: String,
    /// Without angle brackets.
    pub content_id: Option<String>,
    pub display: Display,
    pub content: Vec<u8>,
}

/// How a file is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Display {
    Attached,
    /// The text refers to it.
    Inline,
}

/// Why a message has to stay whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indivisible {
    /// It is signed or encrypted as a whole.
    Signed,
    /// It is too large even without its attachments.
    Text,
}

/// Takes files out, the largest first, until what is left holds at most `octets_max` octets.
pub fn take_apart(raw: &[u8], octets_max: usize) -> Result<Apart, Indivisible> {
    if raw.len() <= octets_max {
        return Ok(Apart { draft: raw.to_vec(), files: Vec::new() });
    }
    let message = MessageParser::new().parse(raw).ok_or(Indivisible::Text)?;
    let root = message.parts.first().ok_or(Indivisible::Text)?;
    if is_sealed(root) {
        return Err(Indivisible::Signed);
    }
    if !is_multipart(root) {
        return alone(raw, root, octets_max);
    }
    let mut cuts = chosen(candidates(raw, &message), raw.len(), octets_max).ok_or(Indivisible::Text)?;
    cuts.sort_by_key(|cut| cut.begin);
    let files = cuts.iter().map(|cut| cut.file(raw)).collect::<Option<Vec<_>>>();
    Ok(Apart { draft: without(raw, &cuts), files: files.ok_or(Indivisible::Text)? })
}

/// A part that can be taken out, with the delimiter before it.
struct Cut<'m> {
    begin: usize,
    /// Where the next delimiter begins.
    end: usize,
    content: std::ops::Range<usize>,
    part: &'m MessagePart<'m>,
    /// The multipart that it stands in, and how many parts that has.
    parent: u32,
    siblings: usize,
    is_related: bool,
}

/// All parts that can be taken out.
fn candidates<'m>(raw: &[u8], message: &'m Message<'m>) -> Vec<Cut<'m>> {
    let mut found = Vec::new();
    let mut due: Vec<u32> = vec![0];
    while let Some(id) = due.pop() {
        let Some(parent) = message.parts.get(id as usize) else { continue };
        let (PartType::Multipart(children), Some(boundary)) = (&parent.body, boundary(parent)) else {
            continue;
        };
        let is_related = is_type(parent, "multipart", &["related"]);
        if !is_related && !is_type(parent, "multipart", &["mixed"]) {
            continue;
        }
        for (at, child) in children.iter().enumerate() {
            let Some(part) = message.parts.get(*child as usize) else { continue };
            if is_multipart(part) {
                due.push(*child);
            } else if is_file(part) && !(is_related && at == 0) && found.len() < limits::MIME_PARTS_MAX {
                let span = span(raw, part, boundary);
                found.extend(span.map(|(begin, end, content)| Cut {
                    begin,
                    end,
                    content,
                    part,
                    parent: id,
                    siblings: children.len(),
                    is_related,
                }));
            }
        }
    }
    found
}

fn is_type(part: &MessagePart<'_>, main: &str, subs: &[&str]) -> bool {
    part.content_type().is_some_and(|it| {
        it.c_type.eq_ignore_ascii_case(main)
            && it.c_subtype.as_ref().is_some_and(|sub| subs.iter().any(|one| sub.eq_ignore_ascii_case(one)))
    })
}

fn is_multipart(part: &MessagePart<'_>) -> bool {
    matches!(part.body, PartType::Multipart(_))
}

/// RFC 1847, RFC 8551 section 3.
fn is_sealed(part: &MessagePart<'_>) -> bool {
    is_type(part, "multipart", &["signed", "encrypted"])
        || is_type(part, "application", &["pkcs7-mime", "x-pkcs7-mime"])
}

fn boundary<'m>(part: &'m MessagePart<'m>) -> Option<&'m str> {
    part.content_type()?.attribute("boundary").filter(|boundary| !boundary.is_empty())
}

/// What a person would call an attachment: it says so, has a name, or is no text.
fn is_file(part: &MessagePart<'_>) -> bool {
    let is_text = part.content_type().is_none_or(|it| it.c_type.eq_ignore_ascii_case("text"));
    let says_so = part.content_disposition().is_some_and(|it| it.c_type.eq_ignore_ascii_case("attachment"));
    !is_text || says_so || part.attachment_name().is_some()
}

/// From the delimiter before a part to the one behind it, and what is between header and delimiter. `None`: they are not where
/// they belong.
fn span(
    raw: &[u8],
    part: &MessagePart<'_>,
    boundary: &str,
) -> Option<(usize, usize, std::ops::Range<usize>)> {
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let (header, body) = (part.offset_header as usize, part.offset_body as usize);
    let before = raw.get(..header)?.strip_suffix(b"\n")?;
    let begin = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    raw.get(begin..)?.starts_with(&delimiter).then_some(())?;
    // The reader may count the line end before the delimiter as part of it, and the delimiter as well.
    let from = (part.offset_end as usize).saturating_sub(delimiter.len() + 8).max(body.checked_sub(1)?);
    let until = (part.offset_end as usize).saturating_add(delimiter.len() + 8).min(raw.len());
    let near = raw.get(from..until)?;
    let with_line_end = [b"\n", delimiter.as_slice()].concat();
    let end = from + near.windows(with_line_end.len()).position(|window| window == with_line_end)? + 1;
    let line_end = if raw.get(..end)?.ends_with(b"\r\n") { 2 } else { 1 };
    Some((begin, end, body..end.saturating_sub(line_end).max(body)))
}

/// The largest, as few as do. `None`: all of them are not enough.
fn chosen(mut candidates: Vec<Cut<'_>>, whole: usize, octets_max: usize) -> Option<Vec<Cut<'_>>> {
    candidates.sort_by_key(|cut| std::cmp::Reverse(cut.end - cut.begin));
    let (mut left, mut count) = (whole, 0);
    for cut in &candidates {
        if left <= octets_max {
            break;
        }
        left = left.saturating_sub(cut.end - cut.begin).saturating_add(PLACEHOLDER.len());
        count += 1;
    }
    candidates.truncate(count);
    (left <= octets_max).then_some(candidates)
}

/// What stands for the parts of a multipart that has no other: there must be one.
const PLACEHOLDER: &[u8] = b"Content-Type: text/plain\r\n\r\n\r\n";

fn without(raw: &[u8], cuts: &[Cut<'_>]) -> Vec<u8> {
    let mut draft = Vec::with_capacity(raw.len() / 2);
    let mut at = 0;
    for (number, cut) in cuts.iter().enumerate() {
        draft.extend_from_slice(raw.get(at..cut.begin).unwrap_or_default());
        let is_same = |other: &&Cut<'_>| other.parent == cut.parent;
        let is_first = !cuts.iter().take(number).any(|other| other.parent == cut.parent);
        if is_first && cuts.iter().filter(is_same).count() == cut.siblings {
            draft.extend_from_slice(raw.get(cut.begin..cut.part.offset_header as usize).unwrap_or_default());
            draft.extend_from_slice(PLACEHOLDER);
        }
        at = cut.end;
    }
    draft.extend_from_slice(raw.get(at..).unwrap_or_default());
    draft
}

impl Cut<'_> {
    /// `None`: its encoding is broken.
    fn file(&self, raw: &[u8]) -> Option<File> {
        file(self.part, raw.get(self.content.clone())?, self.is_related)
    }
}

fn file(part: &MessagePart<'_>, encoded: &[u8], is_related: bool) -> Option<File> {
    let content = match part.encoding {
        Encoding::None => encoded.to_vec(),
        Encoding::Base64 => base64_decode(encoded)?,
        Encoding::QuotedPrintable => quoted_printable_decode(encoded)?,
    };
    let kind = part.content_type();
    let media_type = kind.and_then(|it| Some(format!("{}/{}", it.c_type, it.c_subtype.as_ref()?)));
    let media_type = media_type.unwrap_or_else(|| "application/octet-stream".to_owned());
    let unnamed =
        if media_type.eq_ignore_ascii_case("message/rfc822") { "message.eml" } else { "attachment" };
    let content_id = part.content_id().map(str::to_owned);
    let says_so = part.content_disposition().is_some_and(|it| it.c_type.eq_ignore_ascii_case("attachment"));
    let is_inline = is_related && content_id.is_some() && !says_so;
    Some(File {
        name: part.attachment_name().filter(|name| !name.is_empty()).unwrap_or(unnamed).to_owned(),
        media_type,
        content_id,
        display: if is_inline { Display::Inline } else { Display::Attached },
        content,
    })
}

/// A message that is nothing but a file: what is left is its header.
fn alone(raw: &[u8], root: &MessagePart<'_>, octets_max: usize) -> Result<Apart, Indivisible> {
    if !is_file(root) {
        return Err(Indivisible::Text);
    }
    let (head, body) = raw.split_at_checked(root.offset_body as usize).ok_or(Indivisible::Text)?;
    let mut draft = Vec::with_capacity(head.len() + PLACEHOLDER.len());
    let mut is_about_body = false;
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            is_about_body = line.get(..8).is_some_and(|name| name.eq_ignore_ascii_case(b"content-"));
        }
        if !is_about_body && line.iter().any(|byte| !byte.is_ascii_whitespace()) {
            draft.extend_from_slice(line);
        }
    }
    draft.extend_from_slice(PLACEHOLDER);
    let file = file(root, body, false).ok_or(Indivisible::Text)?;
    if draft.len() > octets_max { Err(Indivisible::Text) } else { Ok(Apart { draft, files: vec![file] }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart(text: &str, octets_max: usize) -> Result<Apart, Indivisible> {
        take_apart(text.replace('\n', "\r\n").as_bytes(), octets_max)
    }

    fn text(octets: &[u8]) -> String {
        String::from_utf8(octets.to_vec()).unwrap().replace("\r\n", "\n")
    }

    const MIXED: &str = "Subject: x
Content-Type: multipart/mixed; boundary=\"b b\"

--b b
Content-Type: text/plain

hello
--b b
Content-Type: application/pdf; name=a.pdf
Content-Transfer-Encoding: base64

QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2
d3h5eg==
--b b
Content-Type: text/csv; charset=iso-8859-1
Content-Disposition: attachment; filename=\"b.csv\"

a;b
c;d

--b b--
";

    /// Without both files, and a little more.
    fn smallest(text: &str) -> usize {
        let (begin, end) = (text.find("--b b\nContent-Type: app").unwrap(), text.find("--b b--").unwrap());
        text.replace('\n', "\r\n").len() - (end - begin) + 60
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let whole = apart(MIXED, 10_000).unwrap();
        assert_eq!((text(&whole.draft).as_str(), whole.files.len()), (MIXED, 0));
    }

    #[test]
    fn the_largest_file_goes_first_and_everything_else_stays_to_the_octet() {
        let limit = MIXED.replace('\n', "\r\n").len() - 1;
        let Apart { draft, files } = apart(MIXED, limit).unwrap();
        let begin = MIXED.find("--b b\nContent-Type: application").unwrap();
        let end = MIXED.find("--b b\nContent-Type: text/csv").unwrap();
        assert_eq!(text(&draft), format!("{}{}", &MIXED[..begin], &MIXED[end..]));
        let content = (b'A'..=b'Z').chain(b'a'..=b'z').collect();
        let media_type = "application/pdf".to_owned();
        let expected = File {
            name: "a.pdf".to_owned(),
            media_type,
            content_id: None,
            display: Display::Attached,
            content,
        };
        assert_eq!(files, [expected]);
    }

    #[test]
    fn text_that_is_attached_keeps_its_octets_and_the_message_its_end() {
        let Apart { draft, files } = apart(MIXED, smallest(MIXED)).unwrap();
        assert_eq!(files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["a.pdf", "b.csv"]);
        assert_eq!(files[1].content, b"a;b\r\nc;d\r\n");
        assert!(text(&draft).ends_with("hello\n--b b--\n"), "{}", text(&draft));
    }

    #[test]
    fn a_multipart_never_loses_its_last_part() {
        let only = MIXED.replace("--b b\nContent-Type: text/plain\n\nhello\n", "");
        let Apart { draft, files } = apart(&only, smallest(&only)).unwrap();
        assert_eq!(files.len(), 2);
        assert!(
            text(&draft).ends_with("\n\n--b b\nContent-Type: text/plain\n\n\n--b b--\n"),
            "{}",
            text(&draft)
        );
    }

    #[test]
    fn an_image_that_the_text_shows_stays_one() {
        let related = MIXED
            .replace("multipart/mixed", "multipart/related")
            .replace("application/pdf; name=a.pdf", "image/png; name=a.png\nContent-ID: <1@x>");
        let Apart { files, .. } = apart(&related, related.replace('\n', "\r\n").len() - 1).unwrap();
        assert_eq!((files[0].display, files[0].content_id.as_deref()), (Display::Inline, Some("1@x")));
    }

    #[test]
    fn a_message_that_is_nothing_but_a_file_keeps_its_header() {
        let alone = "Subject: x\nContent-Type: application/pdf;\n name=a.pdf\nTo: a@b.example\n\n0123456789";
        let limit = "Subject: x\r\nTo: a@b.example\r\n".len() + PLACEHOLDER.len();
        let Apart { draft, files } = apart(alone, limit).unwrap();
        assert_eq!(text(&draft), "Subject: x\nTo: a@b.example\nContent-Type: text/plain\n\n\n");
        assert_eq!((files[0].content.as_slice(), files[0].name.as_str()), (&b"0123456789"[..], "a.pdf"));
    }

    #[test]
    fn what_is_sealed_or_has_nothing_to_give_stays_whole() {
        let signed = MIXED.replace("multipart/mixed", "multipart/signed");
        assert_eq!(apart(&signed, 300), Err(Indivisible::Signed));
        let sealed = "Content-Type: application/pkcs7-mime; name=smime.p7m\n\nxxxxxxxxxxxxxxxxxxxxxxx";
        assert_eq!(apart(sealed, 50), Err(Indivisible::Signed));
        assert_eq!(apart(MIXED, 50), Err(Indivisible::Text));
        assert_eq!(apart("Subject: x\n\nhello hello hello", 20), Err(Indivisible::Text));
        assert_eq!(apart(&MIXED.replace("--b b--\n", ""), smallest(MIXED)), Err(Indivisible::Text));
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_message_lacks_the_draft_is_small_enough(from in 0_usize..500, length in 0_usize..80, octets_max in 0_usize..600) {
            let mut raw = MIXED.replace('\n', "\r\n").into_bytes();
            let from = from.min(raw.len());
            raw.drain(from..(from + length).min(raw.len()));
            if let Ok(apart) = take_apart(&raw, octets_max) {
                proptest::prop_assert!(apart.draft.len() <= octets_max);
            }
        }

        #[test]
        fn no_octets_make_it_panic_and_no_draft_is_too_large(raw: Vec<u8>, octets_max in 0_usize..200) {
            if let Ok(apart) = take_apart(&raw, octets_max) {
                proptest::prop_assert!(apart.draft.len() <= octets_max);
            }
        }
    }
}
