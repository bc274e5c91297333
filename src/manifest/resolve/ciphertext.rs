//! Ciphertexts as far as they show without a key: that they are age files, and how many can read them. An age file does
//! not name its recipients, so `sealedTo` beside it does; what the two can be compared by is compared.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;

use super::organization::{self, check_sealed_to};
use crate::manifest::decode::spanned::Spanned;
use crate::manifest::mirror::secret::Bundle;
use crate::manifest::report::{Draft, Report};
use crate::manifest::{attached, codes};
use crate::model::limits;
use crate::model::secret::{BundleDigest, Sealed, SealedBundle, SealedValue};

/// What the header of an age file tells (age specification, "Header").
#[derive(Debug, PartialEq, Eq)]
struct Header {
    /// Stanzas, each for one recipient.
    recipients: usize,
    /// Encrypted with a passphrase.
    is_scrypt: bool,
}

const ARMOUR_BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const ARMOUR_END: &str = "-----END AGE ENCRYPTED FILE-----";
const VERSION_LINE: &[u8] = b"age-encryption.org/v1\n";
/// Of a header; more than two hundred recipients fit.
const HEADER_BYTES_MAX: usize = 48 * 1024;

/// Whether a text is an armoured age file, and what its header says against `sealedTo`.
pub fn check_armour(age: &Spanned<String>, sealed_to: &[Spanned<String>]) -> Option<Draft> {
    let text = age.value.trim();
    let bytes = armour_body(text)
        .and_then(|body| base64::engine::general_purpose::STANDARD.decode(body).ok())
        .filter(|bytes| bytes.starts_with(VERSION_LINE));
    let Some(bytes) = bytes else {
        return Some(
            Draft::error(codes::NOT_ARMOURED, age.place, "this is not an armoured age ciphertext")
                .label("expected `-----BEGIN AGE ENCRYPTED FILE-----` and what belongs to it")
                .hint("`mailplumb secrets set NAME/KEY` writes it; if this is a value in plain text, change it at the server too"),
        );
    };
    let most = limits::SECRET_VALUE_BYTES_MAX * 2;
    if text.len() > most {
        let message = format!("a ciphertext has at most {most} bytes");
        return Some(Draft::error(codes::TOO_LARGE, age.place, message));
    }
    check_readers(&header(&bytes)?, age, sealed_to)
}

fn armour_body(text: &str) -> Option<String> {
    let body = text.strip_prefix(ARMOUR_BEGIN)?.strip_suffix(ARMOUR_END)?;
    Some(body.split_ascii_whitespace().collect())
}

/// Nobody is named, nobody can read it, or fewer can than are named.
fn check_readers(header: &Header, at: &Spanned<String>, sealed_to: &[Spanned<String>]) -> Option<Draft> {
    if header.is_scrypt {
        let message =
            "it is encrypted with a passphrase, so none of the organization's recipients can read it";
        return Some(
            Draft::error(codes::SEALED_TO_NOBODY, at.place, message)
                .hint("`mailplumb secrets set NAME/KEY` encrypts the value to the organization's recipients"),
        );
    }
    if sealed_to.is_empty() {
        let message = "nobody is named who can read this ciphertext";
        return Some(
            Draft::error(codes::SEALED_TO_NOBODY, at.place, message)
                .label("expected `sealedTo` beside it, with names of the organization's `recipients`")
                .hint(
                    "an age file does not name its recipients, so that nobody could tell later whom to ask",
                ),
        );
    }
    let named: BTreeSet<&str> = sealed_to.iter().map(|name| name.value.as_str()).collect();
    let place = sealed_to.first().map_or(at.place, |name| name.place);
    (header.recipients < named.len()).then(|| {
        let message = format!(
            "`sealedTo` names {} recipients, and the ciphertext is encrypted to {}",
            named.len(),
            header.recipients
        );
        Draft::warning(codes::SEALED_TO_DIFFERS, place, message)
            .hint("`mailplumb secrets rekey` encrypts it to the organization's recipients")
    })
}

/// The header of a binary age file; `None`: this is none.
fn header(bytes: &[u8]) -> Option<Header> {
    let rest = bytes.strip_prefix(VERSION_LINE)?;
    let mut header = Header { recipients: 0, is_scrypt: false };
    for line in rest.get(..rest.len().min(HEADER_BYTES_MAX))?.split(|byte| *byte == b'\n') {
        if line.starts_with(b"---") {
            break;
        }
        let Some(stanza) = line.strip_prefix(b"-> ") else { continue };
        let tag = stanza.split(|byte| *byte == b' ').next().unwrap_or_default();
        header.is_scrypt |= tag == b"scrypt";
        // Writers add stanzas that are for nobody, so that readers stay used to unknown ones.
        header.recipients += usize::from(!tag.ends_with(b"grease"));
    }
    Some(header)
}

/// The header of an age file in either form.
fn header_of_file(bytes: &[u8]) -> Option<Header> {
    if bytes.starts_with(VERSION_LINE) {
        return header(bytes);
    }
    let text = bytes.trim_ascii_start();
    let start = text.get(..text.len().min(HEADER_BYTES_MAX * 2))?;
    let body = std::str::from_utf8(start).ok()?.strip_prefix(ARMOUR_BEGIN)?;
    let mut body: String = body.split("-----").next()?.split_ascii_whitespace().collect();
    body.truncate(body.len() / 4 * 4);
    header(&base64::engine::general_purpose::STANDARD.decode(body).ok()?)
}

/// How many recipients can read an age file, as far as its header shows; `None`: this is none.
pub fn readers(bytes: &[u8]) -> Option<usize> {
    header_of_file(bytes).map(|header| header.recipients)
}

type BundleValues = Vec<(Spanned<String>, Option<SealedValue>)>;

/// The values of a bundle. Its file is looked at once, whatever the number of its keys.
pub fn bundle_values(
    bundle: &Bundle,
    bundles: &mut BTreeMap<BundleDigest, SealedBundle>,
    organization: Option<&organization::Resolved>,
    report: &mut Report<'_>,
) -> BundleValues {
    check_sealed_to(&bundle.sealed_to, organization, report);
    check_keys(bundle, report);
    let sealed = attached::find(&bundle.file, report)
        .and_then(|index| sealed_bundle(index, bundle, report))
        .map(|sealed| (BundleDigest::of(&sealed.ciphertext), sealed));
    if let Some((digest, sealed)) = &sealed {
        bundles.insert(digest.clone(), sealed.clone());
    }
    let sealed_to: Vec<String> = bundle.sealed_to.iter().map(|name| name.value.clone()).collect();
    let value = |key: &Spanned<String>| {
        let (digest, sealed) = sealed.as_ref()?;
        let sealed =
            Sealed::Bundle { file: sealed.file.clone(), bundle: digest.clone(), key: key.value.clone() };
        let expires = bundle.expires.map(|day| day.value.0);
        Some(SealedValue { sealed, sealed_to: sealed_to.clone(), expires })
    };
    bundle.keys.iter().map(|key| (key.clone(), value(key))).collect()
}

fn check_keys(bundle: &Bundle, report: &mut Report<'_>) {
    if bundle.keys.is_empty() {
        report.add(Draft::error(codes::EMPTY_SECRET, bundle.file.place, "a bundle names at least one key"));
    }
    if bundle.keys.len() > limits::BUNDLE_KEYS_MAX {
        let message = format!("a bundle has at most {} keys", limits::BUNDLE_KEYS_MAX);
        report.add(Draft::error(codes::TOO_LARGE, bundle.file.place, message));
    }
    let mut seen = BTreeMap::new();
    for key in &bundle.keys {
        if let Some(first) = seen.insert(key.value.as_str(), key.place) {
            let message = format!("the key `{}` stands twice in `keys`", key.value.escape_debug());
            report.add(
                Draft::error(codes::DUPLICATE_KEY, key.place, message)
                    .label("here again")
                    .related(first, "first here"),
            );
        }
    }
}

fn sealed_bundle(index: u32, bundle: &Bundle, report: &mut Report<'_>) -> Option<SealedBundle> {
    let (file, name) = (report.files.files.get(index as usize)?, attached::name_of(index, report));
    let ciphertext = std::sync::Arc::clone(&file.bytes);
    let Some(header) = header_of_file(&ciphertext) else {
        let message = format!("the file `{name}` is not an age file, armoured or binary");
        report.add(Draft::error(codes::BUNDLE_NOT_AGE, bundle.file.place, message).hint(
            "encrypt it with `age -R recipients.txt -o FILE.age values.yaml`; if it was committed in plain text, change its values at the servers too",
        ));
        return None;
    };
    if let Some(draft) = check_readers(&header, &bundle.file, &bundle.sealed_to) {
        report.add(draft);
    }
    Some(SealedBundle { file: name, ciphertext })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[u8] = b"age-encryption.org/v1\n-> X25519 abc\nbody\n-> piv-p256 x y\nbody\n-> q-grease a\n\n--- mac\n\xff-> X25519 x\n";

    #[test]
    fn a_header_tells_how_many_can_read_the_file() {
        let expected = Header { recipients: 2, is_scrypt: false };
        assert_eq!(header_of_file(TWO), Some(expected));
        let scrypt = header_of_file(b"age-encryption.org/v1\n-> scrypt salt 18\nbody\n--- mac\n").unwrap();
        assert!(scrypt.is_scrypt);
        let armoured = format!(
            "\n{ARMOUR_BEGIN}\n{}\n{ARMOUR_END}\n",
            base64::engine::general_purpose::STANDARD.encode(TWO)
        );
        assert_eq!(header_of_file(armoured.as_bytes()).unwrap().recipients, 2);
    }

    #[test]
    fn what_is_no_age_file_has_no_header() {
        for bytes in [
            &b""[..],
            b"anna: hunter2\n",
            b"age-encryption.org/v2\n",
            b"-----BEGIN AGE ENCRYPTED FILE-----",
            b"\xff\xfe",
        ] {
            assert_eq!(header_of_file(bytes), None, "{bytes:?}");
        }
    }
}
