//! What can be wrong when a node is read as a type, as data: causes and nodes, not sentences.

use std::fmt;

/// Why, and at which node.
#[derive(Debug)]
pub struct Error {
    pub cause: Cause,
    /// The node it happened at; the innermost place that is known.
    pub node: Option<u32>,
    /// The key (in a map) or element (in a list) without which reading can go on.
    pub drop: Option<u32>,
    /// It happened inside something that holds, or should hold, a secret.
    pub secret: bool,
}

#[derive(Debug)]
pub enum Cause {
    UnknownKey {
        key: String,
        expected: &'static [&'static str],
    },
    UnknownValue {
        value: String,
        expected: &'static [&'static str],
    },
    MissingKey(&'static str),
    WrongType {
        expected: &'static str,
        found: &'static str,
    },
    /// A text where a sealed value or a reference to one belongs.
    Plaintext,
    /// Null.
    Empty,
    Invalid(String),
    /// Something that has been reported already.
    Reported,
}

impl Error {
    pub fn new(cause: Cause, node: u32) -> Self {
        Self { cause, node: Some(node), drop: None, secret: false }
    }

    pub fn at(mut self, node: u32) -> Self {
        self.node.get_or_insert(node);
        self
    }

    pub fn in_secret(mut self) -> Self {
        self.secret = true;
        self
    }

    pub fn dropping(mut self, node: u32) -> Self {
        self.drop.get_or_insert(node);
        self
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self { cause, node: None, drop: None, secret: false }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.cause)
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Cause::Invalid(message.to_string()).into()
    }

    /// The unexpected value itself is left out: it may be a secret.
    fn invalid_type(_: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Cause::Invalid(format!("expected {expected}")).into()
    }

    fn invalid_value(_: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Cause::Invalid(format!("expected {expected}")).into()
    }

    fn unknown_field(key: &str, expected: &'static [&'static str]) -> Self {
        Cause::UnknownKey { key: key.to_owned(), expected }.into()
    }

    fn unknown_variant(value: &str, expected: &'static [&'static str]) -> Self {
        Cause::UnknownValue { value: value.to_owned(), expected }.into()
    }

    fn missing_field(key: &'static str) -> Self {
        Cause::MissingKey(key).into()
    }

    /// Keys that stand twice are found, with both places, before anything is decoded.
    fn duplicate_field(_: &'static str) -> Self {
        Cause::Reported.into()
    }
}
