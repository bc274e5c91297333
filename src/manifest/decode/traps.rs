//! Values that people know from YAML 1.1 or from other formats, and that mean something else here: what to write instead.

use super::super::arena::{Kind, Node};

/// A hint for a node that is not what was expected there.
pub fn hint(expected: &str, node: &Node<'_>) -> Option<String> {
    let text = &*node.text;
    match expected {
        "`true` or `false`" => of_switch(node.kind, text),
        "a whole number" => of_number(node.kind, text),
        "a map" => of_map(node.kind, text),
        "a list" if matches!(node.kind, Kind::Plain | Kind::Text) => {
            Some("a list is written `[a, b]`, also when it has one element".to_owned())
        }
        _ => None,
    }
}

fn of_switch(kind: Kind, text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let meant = match lower.as_str() {
        "true" | "yes" | "on" | "y" | "1" => "true",
        "false" | "no" | "off" | "n" | "0" => "false",
        _ => return None,
    };
    Some(match (kind, lower.as_str()) {
        (Kind::Text, "true" | "false") => format!("write `{meant}` without quotes"),
        (Kind::Text | Kind::Plain | Kind::List | Kind::Map | Kind::Refused, _) => {
            format!("in YAML 1.2 only `true` and `false` are switches; write `{meant}`")
        }
    })
}

fn of_number(kind: Kind, text: &str) -> Option<String> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if kind == Kind::Text && digits(text) {
        return Some(format!("write `{text}` without quotes"));
    }
    let lower = text.to_ascii_lowercase();
    for (prefix, of_base) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(number) = lower.strip_prefix(prefix).and_then(|it| u64::from_str_radix(it, of_base).ok())
        {
            return Some(format!("numbers are decimal here; write `{number}`"));
        }
    }
    let bare = lower.replace('_', "");
    if bare != lower && digits(&bare) {
        return Some(format!("write `{bare}`"));
    }
    if digits(text) && text.starts_with('0') {
        let decimal = text.trim_start_matches('0');
        return Some(format!(
            "a number that begins with 0 is octal for some readers and decimal for others; write `{decimal}`"
        ));
    }
    if let Some(rest) = text.strip_prefix('+').filter(|rest| digits(rest)) {
        return Some(format!("write `{rest}`"));
    }
    lower.contains(['e', '.']).then(|| lower.parse::<f64>().ok()).flatten().and_then(|number| {
        let whole = number.fract() == 0.0 && (0.0..1e9).contains(&number);
        whole.then(|| format!("write `{number:.0}`"))
    })
}

fn of_map(kind: Kind, text: &str) -> Option<String> {
    let (key, value) = text.split_once(':').unwrap_or_default();
    let is_word = |word: &str| !word.is_empty() && word.chars().all(|it| it.is_alphanumeric());
    match kind {
        Kind::Plain if is_word(key) && !value.starts_with(['/', ' ']) && !value.is_empty() => {
            Some("a blank is missing behind the colon: `key: value`".to_owned())
        }
        Kind::Plain | Kind::Text | Kind::List | Kind::Map | Kind::Refused => None,
    }
}

/// `no` and its kin where one of several words belongs.
pub fn none_of_words(value: &str, expected: &[&str]) -> Option<String> {
    let negative = matches!(value.to_ascii_lowercase().as_str(), "no" | "off" | "false" | "n");
    (negative && expected.contains(&"none")).then(|| "did you mean `none`?".to_owned())
}
