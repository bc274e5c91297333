//! What the header of one part says about its body.

use std::sync::LazyLock;

use mail_parser::{ContentType, HeaderName, MessageParser, MessagePart, MimeHeaders};

use super::decode::Encoding;
use super::header::looked_at;
use super::{pieces, words};
use crate::model::limits;

/// How a part asks to be shown (RFC 2183).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disposition {
    /// Inline, or nothing said.
    Shown,
    Attachment,
}

/// How the lines of a text are to be joined (RFC 3676).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    Fixed,
    Flowed,
    /// Flowed, and the blank at the end of a line is not part of the text.
    FlowedDelSp,
}

#[derive(Debug, Clone)]
pub(super) struct Fields {
    /// `type/subtype` in lower case.
    pub media_type: String,
    pub charset: Option<String>,
    pub lines: Lines,
    pub encoding: Encoding,
    pub disposition: Disposition,
    /// The file name, for people; on one line and of a sane length.
    pub name: Option<String>,
    pub boundary: Option<Vec<u8>>,
}

/// What it looks for is put into a map, once. Of every other field only the end is looked for.
static PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .header_content_type(HeaderName::ContentType)
        .header_content_type(HeaderName::ContentDisposition)
        .header_text(HeaderName::ContentTransferEncoding)
        .default_header_ignore()
});

impl Fields {
    /// `default_type` is the type of a part that names none.
    pub(super) fn read(header: &[u8], default_type: &str) -> Self {
        let (header, _) = looked_at(header);
        let message = PARSER.parse_headers(&*header);
        let Some(message) = message else { return Self::unsaid(default_type) };
        let Some(part) = message.parts.first() else { return Self::unsaid(default_type) };
        let kind = part.content_type();
        let attribute = |name: &str| kind.and_then(|kind| kind.attribute(name));
        Self {
            media_type: kind.and_then(media_type).unwrap_or_else(|| default_type.to_owned()),
            charset: attribute("charset").map(|charset| one_line(charset).to_lowercase()),
            lines: lines(attribute("format"), attribute("delsp")),
            encoding: Encoding::named(part.content_transfer_encoding().unwrap_or_default()),
            disposition: match part.content_disposition().is_some_and(ContentType::is_attachment) {
                true => Disposition::Attachment,
                false => Disposition::Shown,
            },
            name: file_name(&header, part).map(|name| one_line(&name)).filter(|name| !name.is_empty()),
            boundary: attribute("boundary")
                .map(|text| text.trim_end().as_bytes().to_vec())
                .filter(|it| !it.is_empty()),
        }
    }

    fn unsaid(media_type: &str) -> Self {
        Self {
            media_type: media_type.to_owned(),
            charset: None,
            lines: Lines::Fixed,
            encoding: Encoding::Identity,
            disposition: Disposition::Shown,
            name: None,
            boundary: None,
        }
    }

    pub(super) fn is_multipart(&self) -> bool {
        self.media_type.starts_with("multipart/")
    }
}

/// What a part wishes to be called: by its disposition, or else by its type.
fn file_name(header: &[u8], part: &MessagePart<'_>) -> Option<String> {
    let whole = |field: Option<&ContentType<'_>>, parameter: &str| {
        field.and_then(|field| field.attribute(parameter)).map(words::decoded)
    };
    pieces::joined(header, "Content-Disposition", "filename")
        .or_else(|| whole(part.content_disposition(), "filename"))
        .or_else(|| pieces::joined(header, "Content-Type", "name"))
        .or_else(|| whole(part.content_type(), "name"))
}

/// `None`: not a type at all, which RFC 2045 section 5.2 says to read as the default.
fn media_type(kind: &ContentType<'_>) -> Option<String> {
    let is_token =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    let (main, sub) = (kind.ctype(), kind.subtype()?);
    (is_token(main) && is_token(sub)).then(|| one_line(&format!("{main}/{sub}")).to_ascii_lowercase())
}

fn lines(format: Option<&str>, delsp: Option<&str>) -> Lines {
    let says = |value: Option<&str>, word: &str| value.is_some_and(|value| value.eq_ignore_ascii_case(word));
    match (says(format, "flowed"), says(delsp, "yes")) {
        (true, true) => Lines::FlowedDelSp,
        (true, false) => Lines::Flowed,
        (false, _) => Lines::Fixed,
    }
}

/// Without control characters, and not longer than a header line.
pub(super) fn one_line(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(limits::HEADER_TEXT_CHARACTERS_MAX).collect::<String>().trim().to_owned()
}
