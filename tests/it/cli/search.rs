//! Looks for a secret in everything that the program has written, in every form in which it could be there.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// One secret, in its encodings.
pub struct Planted {
    name: &'static str,
    forms: Vec<Form>,
}

/// One way to write the secret.
pub struct Form {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// Where a secret was found. It does not hold the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    pub place: String,
    pub secret: &'static str,
    pub form: String,
}

impl Planted {
    pub fn new(name: &'static str, secret: &str) -> Self {
        let mut forms = vec![form("raw", secret)];
        forms.extend(base64_forms("base64", secret.as_bytes(), |bytes| STANDARD_NO_PAD.encode(bytes)));
        forms.extend(base64_forms("base64url", secret.as_bytes(), |bytes| URL_SAFE_NO_PAD.encode(bytes)));
        forms.push(form("hex", &hex(secret.as_bytes())));
        forms.push(form("HEX", &hex(secret.as_bytes()).to_uppercase()));
        forms.push(form("percent", &percent(secret)));
        forms.push(form("json", &json(secret)));
        forms.push(form("json ascii", &json_ascii(secret)));
        forms.push(form("debug", format!("{secret:?}").trim_matches('"')));
        forms.push(form("imap quoted", &secret.replace('\\', "\\\\").replace('"', "\\\"")));
        forms.push(Form { name: "utf-16le".into(), bytes: utf16(secret, u16::to_le_bytes) });
        forms.push(Form { name: "utf-16be".into(), bytes: utf16(secret, u16::to_be_bytes) });
        forms.push(form("quoted-printable", &quoted_printable(secret)));
        Self { name, forms }
    }

    /// With the whole messages of PLAIN logins as these users.
    pub fn with_logins(mut self, secret: &str, users: &[&str]) -> Self {
        for user in users {
            self.forms.push(form("sasl plain", &STANDARD.encode(format!("\0{user}\0{secret}"))));
        }
        self
    }

    pub fn forms(&self) -> &[Form] {
        &self.forms
    }
}

/// Every secret in every form in these bytes.
pub fn search(place: &str, bytes: &[u8], planted: &[Planted]) -> Vec<Hit> {
    let mut hits = Vec::new();
    for secret in planted {
        for form in &secret.forms {
            if contains(bytes, &form.bytes) {
                hits.push(Hit { place: place.to_owned(), secret: secret.name, form: form.name.clone() });
            }
        }
    }
    hits
}

/// Searches all files below a folder except `left_out`, their names too. Returns the number of files searched.
pub fn search_folder(folder: &Path, left_out: &[PathBuf], planted: &[Planted], hits: &mut Vec<Hit>) -> usize {
    let mut searched = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        let shown = path.display().to_string();
        hits.extend(search(&format!("name of {shown}"), shown.as_bytes(), planted));
        if entry.file_type().unwrap().is_dir() {
            searched += search_folder(&path, left_out, planted, hits);
        } else if entry.file_type().unwrap().is_file() && !left_out.contains(&path) {
            hits.extend(search(&shown, &std::fs::read(&path).unwrap(), planted));
            searched += 1;
        }
    }
    searched
}

/// Compares eight bytes at a place first; good enough for some megabytes.
fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    let Some((first, _)) = wanted.split_first() else { return false };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        if rest[at..].starts_with(wanted) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

fn form(name: &str, text: &str) -> Form {
    Form { name: name.to_owned(), bytes: text.as_bytes().to_vec() }
}

/// What base64 makes of the secret inside of something longer: at each of the three alignments, only the characters
/// that depend on nothing but the secret.
fn base64_forms<'a>(
    name: &'a str,
    secret: &'a [u8],
    encode: impl Fn(&[u8]) -> String + 'a,
) -> impl Iterator<Item = Form> + 'a {
    (0..3).map(move |before| {
        let whole = [vec![0; before], secret.to_vec()].concat();
        let encoded = encode(&whole);
        let (first, last) = ((before * 8).div_ceil(6), whole.len() * 8 / 6);
        form(&format!("{name} at {before}"), &encoded[first..last])
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// RFC 3986: everything but unreserved characters.
fn percent(secret: &str) -> String {
    secret.bytes().fold(String::new(), |mut text, byte| {
        let _ = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                write!(text, "{}", char::from(byte))
            }
            other => write!(text, "%{other:02X}"),
        };
        text
    })
}

fn json(secret: &str) -> String {
    serde_json::to_string(secret).unwrap().trim_matches('"').to_owned()
}

fn json_ascii(secret: &str) -> String {
    json(secret).chars().fold(String::new(), |mut text, character| {
        let _ = match character {
            plain if plain.is_ascii() => write!(text, "{plain}"),
            other => write!(text, "\\u{:04x}", u32::from(other)),
        };
        text
    })
}

fn utf16(secret: &str, bytes_of: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
    secret.encode_utf16().flat_map(bytes_of).collect()
}

/// RFC 2045 section 6.7, without line breaks: the secret is shorter than a line.
fn quoted_printable(secret: &str) -> String {
    secret.bytes().fold(String::new(), |mut text, byte| {
        let _ = match byte {
            b'=' => write!(text, "=3D"),
            b' '..=b'~' => write!(text, "{}", char::from(byte)),
            other => write!(text, "={other:02X}"),
        };
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "pl\"ant+ed/sécret\\0123456789";

    #[test]
    fn each_encoding_is_found_in_the_middle_of_something_else() {
        let planted = [Planted::new("password", SECRET)];
        let around = |middle: &[u8]| [b"before ".as_slice(), middle, b" after"].concat();
        let encodings: [(&str, Vec<u8>); 13] = [
            ("raw", SECRET.as_bytes().to_vec()),
            ("base64 at 0", STANDARD.encode(SECRET).into()),
            ("base64 at 1", STANDARD.encode(format!("x{SECRET}yz")).into()),
            ("base64 at 2", STANDARD.encode(format!("xyzxy{SECRET}yzx")).into()),
            ("base64url at 0", URL_SAFE_NO_PAD.encode(format!("xyz{SECRET}")).into()),
            ("hex", b"706c22616e742b65642f73c3a963726574".to_vec()),
            ("HEX", hex(format!("x{SECRET}").as_bytes()).to_uppercase().into()),
            ("percent", b"pl%22ant%2Bed%2Fs%C3%A9cret%5C0123456789".to_vec()),
            ("json", br#"pl\"ant+ed/s"#.to_vec()),
            ("json ascii", br#"pl\"ant+ed/s\u00e9cret\\0123456789"#.to_vec()),
            ("utf-16le", SECRET.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            ("utf-16be", SECRET.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            ("quoted-printable", b"pl\"ant+ed/s=C3=A9cret\\0123456789".to_vec()),
        ];
        for (name, encoded) in encodings {
            // Some are written out by hand, to check the encoders too; the secret's end is added where they stop.
            let whole = match name {
                "hex" => [encoded, hex(b"\\0123456789").into()].concat(),
                "json" => [encoded, "écret\\\\0123456789".into()].concat(),
                _ => encoded,
            };
            let hits = search("x", &around(&whole), &planted);
            assert!(hits.iter().any(|hit| hit.form == name), "{name}: {hits:?}");
        }
    }

    #[test]
    fn a_login_message_is_found_and_other_text_is_not() {
        let planted = [Planted::new("password", SECRET).with_logins(SECRET, &["anna"])];
        let login = STANDARD.encode(format!("\0anna\0{SECRET}"));
        assert!(search("x", login.as_bytes(), &planted).iter().any(|hit| hit.form == "sasl plain"));
        assert_eq!(search("x", b"pl\"ant+ed/s\xc3\xa9cret\\012345678", &planted), []);
        assert_eq!(search("x", b"", &planted), []);
    }

    #[test]
    fn files_are_searched_below_folders_and_their_names_too() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        let secret = "sunflower-and-a-long-tail";
        std::fs::write(folder.path().join("a/b/state.db"), format!("..{secret}..")).unwrap();
        std::fs::write(folder.path().join("a/key"), secret).unwrap();
        std::fs::write(folder.path().join(secret), "").unwrap();
        let mut hits = Vec::new();
        let planted = [Planted::new("password", secret)];
        let searched = search_folder(folder.path(), &[folder.path().join("a/key")], &planted, &mut hits);
        let raw: Vec<_> = hits.iter().filter(|hit| hit.form == "raw").map(|hit| hit.place.as_str()).collect();
        assert_eq!((searched, raw.len()), (2, 2), "{hits:?}");
    }
}
