//! How a single value is written: without quotes where no reader takes it for anything but this text.

use std::fmt::Write as _;

/// Where a scalar stands: inside braces and brackets, commas and brackets end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Around {
    Block,
    Flow,
}

/// A text on one line, in quotes only where it needs them.
pub fn text(text: &str, around: Around) -> String {
    if is_plain(text, around) && !is_special(text) { text.to_owned() } else { quoted(text) }
}

/// A text in quotes. Double ones, unless single ones spare it its escapes.
pub fn quoted(text: &str) -> String {
    let has_escapes = text.contains(['"', '\\']);
    if has_escapes && !text.contains('\'') && text.chars().all(is_printable) {
        return format!("'{text}'");
    }
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            other if is_printable(other) => quoted.push(other),
            // Writing into a text cannot fail.
            other if u32::from(other) > 0xFFFF => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(other));
            }
            other => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(other));
            }
        }
    }
    quoted.push('"');
    quoted
}

/// What can stand in a line as it is. Characters that look like others or like nothing are escaped.
fn is_printable(character: char) -> bool {
    let looks_like_nothing = matches!(
        character,
        '\u{85}' | '\u{A0}' | '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
    );
    let not_a_character = matches!(character, '\u{FEFF}' | '\u{FFF0}'..='\u{FFFB}' | '\u{FFFE}' | '\u{FFFF}');
    !character.is_control() && !looks_like_nothing && !not_a_character
}

/// Whether a text can stand without quotes as far as the syntax goes (YAML 1.2, section 7.3.3).
pub fn is_plain(text: &str, around: Around) -> bool {
    let mut characters = text.chars();
    let Some(first) = characters.next() else { return false };
    let begins = match first {
        '-' | '?' | ':' => characters.next().is_some_and(|second| !second.is_whitespace()),
        ',' | '[' | ']' | '{' | '}' | '#' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => {
            false
        }
        _ => true,
    };
    let ends = !text.ends_with(':') && text.trim() == text;
    let marker = text.starts_with("---") || text.starts_with("...");
    let inside =
        !text.contains(": ") && !text.contains(":\t") && !text.contains(" #") && !text.contains("\t#");
    let fits = match around {
        Around::Block => true,
        // `a:?b` is one plain scalar, but libyaml, which many programs read with, refuses it inside braces.
        Around::Flow => {
            !text.contains([',', '[', ']', '{', '}']) && !text.starts_with(['?', ':']) && !text.contains(":?")
        }
    };
    begins && ends && !marker && inside && fits && text.chars().all(is_printable)
}

/// Whether some reader takes this text, without quotes, for something else than a text: the core schema of YAML 1.2
/// (section 10.3.2), and the types of YAML 1.1, which many programs still read (`no`, `0123`, `22:22`, dates).
pub fn is_special(text: &str) -> bool {
    const WORDS: [&str; 14] =
        ["", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "<<", "=", ".nan"];
    let lower = text.to_ascii_lowercase();
    let unsigned = lower.strip_prefix(['+', '-']).unwrap_or(&lower);
    WORDS.contains(&lower.as_str()) || unsigned == ".inf" || is_number(unsigned) || is_moment(&lower)
}

fn is_number(unsigned: &str) -> bool {
    for (prefix, of_base) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = unsigned.strip_prefix(prefix) {
            return digits.chars().all(|digit| digit.is_digit(of_base) || digit == '_');
        }
    }
    let (mantissa, exponent) = unsigned.split_once('e').unwrap_or((unsigned, "0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let begins = mantissa.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    let numeric = mantissa.chars().all(|character| character.is_ascii_digit() || "._:".contains(character));
    let power = !exponent.is_empty() && exponent.chars().all(|digit| digit.is_ascii_digit());
    begins && numeric && power && mantissa.contains(|digit: char| digit.is_ascii_digit())
}

fn is_moment(lower: &str) -> bool {
    let mut parts = lower.splitn(3, '-');
    let digits = |part: Option<&str>, most: usize| {
        part.is_some_and(|part| {
            (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let dated = digits(parts.next(), 4) && digits(parts.next(), 2);
    dated && parts.next().is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_stay_where_some_reader_would_see_no_text() {
        for special in [
            "no",
            "Yes",
            "ON",
            "y",
            "~",
            "null",
            "",
            "true",
            "0123",
            "0o17",
            "0x1F",
            "1e3",
            "1_000",
            "22:22",
            "1.20",
            "192.0.2.7",
            "2026-11-01",
            "2026-11-01T00:00:00Z",
            ".inf",
            "-.INF",
            ".NaN",
            "-5",
            "+5",
            "<<",
            "=",
            "0b11",
        ] {
            assert_eq!(text(special, Around::Block), format!("\"{special}\""));
        }
    }

    #[test]
    fn quotes_go_where_nobody_needs_them() {
        for plain in [
            "anna@contoso.example",
            "https://mail.example/EWS/Exchange.asmx",
            "a b",
            "CONTOSO\\svc",
            "5m",
            "Straße",
            "v1.2.3-x",
            "9a1d3c44-8e5f",
            "-x",
            "age1qx",
            "don't",
            "mail.contoso.example",
            "2026-11",
            "e3",
            "C:\\x",
        ] {
            assert_eq!(text(plain, Around::Flow), plain);
        }
        assert_eq!(text("a, b", Around::Block), "a, b");
    }

    #[test]
    fn what_the_syntax_would_read_otherwise_is_quoted() {
        assert_eq!(text("a, b", Around::Flow), "\"a, b\"");
        assert_eq!(text("a:?b", Around::Flow), "\"a:?b\"");
        assert_eq!(text("a:?b", Around::Block), "a:?b");
        for (written, expected) in [
            ("*@a.b", "\"*@a.b\""),
            ("CRM:", "\"CRM:\""),
            ("a: b", "\"a: b\""),
            ("a #b", "\"a #b\""),
            (" a", "\" a\""),
            ("- a", "\"- a\""),
            ("---", "\"---\""),
            ("a\nb", "\"a\\nb\""),
            ("\"a\"", "'\"a\"'"),
            ("a\u{2028}", "\"a\\u2028\""),
            ("\\: '", "\"\\\\: '\""),
            ("\u{200B}", "\"\\u200B\""),
        ] {
            assert_eq!(text(written, Around::Block), expected);
        }
    }
}
