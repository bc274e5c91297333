//! What a server with DSN (RFC 3461) is asked to tell us of a message that it cannot deliver: failures and delays, for
//! whom and for which message, with the header only.

use std::fmt::Write as _;

use crate::model::name::Address;

/// RFC 3461 section 4.4.
const ENVID_CHARACTERS_MAX: usize = 100;

/// The parameters of MAIL. The envelope's id is the message's own, by which a report finds back to it.
pub(super) fn message(message_id: Option<&str>) -> String {
    let id = message_id.map(xtext).filter(|id| id.len() <= ENVID_CHARACTERS_MAX);
    id.map_or_else(|| " RET=HDRS".to_owned(), |id| format!(" RET=HDRS ENVID={id}"))
}

/// The parameters of RCPT. An address that is not ASCII would need a type of its own (RFC 6533).
pub(super) fn recipient(address: &Address) -> String {
    let notify = " NOTIFY=FAILURE,DELAY".to_owned();
    match address.in_ascii() {
        Some(address) => notify + " ORCPT=rfc822;" + &xtext(&address),
        None => notify,
    }
}

/// RFC 3461 section 4: printable ASCII without `+` and `=`, everything else as `+` and two hex digits.
fn xtext(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'+' | b'=' | 0..=b' ' | 0x7f.. => {
                let _ = write!(encoded, "+{byte:02X}");
            }
            byte => encoded.push(char::from(byte)),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_cannot_leave_its_parameter() {
        let address = Address::parse("anna+crm=1@a.example").unwrap();
        let expected = " NOTIFY=FAILURE,DELAY ORCPT=rfc822;anna+2Bcrm+3D1@a.example";
        assert_eq!(recipient(&address), expected);
        assert_eq!(message(Some("a b\r\nRCPT")), " RET=HDRS ENVID=a+20b+0D+0ARCPT");
    }

    #[test]
    fn an_id_that_is_too_long_is_left_out() {
        assert_eq!(message(Some(&"x".repeat(100))), format!(" RET=HDRS ENVID={}", "x".repeat(100)));
        assert_eq!(message(Some(&"x".repeat(101))), " RET=HDRS");
        assert_eq!(message(Some(&"+".repeat(34))), " RET=HDRS");
        assert_eq!(message(None), " RET=HDRS");
    }
}
