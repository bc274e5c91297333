//! MD5 (RFC 1321) and HMAC with it (RFC 2104), for the old logins that are made of them: CRAM-MD5 and NTLM.

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};

/// Of the parts, one after the other.
pub(super) fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut digest = Md5::new();
    parts.iter().for_each(|part| digest.update(part));
    digest.finalize().into()
}

/// Of the parts, one after the other, under a key of any length.
pub(super) fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut code = Hmac::<Md5>::new_from_slice(key).expect("a key of any length");
    parts.iter().for_each(|part| code.update(part));
    code.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_longer_than_a_block_is_hashed_first() {
        // RFC 2202 section 2, test case 6.
        let digest = hmac_md5(&[0xaa; 80], &[b"Test Using Larger Than Block-Size Key ", b"- Hash Key First"]);
        let text: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text, "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd");
    }
}
