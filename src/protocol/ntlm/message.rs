//! The two messages that we send (MS-NLMP 2.2.1.1, 2.2.1.3).

use zeroize::Zeroizing;

use super::challenge::Challenge;
use super::keys::Keys;
use super::{Identity, utf16};

pub(super) const SIGNATURE: &[u8] = b"NTLMSSP\0";
/// Windows 10, revision 15 of the protocol. Some servers refuse a message without a version.
const VERSION: [u8; 8] = [10, 0, 0, 0, 0, 0, 0, 15];
const INTEGRITY_CODE: std::ops::Range<usize> = 72..88;

/// What is asked for and agreed on (MS-NLMP 2.2.2.5).
pub(super) mod flags {
    pub const UNICODE: u32 = 0x0000_0001;
    pub const REQUEST_TARGET: u32 = 0x0000_0004;
    pub const SIGN: u32 = 0x0000_0010;
    pub const NTLM: u32 = 0x0000_0200;
    pub const ALWAYS_SIGN: u32 = 0x0000_8000;
    pub const EXTENDED_SECURITY: u32 = 0x0008_0000;
    pub const TARGET_INFO: u32 = 0x0080_0000;
    pub const VERSION: u32 = 0x0200_0000;
    pub const KEY_128: u32 = 0x2000_0000;
    pub const KEY_56: u32 = 0x8000_0000;

    pub const ASKED: u32 = UNICODE
        | REQUEST_TARGET
        | SIGN
        | NTLM
        | ALWAYS_SIGN
        | EXTENDED_SECURITY
        | TARGET_INFO
        | VERSION
        | KEY_128
        | KEY_56;
}

pub(super) fn negotiate() -> Vec<u8> {
    let no_names = [0; 16];
    [SIGNATURE, &1_u32.to_le_bytes(), &flags::ASKED.to_le_bytes(), &no_names, &VERSION].concat()
}

/// With zeros for its integrity code.
pub(super) fn authenticate(
    identity: &Identity<'_>,
    keys: &Keys,
    challenge: &Challenge,
) -> Zeroizing<Vec<u8>> {
    let (domain, user) = (utf16(identity.domain), utf16(identity.user));
    let (workstation, session_key) = (Vec::new(), Vec::new());
    let fields: [&[u8]; 6] =
        [&keys.lm_response, &keys.nt_response, &domain, &user, &workstation, &session_key];
    let agreed = flags::ASKED & (challenge.flags | flags::VERSION);

    let mut message = Zeroizing::new([SIGNATURE, &3_u32.to_le_bytes()].concat());
    let mut offset = INTEGRITY_CODE.end;
    for field in fields {
        // Each is bounded: names and responses by the limits of logins and challenges.
        let length = u16::try_from(field.len()).unwrap_or(u16::MAX).to_le_bytes();
        message.extend_from_slice(&length);
        message.extend_from_slice(&length);
        message.extend_from_slice(&u32::try_from(offset).unwrap_or(u32::MAX).to_le_bytes());
        offset += field.len();
    }
    message.extend_from_slice(&agreed.to_le_bytes());
    message.extend_from_slice(&VERSION);
    message.extend_from_slice(&[0; 16]);
    fields.iter().for_each(|field| message.extend_from_slice(field));
    message
}

pub(super) fn put_integrity_code(message: &mut [u8], code: [u8; 16]) {
    message[INTEGRITY_CODE].copy_from_slice(&code);
}
