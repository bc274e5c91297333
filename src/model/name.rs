//! Names, addresses and labels: the strings that identify things.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use icu_normalizer::ComposingNormalizerBorrowed;
use serde::{Deserialize, Serialize, Serializer};

use super::limits;

/// A slug: `metadata.name` of a document. 1–63 characters of `a–z`, `0–9`, `-` and `.`, beginning and ending
/// with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(Box<str>);

impl Name {
    /// Parses a slug; the error says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        Self::check(text).map(|()| Self(text.into()))
    }

    fn check(text: &str) -> Result<(), &'static str> {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if text.is_empty() {
            Err("a name cannot be empty")
        } else if text.len() > limits::NAME_CHARACTERS_MAX {
            Err("a name has at most 63 characters")
        } else if !text.chars().all(inner) {
            Err("a name consists of lower-case letters, digits, `-` and `.`")
        } else if !text.starts_with(edge) || !text.ends_with(edge) {
            Err("a name begins and ends with a letter or digit")
        } else {
            Ok(())
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::check(&text).map(|()| Self(text.into_boxed_str()))
    }
}

/// Without a copy: a plan of a large estate writes very many.
impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.into_string()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An e-mail address (`local@domain`). It keeps its spelling; [`Address::key`] is what two addresses are
/// compared by, because mail systems do not distinguish case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Address(Box<str>);

impl Address {
    /// Parses `local@domain`: RFC 5321 without quoted local parts and address literals, UTF-8 allowed (RFC 6531).
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        Self::check(text).map(|()| Self(text.into()))
    }

    fn check(text: &str) -> Result<(), &'static str> {
        let Some((local, domain)) = text.rsplit_once('@') else {
            return Err("an e-mail address has the form `local@domain`");
        };
        let forbidden = |c: char| c.is_control() || c.is_whitespace() || "<>()[],;:\\\"@".contains(c);
        let label =
            |l: &str| !l.is_empty() && !l.starts_with('-') && !l.ends_with('-') && !l.contains(forbidden);
        if text.len() > limits::ADDRESS_BYTES_MAX || local.len() > limits::ADDRESS_LOCAL_BYTES_MAX {
            Err("an e-mail address has at most 254 bytes, 64 of them before the `@`")
        } else if local.is_empty() || local.contains(forbidden) || local.split('.').any(str::is_empty) {
            Err("the part before the `@` is not valid")
        } else if !domain.split('.').all(label) {
            Err("the part after the `@` is not a domain")
        } else {
            Ok(())
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address as it is compared: in lower case; letters outside of ASCII composed, and the domain as people write it,
    /// whether it is spelt with such letters or in its `xn--` form (RFC 5891).
    pub fn key(&self) -> String {
        let lower = self.0.to_lowercase();
        if lower.is_ascii() && !lower.contains("xn--") {
            return lower;
        }
        let (local, domain) = lower.rsplit_once('@').unwrap_or((&lower, ""));
        // A domain that is none in Unicode either stays as it is written.
        let (unicode, result) = idna::domain_to_unicode(domain);
        let domain = if result.is_ok() { unicode } else { domain.to_owned() };
        format!("{}@{domain}", ComposingNormalizerBorrowed::new_nfc().normalize(local))
    }

    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// The address as mail servers of the old kind understand it: its domain with letters outside of ASCII in its `xn--` form
    /// (RFC 5891). `None`: there are such letters before the `@`, or the domain has no such form.
    pub fn in_ascii(&self) -> Option<Cow<'_, str>> {
        if self.0.is_ascii() {
            return Some(Cow::Borrowed(&self.0));
        }
        let (local, domain) = self.0.rsplit_once('@').filter(|(local, _)| local.is_ascii())?;
        let domain = idna::domain_to_ascii(domain).ok().filter(|domain| !domain.is_empty())?;
        Some(Cow::Owned(format!("{local}@{domain}")))
    }

    /// Whether it is spelt as it is compared, as most are: then [`Self::key`] is the same text.
    pub fn is_key(&self) -> bool {
        self.0.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) && !self.0.contains("xn--")
    }

    /// Whether both name the same mailbox, whatever their case.
    pub fn same_as(&self, other: &Self) -> bool {
        self.0 == other.0 || self.key() == other.key()
    }
}

impl TryFrom<String> for Address {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::check(&text).map(|()| Self(text.into_boxed_str()))
    }
}

/// Without a copy: a plan of a large estate writes very many.
impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0.into_string()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `metadata.labels`: free keys and values, used by selectors.
pub type Labels = BTreeMap<String, String>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_one_key_however_it_is_spelt() {
        let key = |text: &str| Address::parse(text).unwrap().key();
        for (one, other) in [
            ("Anna@X.example", "anna@x.EXAMPLE"),
            ("a@\u{fc}.example", "a@xn--tda.example"),
            ("\u{fc}@x.example", "u\u{308}@x.example"),
            ("a@\u{dc}.example", "a@\u{fc}.example"),
        ] {
            assert_eq!(key(one), key(other), "{one} {other}");
        }
        assert_ne!(key("a@x.example"), key("\u{430}@x.example"));
        assert_eq!(key("a@xn--0.example"), "a@xn--0.example");
    }

    #[test]
    fn a_name_is_a_slug() {
        for good in ["a", "hq-exchange", "a.b-c.9"] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "-a", "a-", "a b", "ü", &"a".repeat(64)] {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_has_a_local_part_and_a_domain() {
        for good in ["anna@contoso.example", "o'neil+x@a.b", "grüße@müller.example"] {
            assert!(Address::parse(good).is_ok(), "{good}");
        }
        for bad in ["anna", "@b", "a@", "a@b..c", "a b@c", "a@b\r\nRCPT TO:<x@y>", ".a@b", "a@-b"] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_domain_beyond_ascii_has_a_form_in_ascii() {
        let in_ascii = |text: &str| Address::parse(text).unwrap().in_ascii().map(Cow::into_owned);
        assert_eq!(in_ascii("Q@Bücher.example").as_deref(), Some("Q@xn--bcher-kva.example"));
        assert_eq!(in_ascii("Q@B.example").as_deref(), Some("Q@B.example"));
        assert_eq!(in_ascii("ü@b.example"), None);
        assert_eq!(in_ascii("q@xn--ü.example"), None);
    }

    #[test]
    fn addresses_are_compared_without_case() {
        let one = Address::parse("Anna@Contoso.example").unwrap();
        assert!(one.same_as(&Address::parse("anna@contoso.EXAMPLE").unwrap()));
    }
}
