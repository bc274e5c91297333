//! A password as logins send it, in every form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::model::secret::Secret;
use crate::protocol::oauth2;

/// As typed; as an IMAP quoted string (RFC 9051 section 9); base64 alone (LOGIN), in a PLAIN message (RFC 4616), and
/// in anything else that was encoded with it.
/// Server words have no space at their ends and spaces for control characters, so the password may look like that too.
pub(super) fn forms(username: &str, password: &str) -> Vec<Secret<String>> {
    let quoted = password.replace('\\', "\\\\").replace('"', "\\\"");
    let plain =
        [format!("\0{username}\0{password}"), format!("{username}\0{username}\0{password}")].map(Secret::new);
    let cleaned: String = password.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let [short, long] = plain.each_ref().map(|message| STANDARD.encode(message.expose()));
    let mut forms: Vec<_> = [password.to_owned(), quoted, cleaned, short, long].map(Secret::new).into();
    forms.push(Secret::new(STANDARD.encode(password)));
    forms.extend(in_digits(password));
    forms.extend((0..3).map(|before| inside_base64(before, password)));
    forms
}

/// RFC 3986 section 2.3.
const UNRESERVED_MARKS: &[u8] = b"-._~";

/// In hexadecimal, and as URLs and forms write it (RFC 3986, RFC 6749 appendix B), in capitals and in small letters.
fn in_digits(password: &str) -> Vec<Secret<String>> {
    // Some encode more than they have to.
    type Digits = fn(u8) -> String;
    let percent = |marks: &[u8], digits: Digits| -> String {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || marks.contains(&byte);
        let written = |byte| if is_plain(byte) { char::from(byte).to_string() } else { digits(byte) };
        password.bytes().map(written).collect()
    };
    let capitals: Digits = |byte| format!("%{byte:02X}");
    let small: Digits = |byte| format!("%{byte:02x}");
    let forms = [
        password.bytes().map(|byte| format!("{byte:02x}")).collect(),
        password.bytes().map(|byte| format!("{byte:02X}")).collect(),
        percent(UNRESERVED_MARKS, capitals),
        percent(UNRESERVED_MARKS, small),
        percent(b"", capitals),
        percent(b"", small),
        oauth2::encoded(password),
    ];
    forms.map(Secret::new).into()
}

/// The characters of base64 that depend on nothing but the password when so many bytes stand before it.
fn inside_base64(before: usize, password: &str) -> Secret<String> {
    let whole = Secret::new("-".repeat(before) + password);
    let encoded = Secret::new(STANDARD.encode(whole.expose()));
    let characters = (before * 8).div_ceil(6)..whole.expose().len() * 8 / 6;
    Secret::new(encoded.expose().get(characters).unwrap_or_default().to_owned())
}
