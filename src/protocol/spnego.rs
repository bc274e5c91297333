//! SPNEGO (RFC 4178, MS-SPNG), what `Negotiate` carries: a Kerberos ticket, or NTLM where there is no Kerberos.
//!
//! One mechanism is offered, so nothing is negotiated: this is the wrapping of its messages.

use zeroize::Zeroizing;

use super::ntlm::Answered;
use crate::model::failure::Cause;
use crate::model::limits;

/// `SPNEGO`, `NTLMSSP` and `Kerberos V5` as DER object identifiers.
const SPNEGO: &[u8] = &[0x06, 0x06, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x02];
const NTLM: &[u8] = &[0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0a];

const KERBEROS: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02];

const OCTET_STRING: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
const SEQUENCE: u8 = 0x30;
const APPLICATION: u8 = 0x60;
const STATE: u8 = 0xa0;
/// In the first message `[0]` is the list of mechanisms, and `[2]` the first one's token; in the others `[2]` is the
/// token and `[3]` the list's signature.
const MECHANISMS: u8 = 0xa0;
const TOKEN: u8 = 0xa2;
const SIGNATURE: u8 = 0xa3;
const RESPONSE: u8 = 0xa1;

const REJECTED: u8 = 2;

/// What the server says.
#[derive(Debug, PartialEq, Eq)]
pub struct Response<'a> {
    pub is_rejected: bool,
    pub token: Option<&'a [u8]>,
}

/// The only message that a ticket needs.
pub fn ticket(kerberos: &[u8]) -> Vec<u8> {
    first(KERBEROS, kerberos)
}

/// The first message, with NTLM's first.
pub fn begin(ntlm: &[u8]) -> Vec<u8> {
    first(NTLM, ntlm)
}

fn first(mechanism: &[u8], token: &[u8]) -> Vec<u8> {
    let mechanisms = element(MECHANISMS, &[&element(SEQUENCE, &[mechanism])]);
    let token = element(TOKEN, &[&element(OCTET_STRING, &[token])]);
    element(APPLICATION, &[SPNEGO, &element(MECHANISMS, &[&element(SEQUENCE, &[&mechanisms, &token])])])
}

/// The second message, with NTLM's third.
pub fn answer(ntlm: &Answered) -> Zeroizing<Vec<u8>> {
    let token = Zeroizing::new(element(TOKEN, &[&element(OCTET_STRING, &[&ntlm.message])]));
    let signature = if ntlm.has_integrity_code() {
        element(SIGNATURE, &[&element(OCTET_STRING, &[&ntlm.sign(&element(SEQUENCE, &[NTLM]))])])
    } else {
        Vec::new()
    };
    Zeroizing::new(element(RESPONSE, &[&element(SEQUENCE, &[&token, &signature])]))
}

/// A server's message. One that speaks NTLM without the wrapping is understood too: some do.
pub fn read(message: &[u8]) -> Result<Response<'_>, Cause> {
    if message.len() > limits::LOGIN_TOKEN_BYTES_MAX {
        let limit = limits::LOGIN_TOKEN_BYTES_MAX as u64;
        return Err(Cause::LimitExceeded { what: "the answer to `Negotiate`".to_owned(), limit });
    }
    if message.starts_with(b"NTLMSSP\0") {
        return Ok(Response { is_rejected: false, token: Some(message) });
    }
    let damaged = || Cause::Garbage { detail: "its answer to `Negotiate` is damaged".to_owned() };
    parse(message).ok_or_else(damaged)
}

fn parse(message: &[u8]) -> Option<Response<'_>> {
    let (content, _) = take(message, RESPONSE)?;
    let (mut fields, _) = take(content, SEQUENCE)?;
    let mut response = Response { is_rejected: false, token: None };
    while let Some(tag) = fields.first() {
        let (content, rest) = take(fields, *tag)?;
        match *tag {
            STATE => response.is_rejected = take(content, ENUMERATED)?.0 == [REJECTED],
            TOKEN => response.token = Some(take(content, OCTET_STRING)?.0),
            // Which mechanism was chosen (there is one), and a signature that TLS makes needless.
            _other => {}
        }
        fields = rest;
    }
    Some(response)
}

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let bytes = length.to_be_bytes();
    let significant = &bytes[bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1)..];
    let mut element = vec![tag];
    if length >= 0x80 {
        // At most eight bytes.
        element.push(0x80 | u8::try_from(significant.len()).unwrap_or(0));
    }
    element.extend_from_slice(significant);
    parts.iter().for_each(|part| element.extend_from_slice(part));
    element
}

/// The content of the element with this tag at the beginning, and what follows it.
fn take(text: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = text.strip_prefix(&[tag])?.split_first()?;
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = bytes.iter().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
            (usize::try_from(length).ok()?, rest)
        }
        _indefinite => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_found_in_its_wrapping() {
        let token = [7; 300];
        let inner = element(TOKEN, &[&element(OCTET_STRING, &[&token])]);
        let state = element(STATE, &[&[ENUMERATED, 1, 1]]);
        let chosen = element(RESPONSE, &[NTLM]);
        let message = element(RESPONSE, &[&element(SEQUENCE, &[&state, &chosen, &inner])]);
        assert_eq!(read(&message), Ok(Response { is_rejected: false, token: Some(&token[..]) }));
        for end in 0..message.len() {
            assert!(read(&message[..end]).is_err());
        }
        let refused = element(RESPONSE, &[&element(SEQUENCE, &[&element(STATE, &[&[ENUMERATED, 1, 2]])])]);
        assert_eq!(read(&refused), Ok(Response { is_rejected: true, token: None }));
    }

    #[test]
    fn one_mechanism_is_offered() {
        let text: String = begin(&[]).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text, "602006062b0601050502a0163014a00e300c060a2b06010401823702020aa2020400");
    }
}
