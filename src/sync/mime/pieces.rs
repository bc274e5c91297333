//! Parameters in pieces (RFC 2231 sections 3 and 4.1), joined before they are decoded: a letter may begin in one piece and end in
//! the next.

use std::collections::BTreeMap;

use super::decode;

/// The value of a parameter that is written in pieces of which the first is encoded. `None`: it is not, and a parser that decodes
/// piece by piece reads it rightly.
pub(super) fn joined(header: &[u8], field: &str, parameter: &str) -> Option<String> {
    memchr::memmem::find(header, b"*0*")?;
    let value = value(header, field)?;
    let mut pieces: BTreeMap<u32, (Vec<u8>, Written)> = BTreeMap::new();
    for (name, value) in parameters(&value) {
        let Some((number, written)) = piece(&name, parameter) else { continue };
        pieces.entry(number).or_insert((value, written));
    }
    let (first, written) = pieces.remove(&0)?;
    let (charset, begin) = match written {
        Written::Encoded => charset(&first),
        Written::Plain => return None,
    };
    let mut octets = percent_decoded(begin);
    for (value, written) in pieces.into_values() {
        match written {
            Written::Encoded => octets.extend(percent_decoded(&value)),
            Written::Plain => octets.extend(value),
        }
    }
    Some(decode::text(&octets, charset.as_deref()).text)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Plain,
    Encoded,
}

/// `filename*2*`: the second piece but two of `filename`, encoded.
fn piece(name: &str, parameter: &str) -> Option<(u32, Written)> {
    let (base, rest) = name.split_once('*')?;
    let (number, written) = match rest.strip_suffix('*') {
        Some(number) => (number, Written::Encoded),
        None => (rest, Written::Plain),
    };
    let is_number =
        !number.is_empty() && number.len() <= 5 && number.bytes().all(|byte| byte.is_ascii_digit());
    let is_ours = base.eq_ignore_ascii_case(parameter) && is_number;
    is_ours.then(|| number.parse().ok())?.map(|number| (number, written))
}

/// The value of the first field of this name, unfolded.
fn value(header: &[u8], field: &str) -> Option<Vec<u8>> {
    let mut lines = header.split_inclusive(|byte| *byte == b'\n').skip_while(|line| !begins(line, field));
    let mut value =
        lines.next()?.get(field.len()..)?.trim_ascii_start().strip_prefix(b":")?.trim_ascii().to_vec();
    for line in lines.take_while(|line| matches!(line.first(), Some(b' ' | b'\t'))) {
        value.push(b' ');
        value.extend_from_slice(line.trim_ascii());
    }
    Some(value)
}

fn begins(line: &[u8], field: &str) -> bool {
    line.get(..field.len()).is_some_and(|name| name.eq_ignore_ascii_case(field.as_bytes()))
        && line[field.len()..].trim_ascii_start().starts_with(b":")
}

/// Names and values behind the first semicolon; quoted values without their quotes.
fn parameters(value: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut rest = behind_octet(value, b';');
    while let Some(text) = rest {
        let Some(end) = memchr::memchr2(b'=', b';', text) else { break };
        if text[end] == b';' {
            rest = Some(&text[end + 1..]);
            continue;
        }
        let name = String::from_utf8_lossy(text[..end].trim_ascii()).into_owned();
        let begin = text[end + 1..].trim_ascii_start();
        let (value, after) = match begin.strip_prefix(b"\"") {
            Some(quoted) => unquoted(quoted),
            None => {
                let end = memchr::memchr(b';', begin).unwrap_or(begin.len());
                (begin[..end].trim_ascii().to_vec(), &begin[end..])
            }
        };
        found.push((name, value));
        rest = behind_octet(after, b';');
    }
    found
}

/// What stands between quotes, the first of which is gone, and what follows.
fn unquoted(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut value = Vec::new();
    let mut octets = text.iter().enumerate();
    while let Some((at, octet)) = octets.next() {
        match octet {
            b'"' => return (value, &text[at + 1..]),
            b'\\' => value.extend(octets.next().map(|(_, escaped)| *escaped)),
            octet => value.push(*octet),
        }
    }
    (value, b"")
}

fn behind_octet(text: &[u8], octet: u8) -> Option<&[u8]> {
    memchr::memchr(octet, text).map(|at| &text[at + 1..])
}

/// `utf-8'de'rest`: the charset, and the rest behind the language.
fn charset(first: &[u8]) -> (Option<String>, &[u8]) {
    let Some(end) = memchr::memchr(b'\'', first) else { return (None, first) };
    let Some(rest) = behind_octet(&first[end + 1..], b'\'') else { return (None, first) };
    let name = String::from_utf8_lossy(&first[..end]).to_ascii_lowercase();
    (Some(name).filter(|name| !name.is_empty()), rest)
}

/// What is no `%` and two digits stays.
fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let digit = |octet: &u8| char::from(*octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'%', [high, low, behind @ ..]) => match (digit(high), digit(low)) {
                (Some(high), Some(low)) => {
                    octets.push(high * 16 + low);
                    rest = behind;
                }
                (Some(_) | None, _) => octets.push(b'%'),
            },
            (octet, _) => octets.push(*octet),
        }
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_name(parameters: &str) -> Option<String> {
        let header =
            format!("Content-Type: x/y\r\nCONTENT-disposition : attachment;{parameters}\r\nX: y\r\n");
        joined(header.as_bytes(), "Content-Disposition", "filename")
    }

    #[test]
    fn pieces_are_joined_before_they_are_decoded() {
        for (parameters, name) in [
            (" filename*0*=utf-8''%E2%82; filename*1*=%AC%20; filename*2=\"x.txt\"", Some("€ x.txt")),
            ("\r\n filename*0*=iso-8859-1'de'Gr%FC;\r\n\tFILENAME*1*=%DFe", Some("Grüße")),
            (" filename*1*=b; filename*0*=utf-8''a", Some("ab")),
            (" filename*0*=\"utf-8''%C3\"; filename*1*=\"%BC;\"", Some("ü;")),
            (" filename*0*=%C3; filename*1*=%BC", Some("ü")),
            (" filename*0*=utf-8''a%; filename*1*=%4; filename*2=%41", Some("a%%4%41")),
            (" x=\"\\\"; filename*0*=no\"; filename*0*=utf-8''yes", Some("yes")),
            (" filename*0=a; filename*1=b", None),
            (" filename*=utf-8''%E2%82%AC", None),
            (" other*0*=utf-8''a", None),
            (" filename*1*=utf-8''a; x*0*=", None),
        ] {
            assert_eq!(file_name(parameters).as_deref(), name, "{parameters}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_stands_there_it_ends(text in "(filename\\*[0-9]{0,3}\\*?=|[;\"'\\\\%a4ü =*]|\r\n ){0,30}") {
            let _ = file_name(&text);
        }
    }
}
