//! XML as it is written: elements, attributes and text, escaped, and octets in base64 straight into the document.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::model::limits;

/// A document that grows.
#[derive(Debug, Default)]
pub struct Xml(String);

impl Xml {
    /// Room for so many octets in base64 beside the rest.
    pub fn with_room_for(octets: usize) -> Self {
        Self(String::with_capacity(octets / 3 * 4 + limits::EWS_REQUEST_BYTES_USUAL))
    }

    /// A whole document, which begins with its declaration.
    pub fn document() -> Self {
        let mut xml = Self::with_room_for(0);
        xml.raw("<?xml version=\"1.0\" encoding=\"utf-8\"?>");
        xml
    }

    pub fn into_text(self) -> String {
        self.0
    }

    /// Text that is markup already.
    pub(super) fn raw(&mut self, markup: &str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    fn start(&mut self, name: &str, attributes: &[(&str, &str)], end: &str) {
        self.0.push('<');
        self.0.push_str(name);
        for (attribute, value) in attributes {
            self.0.push(' ');
            self.0.push_str(attribute);
            self.0.push_str("=\"");
            self.escaped(value);
            self.0.push('"');
        }
        self.0.push_str(end);
    }

    /// An element with what `inside` writes.
    pub fn element(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
        inside: impl FnOnce(&mut Self),
    ) -> &mut Self {
        self.start(name, attributes, ">");
        inside(self);
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
        self
    }

    pub fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) -> &mut Self {
        self.start(name, attributes, "/>");
        self
    }

    pub fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.element(name, &[], |xml| xml.escaped(text))
    }

    pub fn base64(&mut self, name: &str, octets: &[u8]) -> &mut Self {
        self.element(name, &[], |xml| STANDARD.encode_string(octets, &mut xml.0))
    }

    /// XML 1.0 has no way at all to write most control characters; they become U+FFFD.
    fn escaped(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                // Otherwise a reader makes line feeds or spaces of them.
                '\r' => self.0.push_str("&#13;"),
                '\n' => self.0.push_str("&#10;"),
                '\t' => self.0.push_str("&#9;"),
                '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => self.0.push('\u{fffd}'),
                character => self.0.push(character),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_break_out_of_a_value() {
        let mut xml = Xml::default();
        xml.element("t:A", &[("Id", "\"/><b>&")], |xml| {
            xml.text("t:B", "a<b>&\u{1}\r\n").base64("t:C", b"MIME");
        });
        let expected = "<t:A Id=\"&quot;/&gt;&lt;b&gt;&amp;\"><t:B>a&lt;b&gt;&amp;\u{fffd}&#13;&#10;</t:B>\
                        <t:C>TUlNRQ==</t:C></t:A>";
        assert_eq!(xml.into_text(), expected);
    }
}
