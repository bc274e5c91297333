//! Finds a password in what a server says although the server has written it differently: escaped, encoded, in other letters, with something
//! in between.
//!
//! Instead of one spelling after the other, the words are read as whoever wants to know the password would read them: every
//! escape is undone, every run of digits or base64 is decoded, twice over, and what is left is compared without case,
//! blanks and invisible characters. Each octet remembers where in the words it came from. Words are short
//! (`limits::SERVER_WORDS_CHARACTERS_MAX`), so that the cost is bounded.

use std::collections::BTreeSet;

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

use crate::model::failure::CUT;

/// One octet, and the octets of the words that it stands for.
type Octet = (u8, usize, usize);
type View = Vec<Octet>;

/// Encodings inside encodings.
const DEPTH_MAX: usize = 2;
/// Numbers or letters in a row that may be something encoded.
const RUN_MIN: usize = 4;
const BASE64_RUN_MIN: usize = 6;
/// Fewer letters and digits are found anywhere by chance.
const BARE_MIN: usize = 6;

/// Where the secret stands in the words: ranges of octets, ascending, on character boundaries.
pub fn places(words: &str, secret: &str, bytes_min: usize) -> Vec<(usize, usize)> {
    let plain = |secret: &str| -> View { secret.bytes().map(|octet| (octet, 0, 0)).collect() };
    let folded = |secret: &View| [Fold::Visible, Fold::Bare].map(|fold| (fold, octets(&fold.of(secret))));
    let secrets = spellings(secret).into_iter().map(|secret| plain(&secret)).flat_map(|secret| {
        // What looks like an escape in the secret itself is undone with those of the words.
        [unescaped(&secret), secret]
    });
    let secrets: Vec<(Fold, Vec<u8>)> = secrets.flat_map(|secret| folded(&secret)).collect();
    let mut found = Vec::new();
    let mut views = vec![words.bytes().enumerate().map(|(at, octet)| (octet, at, at + 1)).collect::<View>()];
    for depth in 0..=DEPTH_MAX {
        for view in &views {
            for (fold, secret) in &secrets {
                if secret.len() >= fold.least(bytes_min) {
                    found.extend(find(&fold.of(view), secret, bytes_min));
                }
            }
        }
        if depth < DEPTH_MAX {
            views = views.iter().flat_map(decoded).collect();
        }
    }
    merged(words, found)
}

/// As programs compose and decompose letters beyond ASCII (Unicode Standard Annex 15), and write them small and large.
fn spellings(secret: &str) -> BTreeSet<String> {
    let mut spellings = BTreeSet::from([secret.to_owned()]);
    if !secret.is_ascii() {
        for composer in [ComposingNormalizerBorrowed::new_nfc(), ComposingNormalizerBorrowed::new_nfkc()] {
            spellings.insert(composer.normalize(secret).into_owned());
        }
        for decomposer in
            [DecomposingNormalizerBorrowed::new_nfd(), DecomposingNormalizerBorrowed::new_nfkd()]
        {
            spellings.insert(decomposer.normalize(secret).into_owned());
        }
        let cases: Vec<String> =
            spellings.iter().flat_map(|secret| [secret.to_lowercase(), secret.to_uppercase()]).collect();
        spellings.extend(cases);
    }
    spellings
}

/// What does not count in a comparison.
#[derive(Debug, Clone, Copy)]
enum Fold {
    /// Case, blanks and what cannot be seen.
    Visible,
    /// All but letters and digits.
    Bare,
}

impl Fold {
    fn least(self, bytes_min: usize) -> usize {
        match self {
            Self::Visible => bytes_min,
            Self::Bare => BARE_MIN.max(bytes_min),
        }
    }

    fn of(self, view: &View) -> View {
        let mut folded = View::with_capacity(view.len());
        let mut at = 0;
        while let Some((octet, from, to)) = view.get(at).copied() {
            at += 1;
            if let Some(length) = invisible(&view[at - 1..]) {
                at += length - 1;
                continue;
            }
            let counts = match self {
                Self::Visible => !octet.is_ascii_whitespace() && !octet.is_ascii_control(),
                Self::Bare => octet.is_ascii_alphanumeric() || !octet.is_ascii(),
            };
            if counts {
                folded.push((octet.to_ascii_lowercase(), from, to));
            }
        }
        folded
    }
}

/// Soft hyphen, zero-width characters and marks of direction, in UTF-8.
fn invisible(view: &[Octet]) -> Option<usize> {
    const MARKS: [&[u8]; 8] = [
        b"\xc2\xad",
        b"\xe2\x80\x8b",
        b"\xe2\x80\x8c",
        b"\xe2\x80\x8d",
        b"\xe2\x80\x8e",
        b"\xe2\x80\x8f",
        b"\xe2\x81\xa0",
        b"\xef\xbb\xbf",
    ];
    MARKS.iter().find(|mark| begins(view, mark)).map(|mark| mark.len())
}

fn begins(view: &[Octet], text: &[u8]) -> bool {
    view.len() >= text.len() && view.iter().zip(text).all(|((octet, ..), other)| octet == other)
}

fn octets(view: &View) -> Vec<u8> {
    view.iter().map(|(octet, ..)| *octet).collect()
}

/// Every place of the secret, and its beginning where the words were cut.
fn find(view: &View, secret: &[u8], bytes_min: usize) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut cut = [0; 4];
    let cut = CUT.encode_utf8(&mut cut).as_bytes();
    let range = |some: &[Octet]| Some((some.first()?.1, some.last()?.2));
    for at in 0..view.len() {
        let rest = &view[at..];
        if begins(rest, secret) {
            found.extend(range(&rest[..secret.len()]));
            continue;
        }
        let same = rest.iter().zip(secret).take_while(|((octet, ..), other)| octet == *other).count();
        if same >= bytes_min && begins(&rest[same..], cut) {
            found.extend(range(&rest[..same]));
        }
    }
    found
}

fn merged(words: &str, mut found: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    for (from, to) in &mut found {
        while !words.is_char_boundary(*from) {
            *from -= 1;
        }
        while !words.is_char_boundary(*to) {
            *to += 1;
        }
    }
    found.sort_unstable();
    let mut apart: Vec<(usize, usize)> = Vec::new();
    for (from, to) in found {
        match apart.last_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            Some(_) | None => apart.push((from, to)),
        }
    }
    apart
}

/// What the words say when they are taken to be encoded, once.
fn decoded(view: &View) -> Vec<View> {
    let mut views = vec![unescaped(view), in_numbers(view, 16), in_numbers(view, 10)];
    views.extend((0..4).map(|skipped| from_base64(view, skipped)));
    views.retain(|other| other.len() < view.len());
    views
}

/// Without the escapes of URLs, mail (quoted-printable), programming languages, JSON and HTML.
fn unescaped(view: &View) -> View {
    let mut plain = View::with_capacity(view.len());
    let mut at = 0;
    while let Some((octet, from, _)) = view.get(at).copied() {
        let rest = &view[at + 1..];
        let escape = match octet {
            b'%' | b'=' => hexadecimal(rest, (2, 2)).map(byte).or_else(|| soft_break(octet, rest)),
            b'\\' => Some(behind_backslash(rest)),
            b'&' => entity(rest),
            _ => None,
        };
        match escape {
            Some((text, length)) => {
                let to = view.get(at + length).map_or(from, |(_, _, to)| *to);
                plain.extend(text.into_iter().map(|octet| (octet, from, to)));
                at += 1 + length;
            }
            None => {
                plain.extend(view.get(at));
                at += 1;
            }
        }
    }
    plain
}

/// What an escape stands for, and its length without the character that begins it.
type Escape = (Vec<u8>, usize);

/// A number of so many digits; the longest.
fn hexadecimal(rest: &[Octet], (min, max): (usize, usize)) -> Option<(u32, usize)> {
    number(rest, 16, (min, max))
}

fn number(rest: &[Octet], radix: u32, (min, max): (usize, usize)) -> Option<(u32, usize)> {
    let digit = |octet: u8| char::from(octet).to_digit(radix);
    let digits: Vec<u32> = rest.iter().take(max).map_while(|(octet, ..)| digit(*octet)).collect();
    let value =
        digits.iter().try_fold(0_u32, |value, digit| value.checked_mul(radix)?.checked_add(*digit))?;
    (digits.len() >= min).then_some((value, digits.len()))
}

fn byte((value, length): (u32, usize)) -> Escape {
    (u8::try_from(value).into_iter().collect(), length)
}

fn letter((value, length): (u32, usize)) -> Escape {
    let letter = char::from_u32(value).map(String::from).unwrap_or_default();
    (letter.into_bytes(), length)
}

/// `=` at the end of a line of quoted-printable; line ends are blanks by now.
fn soft_break(octet: u8, rest: &[Octet]) -> Option<Escape> {
    let blanks = rest.iter().take_while(|(octet, ..)| octet.is_ascii_whitespace()).count();
    (octet == b'=' && blanks > 0).then_some((Vec::new(), blanks))
}

fn behind_backslash(rest: &[Octet]) -> Escape {
    let Some((first, ..)) = rest.first().copied() else { return (Vec::new(), 0) };
    let after = &rest[1..];
    let longer = |(text, length): Escape| (text, length + 1);
    let escape = match first {
        b'x' => hexadecimal(after, (2, 2)).map(byte).map(longer),
        b'u' | b'U' if begins(after, b"{") => {
            let number = hexadecimal(&after[1..], (1, 6));
            number.map(letter).map(|(text, length)| (text, length + 3))
        }
        b'u' => hexadecimal(after, (4, 4)).map(letter).map(longer),
        b'U' => hexadecimal(after, (8, 8)).map(letter).map(longer),
        b'0'..=b'7' => number(rest, 8, (1, 3)).map(byte),
        b'n' | b'r' | b't' => Some((vec![b' '], 1)),
        _ => None,
    };
    escape.unwrap_or((vec![first], 1))
}

/// `&#104;`, `&#x68;`, `&quot;`.
fn entity(rest: &[Octet]) -> Option<Escape> {
    const NAMES: [(&str, u8); 33] = [
        ("amp", b'&'),
        ("lt", b'<'),
        ("gt", b'>'),
        ("quot", b'"'),
        ("apos", b'\''),
        ("excl", b'!'),
        ("num", b'#'),
        ("dollar", b'$'),
        ("percnt", b'%'),
        ("lpar", b'('),
        ("rpar", b')'),
        ("ast", b'*'),
        ("plus", b'+'),
        ("comma", b','),
        ("period", b'.'),
        ("sol", b'/'),
        ("colon", b':'),
        ("semi", b';'),
        ("equals", b'='),
        ("quest", b'?'),
        ("commat", b'@'),
        ("lsqb", b'['),
        ("bsol", b'\\'),
        ("rsqb", b']'),
        ("Hat", b'^'),
        ("lowbar", b'_'),
        ("grave", b'`'),
        ("lcub", b'{'),
        ("verbar", b'|'),
        ("rcub", b'}'),
        ("nbsp", b' '),
        ("Tab", b' '),
        ("hyphen", b'-'),
    ];
    let (escape, length) = if begins(rest, b"#x") || begins(rest, b"#X") {
        let (text, length) = letter(hexadecimal(&rest[2..], (1, 7))?);
        (text, length + 2)
    } else if begins(rest, b"#") {
        let (text, length) = letter(number(&rest[1..], 10, (1, 8))?);
        (text, length + 1)
    } else {
        let (name, octet) = NAMES.iter().find(|(name, _)| begins(rest, name.as_bytes()))?;
        (vec![*octet], name.len())
    };
    Some((escape, length + usize::from(begins(&rest[length..], b";"))))
}

/// With runs of numbers as the octets that they count: `68 75 6e`, `68756e`, `0x68, 0x75`, `[104, 117]`.
fn in_numbers(view: &View, radix: u32) -> View {
    let mut plain = View::with_capacity(view.len());
    let mut at = 0;
    while at < view.len() {
        let (run, length) = numbers(&view[at..], radix);
        if run.len() >= RUN_MIN {
            plain.extend(run);
            at += length;
        } else {
            plain.extend(view.get(at));
            at += 1;
        }
    }
    plain
}

/// The octets that a run of numbers at the beginning stands for, and its length.
fn numbers(view: &[Octet], radix: u32) -> (View, usize) {
    let mut run = View::new();
    let (mut at, mut end) = (0, 0);
    let digits = if radix == 16 { (2, 2) } else { (1, 3) };
    while let Some((value, length)) = number(&view[at..], radix, digits) {
        let Ok(octet) = u8::try_from(value) else { break };
        let (Some((_, from, _)), Some((_, _, to))) = (view.get(at), view.get(at + length - 1)) else { break };
        run.push((octet, *from, *to));
        end = at + length;
        at = end;
        let is_between = |octet: u8| matches!(octet, b' ' | b',' | b':' | b'-' | b';' | b'.');
        at += view[at..].iter().take_while(|(octet, ..)| is_between(*octet)).count();
        if radix == 16 && (begins(&view[at..], b"0x") || begins(&view[at..], b"\\x")) {
            at += 2;
        }
        // Decimal numbers without anything in between are one number.
        if radix == 10 && at == end {
            break;
        }
    }
    (run, end)
}

/// With every run of base64, also of its form for URLs, decoded. Where a run begins in the middle, its first
/// characters belong to an octet of which the rest is not there.
fn from_base64(view: &View, skipped: usize) -> View {
    let mut plain = View::with_capacity(view.len());
    let mut at = 0;
    while at < view.len() {
        let length = view[at..].iter().take_while(|(octet, ..)| sextet(*octet).is_some()).count();
        if length < BASE64_RUN_MIN + skipped {
            plain.extend(&view[at..(at + length.max(1)).min(view.len())]);
        } else {
            plain.extend(&view[at..at + skipped]);
            plain.extend(base64(&view[at + skipped..at + length]));
        }
        at += length.max(1);
    }
    plain
}

fn base64(run: &[Octet]) -> View {
    let mut octets = View::new();
    let (mut bits, mut count, mut begun) = (0_u32, 0, 0);
    for (octet, from, to) in run {
        if count == 0 {
            begun = *from;
        }
        bits = (bits << 6) | u32::from(sextet(*octet).unwrap_or_default());
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push(((bits >> count) as u8, begun, *to));
            bits &= (1 << count) - 1;
            begun = *from;
        }
    }
    octets
}

fn sextet(octet: u8) -> Option<u8> {
    match octet {
        b'A'..=b'Z' => Some(octet - b'A'),
        b'a'..=b'z' => Some(octet - b'a' + 26),
        b'0'..=b'9' => Some(octet - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(words: &str, secret: &str) -> String {
        let mut masked = words.to_owned();
        for (from, to) in places(words, secret, 4).into_iter().rev() {
            masked.replace_range(from..to, "*");
        }
        masked
    }

    #[test]
    fn a_password_is_found_in_every_disguise() {
        for (words, expected) in [
            ("said HUNTER2!", "said *"),
            ("said h\u{200b}unter2!", "said *"),
            ("said hunt er2!", "said *"),
            ("said h-u-n-t-e-r-2 ok", "said * ok"),
            ("said %68%75%6e%74%65%72%32%21.", "said *."),
            ("said %2568unter2!.", "said *."),
            ("said &#104;&#x75;nter2&excl; x", "said * x"),
            ("said &amp;#104;unter2! x", "said * x"),
            (r"said \u0068unter2! x", "said * x"),
            (r"said \u{68}unter2! x", "said * x"),
            (r"said \x68unter2\41 x", "said * x"),
            (r#"said \"hunter2!\" x"#, r#"said \"*\" x"#),
            ("said =68unt=65r2=21 x", "said * x"),
            ("said hunt= er2! x", "said * x"),
            ("said 68 75 6e 74 65 72 32 21 x", "said * x"),
            ("said 68:75:6E:74:65:72:32:21 x", "said * x"),
            ("said 0x68,0x75,0x6e,0x74,0x65,0x72,0x32,0x21 x", "said 0x* x"),
            ("said [104, 117, 110, 116, 101, 114, 50, 33] x", "said [*] x"),
            ("said aHVudGVyMiE= x", "said *= x"),
            ("said YUhWdWRHVnlNaUU= x", "said *= x"),
            ("said 614856756447567979 hunter2!", "said 614856756447567979 *"),
            ("said hunte\u{2026}", "said *\u{2026}"),
            ("said %68unte\u{2026}", "said *\u{2026}"),
        ] {
            assert_eq!(masked(words, "hunter2!"), expected, "{words}");
        }
    }

    #[test]
    fn a_password_of_other_letters_is_found_too() {
        assert_eq!(masked("said gr%C3%BCn-42 x", "grün-42"), "said * x");
        assert_eq!(masked(r"said gr\u00fcn-42 x", "grün-42"), "said * x");
        assert_eq!(masked("said gr&#252;n-42 x", "grün-42"), "said * x");
        assert_eq!(masked("said %24%26%2F%28 x", "$&/("), "said * x");
    }

    #[test]
    fn a_password_that_looks_like_an_escape_itself_is_found_too() {
        for words in [
            r#"said p\u00e4\u00df"w\u00f6\\rd {%} x"#,
            r"said p&#228;&szlig;&quot;w&#246;\rd {%} x".replace("&szlig;", "&#223;").as_str(),
            r#"said p=C3=A4=C3=9F"w=C3=B6\rd {%} x"#,
            r#"said p%C3%A4%C3%9F"w%C3%B6\rd {%} x"#,
        ] {
            assert_eq!(masked(words, r#"päß"wö\rd {%}"#), "said * x", "{words}");
        }
    }

    #[test]
    fn what_is_no_password_stays() {
        for words in
            ["535 5.7.8 authentication failed", "", "\u{2026}", "%", "\\", "&", "&#;", "=", "0x", "é%é"]
        {
            assert_eq!(masked(words, "hunter2!"), words);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_words_make_the_search_panic(words in "[ %=&#\\\\xu{};0-9a-fé\u{2026}\u{200b}]{0,80}", secret in "[0-9a-fé%]{0,8}") {
            let _ = places(&words, &secret, 4);
        }
    }
}
