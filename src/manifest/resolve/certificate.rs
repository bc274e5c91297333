//! The certificate by which an application proves itself: what its provider knows it by.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ring::digest;

use crate::model::certificate;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// `rsaEncryption` (RFC 8017 appendix C), as the algorithm of a public key.
const RSA_KEY: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// What is known of a certificate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// SHA-256, in hexadecimal digits.
    pub thumbprint: String,
    /// SHA-256 of its public key, in the same digits.
    pub public_key: String,
    /// The day on which it ends, in UTC.
    pub expires: Date,
}

/// Reads the first certificate of a PEM file. The error says what is wrong with it.
pub(super) fn read(pem: &[u8]) -> Result<Known, &'static str> {
    const NONE: &str = "there is no certificate in PEM in this file";
    let text = std::str::from_utf8(pem).map_err(|_| NONE)?;
    let (_, after) = text.split_once(BEGIN).ok_or(NONE)?;
    let (inside, _) = after.split_once(END).ok_or(NONE)?;
    let encoded: String = inside.split_whitespace().collect();
    let der = STANDARD.decode(encoded).ok().filter(|der| der.first() == Some(&0x30)).ok_or(NONE)?;
    if !der.windows(RSA_KEY.len()).any(|window| window == RSA_KEY) {
        return Err(
            "the key of this certificate is not of the kind RSA; Entra takes no other for applications",
        );
    }
    let digits = |octets: &[u8]| -> String {
        let hash = digest::digest(&digest::SHA256, octets);
        hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let (Some(facts), Some(public_key)) = (certificate::facts(&der), certificate::public_key(&der)) else {
        return Err("this certificate cannot be read");
    };
    Ok(Known {
        thumbprint: digits(&der),
        public_key: digits(public_key),
        expires: facts.valid_until.to_zoned(TimeZone::UTC).date(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_of_the_right_kind_is_told() {
        for text in ["", "x", BEGIN, "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"] {
            assert!(read(text.as_bytes()).unwrap_err().contains("no certificate"), "{text}");
        }
        let ec = format!("{BEGIN}\n{}\n{END}", STANDARD.encode([0x30, 0x03, 1, 2, 3]));
        assert!(read(ec.as_bytes()).unwrap_err().contains("RSA"));
        let rsa =
            format!("x\n{BEGIN}\r\n{}\r\n{END}\n", STANDARD.encode([&[0x30, 0x0b][..], &RSA_KEY].concat()));
        assert!(read(rsa.as_bytes()).unwrap_err().contains("cannot be read"));
    }
}
