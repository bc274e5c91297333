//! What is different each time a program runs, replaced by what it is: the scratch folder, the time of day, drawn numbers and keys,
//! durations. What a case itself says stays readable.

use std::path::Path;

pub struct Masks {
    folder: String,
    /// As a process names itself: ` on <host> (process`.
    host: String,
    /// Everything that the case says itself.
    known: String,
}

impl Masks {
    pub fn new(folder: &Path) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let folder = folder.display().to_string();
        Self { folder, host: format!(" on {} (process", host.trim()), known: String::new() }
    }

    /// Whatever stands in this text is not masked.
    pub fn knows(&mut self, text: &str) {
        self.known += text;
        self.known.push('\n');
    }

    pub fn apply(&self, text: &str) -> String {
        let text = text.replace(&self.folder, "<folder>").replace(&self.host, " on <host> (process");
        let text = text.replace(&self.host.replace(" (process", ","), " on <host>,");
        let mut masked = String::new();
        let mut rest = text.as_str();
        while let Some(first) = rest.chars().next() {
            let at_word = !masked.ends_with(|c: char| c.is_ascii_alphanumeric());
            match at_word.then(|| self.mask(rest)).flatten() {
                Some((length, name)) => {
                    masked += name;
                    rest = &rest[length..];
                }
                None => {
                    masked.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        masked
    }

    /// How much of the beginning is masked, and as what.
    fn mask(&self, text: &str) -> Option<(usize, &'static str)> {
        if let Some(length) = process(text) {
            return Some((length, "process <number>"));
        }
        let known = |length: usize| self.known.contains(&text[..length]);
        if let Some(length) = duration(text) {
            return Some((length, "<duration>"));
        }
        let length = moment(text).filter(|length| !known(*length));
        if let Some(length) = length {
            return Some((length, "<time>"));
        }
        let word = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
        if known(word) {
            return None;
        }
        if word == 62 && text.starts_with("age1") {
            return Some((word, "<recipient>"));
        }
        (word >= 16 && text[..word].bytes().all(|b| b.is_ascii_hexdigit())).then_some((word, "<hex>"))
    }
}

/// The length of a moment as RFC 3339 writes it, also without seconds and zone, with `T` or a space.
fn moment(text: &str) -> Option<usize> {
    let begins = |pattern: &str| {
        let fits = |(p, c): (u8, u8)| if p == b'0' { c.is_ascii_digit() } else { p == c };
        text.len() >= pattern.len() && pattern.bytes().zip(text.bytes()).all(fits)
    };
    let day = "0000-00-00";
    let length = ["T00:00:00", " 00:00:00", "T00:00", " 00:00"].iter().find_map(|time| {
        let pattern = format!("{day}{time}");
        begins(&pattern).then_some(pattern.len())
    })?;
    let fraction = match text[length..].strip_prefix('.') {
        Some(digits) => 1 + digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len()),
        None => 0,
    };
    let zone = usize::from(text[length + fraction..].starts_with('Z'));
    Some(length + fraction + zone)
}

/// The length of `process 4711`.
fn process(text: &str) -> Option<usize> {
    let digits = text.strip_prefix("process ")?;
    let length = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    (length > 0).then_some("process ".len() + length)
}

/// The length of `12 ms`, `0.3 s`.
fn duration(text: &str) -> Option<usize> {
    let number = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let unit = [" ms", " s", "ms"].iter().find(|unit| text[number..].starts_with(**unit))?;
    let length = number + unit.len();
    let ends = !text[length..].starts_with(|c: char| c.is_ascii_alphanumeric());
    (number > 0 && ends).then_some(length)
}

#[test]
fn only_what_is_different_each_time_is_masked() {
    let mut masks = Masks::new(Path::new("/scratch/one"));
    masks.knows("from: 2026-11-01T00:00:00Z\nrecipients: age1wlhj34yyy4rrum0u3r943f5r8xxf9aljrczdcke6qqdnn69f0fxq6m2qwz");
    for (text, masked) in [
        ("/scratch/one/mail at 2026-11-21 23:37", "<folder>/mail at <time>"),
        ("since 2026-11-01T00:00:00Z, 2026-11-21T23:37:42.123Z", "since 2026-11-01T00:00:00Z, <time>"),
        ("connect 12 ms, in 0.3 s", "connect <duration>, in <duration>"),
        ("`apply` in process 4711, a process", "`apply` in process <number>, a process"),
        ("12 mailboxes, 3 settings, port 993", "12 mailboxes, 3 settings, port 993"),
        (
            "age1wlhj34yyy4rrum0u3r943f5r8xxf9aljrczdcke6qqdnn69f0fxq6m2qwz",
            "age1wlhj34yyy4rrum0u3r943f5r8xxf9aljrczdcke6qqdnn69f0fxq6m2qwz",
        ),
        ("age1nrdnhj8efgtj8zu4gkmecgkdfy3l5v6wjxlacvzrnhut4v2yrcls42zqq2.", "<recipient>."),
        ("store 0123456789abcdef0123456789abcdef", "store <hex>"),
        ("2026-11-21 and deadbeef", "2026-11-21 and deadbeef"),
    ] {
        assert_eq!(masks.apply(text), masked);
    }
}
