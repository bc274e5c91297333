//! Whose keys a keytab holds: the Kerberos library only says that there is no credential.
//!
//! The format is MIT's: <https://web.mit.edu/kerberos/krb5-latest/doc/formats/keytab_file_format.html>

use std::path::Path;

use crate::model::limits;
use crate::net::address::io_words;

/// Version 2, the one that is written since 1996. The first one depends on the machine that wrote it.
const MAGIC: [u8; 2] = [5, 2];
const MAGIC_OF_OLD: [u8; 2] = [5, 1];

/// Principals that are named in an error.
const NAMED_MAX: usize = 5;

/// Why a login as `principal` will find no key, in words for people. `None`: it has one, or nobody can tell.
pub(super) fn trouble(path: &Path, principal: &str) -> Option<String> {
    let file = path.display();
    let octets = match read(path) {
        Ok(octets) => octets,
        Err(error) => return Some(format!("{file}: {}", io_words(&error))),
    };
    if octets.starts_with(&MAGIC_OF_OLD) {
        return None;
    }
    let Some(entries) = octets.strip_prefix(&MAGIC) else {
        return Some(format!("`{file}` is no keytab"));
    };
    let mut held = principals(entries);
    held.sort();
    held.dedup();
    if held.iter().any(|one| is_same(one, principal)) {
        return None;
    }
    let named = held.iter().take(NAMED_MAX).map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ");
    Some(match held.len() {
        0 => format!("the keytab `{file}` holds no keys"),
        count if count > NAMED_MAX => {
            format!(
                "the keytab `{file}` has no key of `{principal}`; it has those of {named} and {} more",
                count - NAMED_MAX
            )
        }
        _all_named => format!("the keytab `{file}` has no key of `{principal}`; it has those of {named}"),
    })
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut octets = Vec::new();
    std::fs::File::open(path)?.take(limits::KEYTAB_BYTES_MAX).read_to_end(&mut octets)?;
    Ok(octets)
}

/// A principal without a realm is one of the default realm, which the library knows.
fn is_same(held: &str, wanted: &str) -> bool {
    match wanted.contains('@') {
        true => held == wanted,
        false => held.rsplit_once('@').is_some_and(|(name, _)| name == wanted),
    }
}

/// Up to the first entry that makes no sense.
fn principals(mut rest: &[u8]) -> Vec<String> {
    let mut held = Vec::new();
    while let Some(length) = number(&mut rest, 4).map(|length| length.cast_signed()) {
        let Ok(size) = usize::try_from(length.unsigned_abs()) else { break };
        if length == 0 || size > rest.len() {
            break;
        }
        let (entry, behind) = rest.split_at(size);
        rest = behind;
        // A negative length is a hole, where an entry was deleted.
        if length > 0 {
            held.extend(principal(entry));
        }
    }
    held
}

fn principal(mut entry: &[u8]) -> Option<String> {
    let parts = number(&mut entry, 2)?;
    let realm = text(&mut entry)?;
    let parts: Option<Vec<String>> = (0..parts).map(|_| text(&mut entry)).collect();
    Some(format!("{}@{realm}", parts?.join("/")))
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(number(rest, 2)?).ok()?;
    let (text, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(crate::model::failure::server_words(&String::from_utf8_lossy(text)))
}

fn number(rest: &mut &[u8], octets: usize) -> Option<u32> {
    let (number, behind) = rest.split_at_checked(octets)?;
    *rest = behind;
    Some(number.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(realm: &str, parts: &[&str]) -> Vec<u8> {
        let text = |text: &str| [&u16::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat();
        let mut entry = u16::try_from(parts.len()).unwrap().to_be_bytes().to_vec();
        entry.extend(text(realm));
        parts.iter().for_each(|part| entry.extend(text(part)));
        entry.extend([0; 30]);
        [&u32::try_from(entry.len()).unwrap().to_be_bytes()[..], &entry].concat()
    }

    fn trouble_of(octets: &[u8], principal: &str) -> Option<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), octets).unwrap();
        trouble(file.path(), principal).map(|words| words.replace(&file.path().display().to_string(), "K"))
    }

    #[test]
    fn the_principals_of_a_keytab_are_told_where_the_wanted_one_is_missing() {
        let hole = [&(-4_i32).to_be_bytes()[..], &[0; 4]].concat();
        let keytab =
            [&MAGIC[..], &entry("A.EXAMPLE", &["svc", "mail"]), &hole, &entry("A.EXAMPLE", &["anna"])]
                .concat();
        for held in ["svc/mail@A.EXAMPLE", "svc/mail", "anna@A.EXAMPLE"] {
            assert_eq!(trouble_of(&keytab, held), None, "{held}");
        }
        assert_eq!(
            trouble_of(&keytab, "anna@a.example").as_deref(),
            Some(
                "the keytab `K` has no key of `anna@a.example`; it has those of `anna@A.EXAMPLE`, `svc/mail@A.EXAMPLE`"
            )
        );
        assert_eq!(trouble_of(&MAGIC, "anna").as_deref(), Some("the keytab `K` holds no keys"));
        assert_eq!(trouble_of(b"", "anna").as_deref(), Some("`K` is no keytab"));
        assert_eq!(trouble_of(b"[libdefaults]", "anna").as_deref(), Some("`K` is no keytab"));
        assert_eq!(trouble_of(&[5, 1, 0], "anna"), None, "another format");
        assert!(trouble(Path::new("/nonexistent/k"), "anna").unwrap().starts_with("/nonexistent/k: "));
    }

    #[test]
    fn no_octets_are_too_strange() {
        let keytab = [&MAGIC[..], &entry("A", &["svc", "mail"])].concat();
        for end in 0..keytab.len() {
            trouble_of(&keytab[..end], "svc/mail");
        }
        for length in [u32::MAX, 0x8000_0000, 0x7fff_ffff, 0] {
            trouble_of(&[&MAGIC[..], &length.to_be_bytes(), &[0xff; 9]].concat(), "x");
        }
    }
}
