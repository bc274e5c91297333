//! The few parts of an X.509 certificate that people look at (RFC 5280 section 4.1). Nothing is decided by them: whether
//! a certificate is good is the TLS library's to say.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ring::digest;

use super::examination::CertificateFacts;

/// Names of one certificate that are read.
const NAMES_MAX: usize = 100;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// `[0]` and `[3]` of TBSCertificate.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// `dNSName` and `iPAddress` of GeneralName.
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// What binds a login to a TLS connection: the certificate's hash, with the algorithm of its signature, or SHA-256 where
/// that is MD5, SHA-1 or not known (RFC 5929 section 4.1). `None`: it cannot be read.
pub fn end_point(der: &[u8]) -> Option<Vec<u8>> {
    let mut outer = Der(Der(der).take(SEQUENCE)?);
    outer.take(SEQUENCE)?;
    let signature = Der(outer.take(SEQUENCE)?).take(OBJECT_ID)?;
    let algorithm = match signature {
        // sha384WithRSAEncryption, ecdsa-with-SHA384
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03] => &digest::SHA384,
        // sha512WithRSAEncryption, ecdsa-with-SHA512
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04] => &digest::SHA512,
        _sha_256_or_weaker => &digest::SHA256,
    };
    Some(digest::digest(algorithm, der).as_ref().to_vec())
}

/// `None`: it cannot be read.
pub fn facts(der: &[u8]) -> Option<CertificateFacts> {
    let mut tbs = signed_part(der)?;
    let issuer = name(tbs.take(SEQUENCE)?);
    let mut validity = Der(tbs.take(SEQUENCE)?);
    let (valid_from, valid_until) = (moment(&mut validity)?, moment(&mut validity)?);
    let subject = name(tbs.take(SEQUENCE)?);
    Some(CertificateFacts { subject, issuer, names: alternative_names(tbs), valid_from, valid_until })
}

/// The public key as its algorithm writes it: an `RSAPublicKey` (RFC 8017 appendix A.1.1). `None`: it cannot be read.
pub fn public_key(der: &[u8]) -> Option<&[u8]> {
    let mut tbs = signed_part(der)?;
    let (_issuer, _validity, _subject) = (tbs.take(SEQUENCE)?, tbs.take(SEQUENCE)?, tbs.take(SEQUENCE)?);
    let mut info = Der(tbs.take(SEQUENCE)?);
    info.take(SEQUENCE)?;
    // The first octet counts the bits of the last one that are not used.
    info.take(BIT_STRING)?.strip_prefix(&[0])
}

/// `TBSCertificate` from the issuer on.
fn signed_part(der: &[u8]) -> Option<Der<'_>> {
    let mut outer = Der(Der(der).take(SEQUENCE)?);
    let mut tbs = Der(outer.take(SEQUENCE)?);
    if tbs.next_is(VERSION) {
        tbs.any()?;
    }
    tbs.take(INTEGER)?;
    tbs.take(SEQUENCE)?;
    Some(tbs)
}

/// The rest of a DER text.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn next_is(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    /// The next element: its tag and its content.
    fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match *first {
            short @ 0..=0x7f => (usize::from(short), rest),
            // A certificate is far shorter than 4 GiB.
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = bytes.iter().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
                (usize::try_from(length).ok()?, rest)
            }
            _indefinite => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }

    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content) = self.any()?;
        (found == tag).then_some(content)
    }
}

/// The common name, or else the organization.
fn name(content: &[u8]) -> String {
    let mut sets = Der(content);
    let mut organization = None;
    while let Some(set) = sets.take(SET) {
        let Some(pair) = Der(set).take(SEQUENCE) else { continue };
        let mut pair = Der(pair);
        let (Some(kind), Some((_, text))) = (pair.take(OBJECT_ID), pair.any()) else { continue };
        match kind {
            COMMON_NAME => return words(text),
            ORGANIZATION => organization = Some(words(text)),
            _other => {}
        }
    }
    organization.unwrap_or_else(|| "(no name)".to_owned())
}

fn words(text: &[u8]) -> String {
    super::failure::server_words(&String::from_utf8_lossy(text))
}

/// `260101000000Z` or `20260101000000Z`.
fn moment(validity: &mut Der<'_>) -> Option<Timestamp> {
    let (tag, text) = validity.any()?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let text = match tag {
        // RFC 5280 section 4.1.2.5.1: 50 and above are of the last century.
        UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _other => return None,
    };
    let moment = DateTime::strptime("%Y%m%d%H%M%S", &text).ok()?;
    Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn alternative_names(mut tbs: Der<'_>) -> Vec<String> {
    let mut found = Vec::new();
    while let Some((tag, content)) = tbs.any() {
        if tag != EXTENSIONS {
            continue;
        }
        let mut extensions = Der(Der(content).take(SEQUENCE).unwrap_or_default());
        while let Some(extension) = extensions.take(SEQUENCE) {
            let mut extension = Der(extension);
            if extension.take(OBJECT_ID) != Some(SUBJECT_ALT_NAME) {
                continue;
            }
            // Perhaps a BOOLEAN comes first: whether the extension is critical.
            while let Some((tag, content)) = extension.any() {
                if tag == OCTET_STRING {
                    found.extend(general_names(content));
                }
            }
        }
    }
    found.truncate(NAMES_MAX);
    found
}

fn general_names(content: &[u8]) -> Vec<String> {
    let mut names = Der(Der(content).take(SEQUENCE).unwrap_or_default());
    let mut found = Vec::new();
    while let Some((tag, name)) = names.any() {
        match (tag, name) {
            (DNS_NAME, name) => found.push(words(name)),
            (IP_ADDRESS, [a, b, c, d]) => found.push(format!("{a}.{b}.{c}.{d}")),
            (IP_ADDRESS, name) => {
                if let Ok(octets) = <[u8; 16]>::try_from(name) {
                    found.push(std::net::Ipv6Addr::from(octets).to_string());
                }
            }
            (_other, _) => {}
        }
    }
    found
}

#[cfg(test)]
#[cfg(feature = "demo")]
mod tests {
    use super::*;

    fn certificate() -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = ["mail.contoso.example", "127.0.0.1", "::1"].map(str::to_owned);
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "Mail of Contoso");
        params.not_before = rcgen::date_time_ymd(2026, 1, 2);
        params.not_after = rcgen::date_time_ymd(2051, 3, 4);
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn names_and_validity_are_read_in_both_spellings_of_time() {
        let facts = facts(&certificate()).unwrap();
        assert_eq!((facts.subject.as_str(), facts.issuer.as_str()), ("Mail of Contoso", "Mail of Contoso"));
        assert_eq!(facts.names, ["mail.contoso.example", "127.0.0.1", "::1"]);
        assert_eq!(facts.valid_from.to_string(), "2026-01-02T00:00:00Z");
        assert_eq!(facts.valid_until.to_string(), "2051-03-04T00:00:00Z");
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let whole = certificate();
        for length in 0..whole.len() {
            let _ = (facts(&whole[..length]), public_key(&whole[..length]));
        }
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0x80, 0x84, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = byte;
                let _ = (facts(&damaged), public_key(&damaged));
            }
        }
    }
}
