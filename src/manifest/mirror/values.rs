//! Values with a grammar of their own: durations, sizes, moments, days, names, addresses.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::model::limits;
use crate::model::name::{Address, Name};

/// A duration: a whole number and a unit, `30s`, `5m`, `2h`, `30d`; `0` needs no unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Period(pub Duration);

impl TryFrom<String> for Period {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        const WORDS: &str = "a duration is a whole number and a unit: `30s`, `5m`, `2h`, `30d`";
        let (number, seconds) = match text.char_indices().last() {
            Some((at, 's')) => (text.get(..at), 1),
            Some((at, 'm')) => (text.get(..at), 60),
            Some((at, 'h')) => (text.get(..at), 3600),
            Some((at, 'd')) => (text.get(..at), 86_400),
            Some((_, '0')) if text == "0" => (Some("0"), 1),
            Some(_) | None => return Err(WORDS),
        };
        let number: u32 = whole(number.unwrap_or_default()).ok_or(WORDS)?;
        let seconds = u64::from(number).checked_mul(seconds).filter(|seconds| *seconds <= 100 * 366 * 86_400);
        seconds.map(|seconds| Self(Duration::from_secs(seconds))).ok_or("a duration is at most 100 years")
    }
}

/// Digits only: `parse` alone would take a sign.
fn whole<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A size: a whole number and a unit, `5120KiB`, `5MiB`, `100B`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(pub u64);

impl TryFrom<String> for Size {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (number, bytes) = if let Some(number) = text.strip_suffix("KiB") {
            (number, 1024)
        } else if let Some(number) = text.strip_suffix("MiB") {
            (number, 1024 * 1024)
        } else if let Some(number) = text.strip_suffix("GiB") {
            (number, 1024 * 1024 * 1024)
        } else {
            (text.strip_suffix('B').unwrap_or_default(), 1)
        };
        let number: Option<u64> = whole(number);
        let size = number.and_then(|number| number.checked_mul(bytes));
        size.map(Self).ok_or("a size is a whole number and a unit: `100B`, `5120KiB`, `5MiB`, `1GiB`")
    }
}

/// A moment with its zone (RFC 3339): `2026-11-01T00:00:00Z`, `2026-11-01T01:00:00+01:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Moment(pub Timestamp);

impl TryFrom<String> for Moment {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        // Other forms that jiff reads (weeks, blanks for `T`, a bracketed zone) are not RFC 3339.
        let like = |at: usize, is: u8| text.as_bytes().get(at) == Some(&is);
        let shaped =
            like(4, b'-') && like(7, b'-') && like(10, b'T') && like(13, b':') && !text.contains('[');
        // RFC 3339 section 5.6: the hours of a zone are those of a day. jiff takes more.
        let zone = text.len().checked_sub("+00:00".len()).and_then(|at| text.get(at..));
        let zone_hours = zone.filter(|zone| zone.starts_with(['+', '-'])).and_then(|zone| zone.get(1..3));
        let is_zone = zone_hours.is_none_or(|hours| hours.parse().is_ok_and(|hours: u8| hours < 24));
        let moment = if shaped && is_zone { text.parse().ok() } else { None };
        moment.map(Self).ok_or(
            "a moment has a date, a time and a zone: `2026-11-01T00:00:00Z` or `2026-11-01T01:00:00+01:00`",
        )
    }
}

/// A day: `2027-05-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Day(pub Date);

impl TryFrom<String> for Day {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let day = if text.len() == 10 { text.parse().ok() } else { None };
        day.map(Self).ok_or("a day is written `2027-05-01`")
    }
}

/// What a text can look like to other readers of YAML: `4711`, `1e3` and `true` are texts where one is expected.
pub const PLAIN_TYPES: [&str; 3] = ["string", "number", "boolean"];

macro_rules! text_schema {
    ($($type:ty, $name:literal, $description:literal, $more:tt;)*) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let mut schema = json_schema!($more);
                if schema.get("type").is_none() {
                    schema.insert("type".to_owned(), "string".into());
                }
                schema.insert("description".to_owned(), $description.into());
                schema
            }
        }
    )*};
}

text_schema! {
    Size, "Size", "A size: `100B`, `5120KiB`, `5MiB`, `1GiB`.", { "pattern": "^[0-9]+(B|KiB|MiB|GiB)$", "examples": ["5120KiB"] };
    Moment, "Moment", "A moment with its zone, as RFC 3339 writes it.", { "format": "date-time", "examples": ["2026-11-01T00:00:00Z"] };
    Day, "Day", "A day: `2027-05-01`.", { "format": "date", "examples": ["2027-05-01"] };
    Name, "Name", "A slug: lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit.",
        { "type": PLAIN_TYPES, "pattern": "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", "maxLength": (limits::NAME_CHARACTERS_MAX), "examples": ["hq-exchange"] };
    Address, "Address", "An e-mail address.", { "pattern": "^[^@\\s]+@[^@\\s]+$", "maxLength": (limits::ADDRESS_BYTES_MAX), "examples": ["anna@contoso.example"] };
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration: `30s`, `5m`, `2h`, `30d`; `0` needs no unit.",
            "anyOf": [{ "type": "string", "pattern": "^([0-9]+[smhd]|0)$" }, { "const": 0 }],
            "examples": ["30s", "5m", "2h", "30d"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<u64> {
        Period::try_from(text.to_owned()).ok().map(|period| period.0.as_secs())
    }

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        assert_eq!([seconds("30s"), seconds("5m"), seconds("2h")], [Some(30), Some(300), Some(7200)]);
        assert_eq!([seconds("30d"), seconds("0"), seconds("0m")], [Some(2_592_000), Some(0), Some(0)]);
        for bad in ["", "5", "m", "+5m", "-5m", "1.5h", "5 m", "99999999d", "5ü"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_size_is_a_whole_number_and_a_unit() {
        let bytes = |text: &str| Size::try_from(text.to_owned()).ok().map(|size| size.0);
        assert_eq!(
            [bytes("5120KiB"), bytes("5MiB"), bytes("7B")],
            [Some(5_242_880), Some(5_242_880), Some(7)]
        );
        assert_eq!([bytes("5"), bytes("5KB"), bytes("KiB"), bytes("99999999999999999GiB")], [None; 4]);
    }

    #[test]
    fn a_moment_has_a_zone() {
        let moment = |text: &str| Moment::try_from(text.to_owned()).ok().map(|moment| moment.0.to_string());
        assert_eq!(moment("2026-11-01T01:00:00+01:00").as_deref(), Some("2026-11-01T00:00:00Z"));
        assert_eq!(moment("2026-11-01T14:00:00+14:00").as_deref(), Some("2026-11-01T00:00:00Z"));
        for bad in [
            "2026-11-01",
            "2026-11-01T00:00:00",
            "2026-11-01 00:00:00Z",
            "20261101T000000Z",
            "é",
            "2026-11-01T00:00:00+25:00",
            "2026-11-01T00:00:00.5-24:00",
        ] {
            assert_eq!(moment(bad), None, "{bad}");
        }
    }
}
