//! A serde `Deserializer` over one node of an arena.
//!
//! The schema says what a scalar is: `NO`, `1.20` and `0755` stay texts where a text is expected; only `true` and
//! `false` without quotes are booleans; null is nothing that can be read.

use std::collections::BTreeSet;

use serde::de::value::{StrDeserializer, U32Deserializer};
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::error::{Cause, Error};
use super::spanned::{RAW, SPANNED};
use crate::manifest::arena::{Kind, Node, Tree};

/// Structs in whose place a plain text is a secret that somebody forgot to encrypt.
const SECRET_STRUCTS: [&str; 3] = ["SecretReference", "MailboxSecretReference", "SecretValue"];
/// What such texts can stand in.
const SECRET_SPEC: &str = "SecretSpec";

/// A node, without the parts of the document that have turned out to be unreadable.
#[derive(Clone, Copy)]
pub struct At<'t> {
    pub tree: &'t Tree<'t>,
    pub index: u32,
    pub dropped: &'t BTreeSet<u32>,
}

impl<'t> At<'t> {
    fn to(self, index: u32) -> Self {
        Self { index, ..self }
    }

    fn error(self, cause: Cause) -> Error {
        Error::new(cause, self.index)
    }

    /// The node, unless it has no value.
    fn node(self) -> Result<&'t Node<'t>, Error> {
        let node = self.tree.node(self.index).ok_or_else(|| self.error(Cause::Empty))?;
        match node.kind {
            Kind::Refused => Err(self.error(Cause::Reported)),
            Kind::Plain if node.is_null() => Err(self.error(Cause::Empty)),
            Kind::Plain | Kind::Text | Kind::List | Kind::Map => Ok(node),
        }
    }

    fn scalar(self, expected: &'static str) -> Result<&'t Node<'t>, Error> {
        let node = self.node()?;
        match node.kind {
            Kind::Plain | Kind::Text => Ok(node),
            Kind::List | Kind::Map | Kind::Refused => Err(self.wrong(expected, node)),
        }
    }

    fn wrong(self, expected: &'static str, node: &Node<'_>) -> Error {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let found = match node.kind {
            Kind::Plain if node.text.strip_prefix('-').is_some_and(digits) => "a negative number",
            Kind::Plain if digits(&node.text) && node.text.starts_with('0') => "a number with a 0 in front",
            Kind::Plain if digits(&node.text) && expected == "a whole number" => "one that is too large",
            Kind::Plain if digits(&node.text) => "a number",
            Kind::Plain | Kind::Refused => "a text",
            Kind::Text => "a quoted text",
            Kind::List => "a list",
            Kind::Map => "a map",
        };
        self.error(Cause::WrongType { expected, found })
    }

    fn map<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        let node = self.node()?;
        if node.kind != Kind::Map {
            return Err(self.wrong("a map", node));
        }
        let access = Pairs { at: self, next: self.index + 1, end: node.next, key: self.index };
        visitor.visit_map(access).map_err(|error| error.at(self.index))
    }

    fn list<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        let node = self.node()?;
        if node.kind != Kind::List {
            return Err(self.wrong("a list", node));
        }
        let access = Elements { at: self, next: self.index + 1, end: node.next };
        visitor.visit_seq(access).map_err(|error| error.at(self.index))
    }

    fn next_of(self, index: u32) -> u32 {
        self.tree.node(index).map_or(u32::MAX, |node| node.next)
    }
}

macro_rules! numbers {
    ($($name:ident $visit:ident $type:ty, $expected:literal;)*) => {$(
        fn $name<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
            let node = self.scalar($expected)?;
            if node.kind == Kind::Text {
                return Err(self.wrong($expected, node));
            }
            // `parse` takes a sign, and zeros in front, which are octal for readers of YAML 1.1.
            let is_whole = node.text.bytes().all(|byte| byte.is_ascii_digit());
            let is_shortest = node.text.len() == 1 || !node.text.starts_with('0');
            let number = node.text.parse::<$type>().ok().filter(|_| is_whole && is_shortest);
            let number = number.ok_or_else(|| self.wrong($expected, node))?;
            visitor.$visit(number).map_err(|error: Error| error.at(self.index))
        }
    )*};
}

impl<'t> Deserializer<'t> for At<'t> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node()?.kind {
            Kind::List => self.list(visitor),
            Kind::Map => self.map(visitor),
            Kind::Plain | Kind::Text | Kind::Refused => self.deserialize_str(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        let node = self.scalar("`true` or `false`")?;
        match (node.kind, &*node.text) {
            (Kind::Plain, "true") => visitor.visit_bool(true),
            (Kind::Plain, "false") => visitor.visit_bool(false),
            _ => Err(self.wrong("`true` or `false`", node)),
        }
    }

    numbers! {
        deserialize_u8 visit_u8 u8, "a whole number";
        deserialize_u16 visit_u16 u16, "a whole number";
        deserialize_u32 visit_u32 u32, "a whole number";
        deserialize_u64 visit_u64 u64, "a whole number";
        deserialize_i64 visit_i64 i64, "a whole number";
    }

    fn deserialize_str<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(&self.scalar("a text")?.text).map_err(|error: Error| error.at(self.index))
    }

    fn deserialize_string<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'t>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == RAW {
            return visitor.visit_u32(self.index);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        self.list(visitor)
    }

    fn deserialize_map<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        self.map(visitor)
    }

    fn deserialize_struct<V: Visitor<'t>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == SPANNED {
            return visitor.visit_seq(Parts { at: self, part: 0 });
        }
        if name == SECRET_SPEC {
            return self.map(visitor).map_err(Error::in_secret);
        }
        if SECRET_STRUCTS.contains(&name) {
            return match self.node()?.kind {
                Kind::Map => self.map(visitor).map_err(Error::in_secret),
                Kind::Plain | Kind::Text | Kind::List | Kind::Refused => Err(self.error(Cause::Plaintext)),
            };
        }
        self.map(visitor)
    }

    fn deserialize_enum<V: Visitor<'t>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let node = self.scalar("a text")?;
        let text: StrDeserializer<'_, Error> = (&*node.text).into_deserializer();
        visitor.visit_enum(text).map_err(|error| error.at(self.index))
    }

    fn deserialize_ignored_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'t>>
        i8 i16 i32 i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
    }
}

struct Pairs<'t> {
    at: At<'t>,
    next: u32,
    end: u32,
    key: u32,
}

impl<'t> MapAccess<'t> for Pairs<'t> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'t>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        while self.next < self.end && self.at.dropped.contains(&self.next) {
            self.next = self.at.next_of(self.at.next_of(self.next));
        }
        if self.next >= self.end {
            return Ok(None);
        }
        self.key = self.next;
        self.next = self.at.next_of(self.key);
        seed.deserialize(self.at.to(self.key))
            .map(Some)
            .map_err(|error| error.at(self.key).dropping(self.key))
    }

    fn next_value_seed<V: DeserializeSeed<'t>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let value = self.next;
        self.next = self.at.next_of(value);
        seed.deserialize(self.at.to(value)).map_err(|error| error.at(value).dropping(self.key))
    }
}

struct Elements<'t> {
    at: At<'t>,
    next: u32,
    end: u32,
}

impl<'t> SeqAccess<'t> for Elements<'t> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        while self.next < self.end && self.at.dropped.contains(&self.next) {
            self.next = self.at.next_of(self.next);
        }
        if self.next >= self.end {
            return Ok(None);
        }
        let element = self.next;
        self.next = self.at.next_of(element);
        seed.deserialize(self.at.to(element)).map(Some).map_err(|error| error.at(element).dropping(element))
    }
}

/// The parts of a `Spanned`: file, start, end, value.
struct Parts<'t> {
    at: At<'t>,
    part: u8,
}

impl<'t> SeqAccess<'t> for Parts<'t> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let place = self.at.tree.place(self.at.index);
        let number: fn(u32) -> U32Deserializer<Error> = IntoDeserializer::into_deserializer;
        self.part += 1;
        let value = match self.part {
            1 => seed.deserialize(number(place.file)),
            2 => seed.deserialize(number(place.start)),
            3 => seed.deserialize(number(place.end)),
            4 => seed.deserialize(self.at).map_err(|error| error.at(self.at.index)),
            5.. | 0 => return Ok(None),
        };
        value.map(Some)
    }
}
