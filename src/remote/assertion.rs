//! Signs the assertion of a client that proves itself with a certificate.

use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PSS_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use super::nonce;
use crate::model::failure::Cause;
use crate::model::secret::Secret;
use crate::model::server::{TokenClient, TokenProof};
use crate::protocol::assertion::{self, Claims};

/// What stands for the client's secret in the form. `now`: of the clock on the wall, because the provider compares it with its
/// own.
pub(super) fn sign(client: &TokenClient, now: jiff::Timestamp) -> Result<Option<Secret<String>>, Cause> {
    let (thumbprint, public_key, key, name) = match &client.proof {
        TokenProof::Secret(_) => return Ok(None),
        TokenProof::Certificate { thumbprint, public_key, key, name } => (thumbprint, public_key, key, name),
    };
    let unavailable =
        |detail: &str| Cause::SecretUnavailable { secret: name.clone(), detail: detail.to_owned() };
    let thumbprint = assertion::thumbprint(thumbprint).ok_or_else(|| {
        unavailable("what the store knows of its certificate was stored by a former version; apply the manifest again")
    })?;
    let unfit = |detail: &str| Cause::ClientKeyUnfit { secret: name.clone(), detail: detail.to_owned() };
    let key = key_pair(key.expose()).map_err(unfit)?;
    let digest = digest::digest(&digest::SHA256, key.public().as_ref());
    if assertion::thumbprint(public_key).is_some_and(|certified| certified != digest.as_ref()) {
        return Err(unavailable(
            "it is not the key of the certificate in `chainFile`: both have to be of one pair",
        ));
    }
    let nonce: [u8; 16] = nonce::draw_bytes()?;
    let claims =
        Claims { audience: &client.url, client_id: &client.id, thumbprint: &thumbprint, nonce: &nonce, now };
    let input = claims.signing_input();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature)
        .map_err(|_| Cause::Internal { detail: "the assertion could not be signed".to_owned() })?;
    Ok(Some(Secret::new(assertion::signed(input, &signature))))
}

fn key_pair(pem: &str) -> Result<RsaKeyPair, &'static str> {
    const NOT_RSA: &str = "it is no RSA key of 2048 to 4096 bits; Entra takes no other";
    let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
        if pem.contains("ENCRYPTED") {
            "it is a key with a pass phrase of its own; age is what encrypts it here, so take that off"
        } else {
            "it is no private key in PEM (`-----BEGIN PRIVATE KEY-----`)"
        }
    })?;
    match &der {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| NOT_RSA),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).map_err(|_| NOT_RSA),
        PrivateKeyDer::Sec1(_) | _ => Err(NOT_RSA),
    }
}
