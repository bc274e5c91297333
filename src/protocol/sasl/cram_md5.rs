//! CRAM-MD5 (RFC 2195). Weak, and still the best that some old servers offer on a connection without TLS.

use std::fmt::Write as _;

use crate::model::secret::Secret;
use crate::protocol::md5::hmac_md5;

/// `username SPACE hex(HMAC-MD5(password, challenge))`.
pub(super) fn respond(challenge: &[u8], username: &str, password: &Secret<String>) -> Vec<u8> {
    let mut answer = format!("{username} ");
    for byte in hmac_md5(password.expose().as_bytes(), &[challenge]) {
        // Writing into a text cannot fail.
        let _ = write!(answer, "{byte:02x}");
    }
    answer.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_that_of_rfc_2195() {
        let password = Secret::new("tanstaaftanstaaf".to_owned());
        let answer = respond(b"<1896.697170952@postoffice.reston.mci.net>", "tim", &password);
        assert_eq!(answer, b"tim b913a602c7eda7a495b4e6e7334d3890");
    }
}
