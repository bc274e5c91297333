//! XML as it is read: a bounded tree of elements, in no order that a schema prescribes.
//!
//! Real servers send elements that no schema knows, in other orders, with other prefixes: everything that is not asked
//! for is passed over. What must not be there is refused: declarations of document types and entities, other encodings
//! than UTF-8, and whatever exceeds a limit. The octets of messages never come here, see `split`.

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

use super::EwsError;
use crate::model::limits;

/// The namespaces that matter. <https://www.w3.org/TR/xml-names/>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// SOAP 1.1.
    Envelope,
    Messages,
    Types,
    Errors,
    /// The Autodiscover service that speaks SOAP.
    Autodiscover,
    /// Elements without a namespace, and all others.
    Other,
}

pub const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
pub const MESSAGES: &str = "http://schemas.microsoft.com/exchange/services/2006/messages";
pub const TYPES: &str = "http://schemas.microsoft.com/exchange/services/2006/types";
const ERRORS: &str = "http://schemas.microsoft.com/exchange/services/2006/errors";
pub const AUTODISCOVER: &str = "http://schemas.microsoft.com/exchange/2010/Autodiscover";

impl Namespace {
    fn of(resolved: &ResolveResult<'_>) -> Self {
        match resolved {
            ResolveResult::Bound(namespace) => match namespace.as_ref() {
                ENVELOPE => Self::Envelope,
                MESSAGES => Self::Messages,
                TYPES => Self::Types,
                ERRORS => Self::Errors,
                AUTODISCOVER => Self::Autodiscover,
                _ => Self::Other,
            },
            ResolveResult::Unbound | ResolveResult::Unknown(_) => Self::Other,
        }
    }
}

/// One element with all that is inside of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    pub namespace: Namespace,
    /// Without its prefix.
    pub name: String,
    attributes: Vec<(String, String)>,
    pub children: Vec<Element>,
    /// All text directly inside of it.
    pub text: String,
}

impl Element {
    pub fn is(&self, namespace: Namespace, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// The first child of that name, whatever its namespace: servers mix up `messages` and `types`.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The element at the end of a path of names.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    /// The trimmed text of a child. `None`: it is not there, or empty.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim()).filter(|text| !text.is_empty())
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first element of that name anywhere inside.
    pub fn find(&self, name: &str) -> Option<&Self> {
        let mut open = vec![self];
        while let Some(element) = open.pop() {
            if element.name == name {
                return Some(element);
            }
            open.extend(element.children.iter().rev());
        }
        None
    }
}

/// Reads a whole document.
pub fn read(document: &[u8]) -> Result<Element, EwsError> {
    if document.len() > limits::EWS_DOCUMENT_BYTES_MAX {
        return Err(EwsError::limit("an answer without its messages", limits::EWS_DOCUMENT_BYTES_MAX));
    }
    let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
    if document.starts_with(b"\xff\xfe") || document.starts_with(b"\xfe\xff") {
        return Err(EwsError::Garbage("the answer is UTF-16; Exchange answers in UTF-8".to_owned()));
    }
    let text = String::from_utf8_lossy(document);
    if !text.trim_start().starts_with('<') {
        return Err(EwsError::garbage("the answer is no XML; it begins with", &beginning(&text)));
    }
    Tree::default().grow(&text)
}

/// What a page of a proxy begins with says more than that it is none of ours.
fn beginning(text: &str) -> String {
    text.chars().take(80).collect()
}

#[derive(Default)]
struct Tree {
    /// From the root to the element that is open.
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
    bytes: usize,
}

impl Tree {
    fn grow(mut self, text: &str) -> Result<Element, EwsError> {
        let mut reader = NsReader::from_str(text);
        // A stray ampersand in somebody's display name is no reason to read nothing of the mailbox.
        reader.config_mut().allow_dangling_amp = true;
        loop {
            let (resolved, event) =
                reader.read_resolved_event().map_err(|error| EwsError::Garbage(not_xml(&error)))?;
            match event {
                Event::Start(start) => self.begin(&resolved, &start)?,
                Event::Empty(start) => {
                    self.begin(&resolved, &start)?;
                    self.end();
                }
                Event::End(_) => self.end(),
                Event::Text(text) => self.append(&text.xml10_content())?,
                Event::CData(text) => self.append(&text.xml10_content())?,
                Event::GeneralRef(reference) => self.append(&referred(&reference)?)?,
                Event::DocType(_) => {
                    let words = "the answer declares a document type, which SOAP forbids";
                    return Err(EwsError::Garbage(words.to_owned()));
                }
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        match (self.root, self.open.is_empty()) {
            (Some(root), true) => Ok(root),
            (_, false) => Err(EwsError::Garbage("the answer ends in the middle of an element".to_owned())),
            (None, true) => Err(EwsError::Garbage("the answer is empty".to_owned())),
        }
    }

    fn begin(&mut self, resolved: &ResolveResult<'_>, start: &BytesStart<'_>) -> Result<(), EwsError> {
        self.elements += 1;
        if self.elements > limits::EWS_ELEMENTS_MAX {
            return Err(EwsError::limit("the number of elements in one answer", limits::EWS_ELEMENTS_MAX));
        }
        if self.open.len() >= limits::EWS_DEPTH_MAX {
            return Err(EwsError::limit("the depth of elements in one answer", limits::EWS_DEPTH_MAX));
        }
        let mut attributes = Vec::new();
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| EwsError::Garbage(not_xml(&error.into())))?;
            let key: &str = attribute.key.as_ref();
            if key == "xmlns" || key.starts_with("xmlns:") {
                continue;
            }
            if attributes.len() >= limits::EWS_ATTRIBUTES_MAX {
                return Err(EwsError::limit("the attributes of one element", limits::EWS_ATTRIBUTES_MAX));
            }
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).unwrap_or(Cow::Borrowed(""));
            attributes.push((key.to_owned(), value.into_owned()));
        }
        let local = start.local_name();
        let name: &str = local.as_ref();
        let namespace = Namespace::of(resolved);
        let (children, text) = (Vec::new(), String::new());
        self.open.push(Element { namespace, name: name.to_owned(), attributes, children, text });
        Ok(())
    }

    fn end(&mut self) {
        let Some(done) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(done),
            // What follows the root element is passed over.
            None => self.root = self.root.take().or(Some(done)),
        }
    }

    fn append(&mut self, text: &str) -> Result<(), EwsError> {
        let Some(element) = self.open.last_mut() else { return Ok(()) };
        self.bytes += text.len();
        // White space between elements is no text of anybody.
        if element.text.is_empty() && text.trim().is_empty() {
            return Ok(());
        }
        element.text.push_str(text);
        Ok(())
    }
}

/// Characters that XML has no room for become U+FFFD, because servers send them all the same. Entities of a document's
/// own are never expanded.
fn referred(reference: &BytesRef<'_>) -> Result<String, EwsError> {
    if reference.is_char_ref() {
        let character = reference.resolve_char_ref().ok().flatten();
        return Ok(character.filter(|it| *it != '\0').unwrap_or('\u{fffd}').to_string());
    }
    let name = reference.xml10_content();
    quick_xml::escape::resolve_predefined_entity(&name)
        .map(str::to_owned)
        .ok_or_else(|| EwsError::garbage("the answer names an entity of its own", &name))
}

fn not_xml(error: &quick_xml::Error) -> String {
    format!("the answer is no well-formed XML: {}", crate::model::failure::server_words(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(document: &str) -> String {
        read(document.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn prefixes_do_not_matter_and_namespaces_do() {
        let document = format!(
            "<?xml version='1.0'?><x:a xmlns:x='{TYPES}'><b xmlns='{MESSAGES}' c='&lt;'>d &amp; e</b></x:a>"
        );
        let root = read(document.as_bytes()).unwrap();
        assert!(root.is(Namespace::Types, "a"));
        let b = root.child("b").unwrap();
        assert_eq!(
            (b.namespace, b.attribute("c"), b.text.as_str()),
            (Namespace::Messages, Some("<"), "d & e")
        );
    }

    #[test]
    fn entities_are_never_expanded() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"bb\"><!ENTITY c \"&b;&b;\">]><a>&c;</a>";
        assert!(refusal(bomb).contains("document type"), "{}", refusal(bomb));
        assert!(refusal("<a>&c;</a>").contains("entity of its own"));
        assert_eq!(read(b"<a>&#0;&#x1;x&#65;&amp;</a>").unwrap().text, "\u{fffd}\u{1}xA&");
    }

    #[test]
    fn what_is_too_deep_or_too_much_is_refused() {
        let deep = "<a>".repeat(limits::EWS_DEPTH_MAX + 1);
        assert!(refusal(&deep).contains("exceeds the limit"), "{}", refusal(&deep));
        let many = format!("<a>{}</a>", "<b/>".repeat(limits::EWS_ELEMENTS_MAX));
        assert!(refusal(&many).contains("exceeds the limit"));
    }

    #[test]
    fn what_is_no_xml_is_said_to_be_none() {
        for (document, words) in [
            ("", "no XML"),
            ("Service Unavailable", "begins with Service Unavailable"),
            ("<a><b></a>", "no well-formed XML"),
            ("<a>", "ends in the middle"),
        ] {
            assert!(refusal(document).contains(words), "{document}: {}", refusal(document));
        }
        assert!(read(b"\xef\xbb\xbf<a/>").is_ok());
    }
}
