//! From a password and a challenge to the proof and the keys (MS-NLMP 3.3.2, 3.4.5).

use md4::{Digest, Md4};
use zeroize::Zeroizing;

use super::challenge::Challenge;
use super::{Identity, Login, utf16};
use crate::model::secret::Secret;
use crate::protocol::md5::{hmac_md5, md5};

/// Between 1601 and 1970, in hundreds of nanoseconds.
const EPOCH_1601: i128 = 116_444_736_000_000_000;

pub(super) struct Keys {
    /// The proof with what it was made from.
    pub nt_response: Zeroizing<Vec<u8>>,
    pub lm_response: Zeroizing<Vec<u8>>,
    session: Zeroizing<[u8; 16]>,
}

impl Keys {
    /// `echo` is the list of attributes that goes back.
    pub fn derive(
        identity: &Identity<'_>,
        password: &Secret<String>,
        challenge: &Challenge,
        echo: &[u8],
        login: &Login<'_>,
    ) -> Self {
        let owner = owner_key(identity, password);
        let now = u64::try_from(login.now_nanoseconds / 100 + EPOCH_1601).unwrap_or(0).to_le_bytes();
        let time = challenge.timestamp.unwrap_or(now);
        let blob = [&[1, 1, 0, 0, 0, 0, 0, 0][..], &time, &login.nonce, &[0; 4], echo, &[0; 4]].concat();
        let proof = hmac_md5(&owner[..], &[&challenge.nonce, &blob]);
        let lm_response = match challenge.timestamp {
            Some(_) => vec![0; 24],
            None => {
                let code = hmac_md5(&owner[..], &[&challenge.nonce, &login.nonce]);
                [&code[..], &login.nonce].concat()
            }
        };
        Self {
            nt_response: Zeroizing::new([&proof[..], &blob].concat()),
            lm_response: Zeroizing::new(lm_response),
            session: Zeroizing::new(hmac_md5(&owner[..], &[&proof])),
        }
    }

    /// Over the three messages, the last with zeros in its place.
    pub fn integrity_code(&self, messages: &[&[u8]]) -> [u8; 16] {
        hmac_md5(&self.session[..], messages)
    }

    /// The client's signing key.
    pub fn signing(&self) -> Zeroizing<[u8; 16]> {
        const MAGIC: &[u8] = b"session key to client-to-server signing key magic constant\0";
        Zeroizing::new(md5(&[&self.session[..], MAGIC]))
    }
}

/// `NTOWFv2`.
fn owner_key(identity: &Identity<'_>, password: &Secret<String>) -> Zeroizing<[u8; 16]> {
    let hash = Zeroizing::new(<[u8; 16]>::from(Md4::digest(&*utf16(password.expose()))));
    let name = utf16(&format!("{}{}", identity.user.to_uppercase(), identity.domain));
    Zeroizing::new(hmac_md5(&hash[..], &[&name]))
}
