//! The server's message, and the list of attributes in it that goes back to it (MS-NLMP 2.2.1.2, 2.2.2.1).

use super::message::{SIGNATURE, flags};
use super::{Binding, Login, utf16};
use crate::model::failure::Cause;
use crate::model::limits;
use crate::protocol::md5::md5;

/// Identifiers of attributes.
mod attribute {
    pub const END: u16 = 0;
    pub const FLAGS: u16 = 6;
    pub const TIMESTAMP: u16 = 7;
    pub const TARGET_NAME: u16 = 9;
    pub const CHANNEL_BINDINGS: u16 = 10;
}

/// `MsvAvFlags`: the third message carries an integrity code.
const HAS_INTEGRITY_CODE: u32 = 2;

pub(super) struct Challenge {
    pub flags: u32,
    pub nonce: [u8; 8],
    /// In hundreds of nanoseconds since 1601, as it is sent back.
    pub timestamp: Option<[u8; 8]>,
    attributes: Vec<(u16, Vec<u8>)>,
}

impl Challenge {
    pub fn read(message: &[u8]) -> Result<Self, Cause> {
        if message.len() > limits::LOGIN_TOKEN_BYTES_MAX {
            let limit = limits::LOGIN_TOKEN_BYTES_MAX as u64;
            return Err(Cause::LimitExceeded { what: "the NTLM challenge".to_owned(), limit });
        }
        Self::parse(message).ok_or_else(|| garbage("its NTLM challenge is damaged"))?.checked()
    }

    fn parse(message: &[u8]) -> Option<Self> {
        let text = message.strip_prefix(SIGNATURE)?.strip_prefix(&2_u32.to_le_bytes())?;
        // From here offsets are 12 less than in the specification.
        let flags = u32::from_le_bytes(text.get(8..12)?.try_into().ok()?);
        let nonce = text.get(12..20)?.try_into().ok()?;
        let attributes = if flags & flags::TARGET_INFO == 0 {
            Vec::new()
        } else {
            attributes(field(message, text.get(28..36)?)?)?
        };
        let timestamp = find(&attributes, attribute::TIMESTAMP);
        let timestamp = timestamp.map(<[u8; 8]>::try_from).transpose().ok()?;
        Some(Self { flags, nonce, timestamp, attributes })
    }

    fn checked(self) -> Result<Self, Cause> {
        if self.flags & flags::UNICODE == 0 {
            return Err(garbage("it speaks NTLM without Unicode, which only version 1 did"));
        }
        if self.flags & flags::EXTENDED_SECURITY == 0 || self.attributes.is_empty() {
            return Err(garbage("it offers only NTLM version 1"));
        }
        Ok(self)
    }
}

fn garbage(words: &str) -> Cause {
    Cause::Garbage { detail: words.to_owned() }
}

/// A length, an allocated length and an offset into the message.
fn field<'a>(message: &'a [u8], descriptor: &[u8]) -> Option<&'a [u8]> {
    let length = usize::from(u16::from_le_bytes(descriptor.get(..2)?.try_into().ok()?));
    let offset = usize::try_from(u32::from_le_bytes(descriptor.get(4..8)?.try_into().ok()?)).ok()?;
    message.get(offset..offset.checked_add(length)?)
}

fn attributes(mut text: &[u8]) -> Option<Vec<(u16, Vec<u8>)>> {
    let mut found = Vec::new();
    loop {
        let (header, rest) = text.split_at_checked(4)?;
        let id = u16::from_le_bytes([header[0], header[1]]);
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([header[2], header[3]])))?;
        if id == attribute::END {
            return Some(found);
        }
        found.push((id, value.to_vec()));
        text = rest;
    }
}

fn find(attributes: &[(u16, Vec<u8>)], id: u16) -> Option<&[u8]> {
    attributes.iter().find(|(found, _)| *found == id).map(|(_, value)| value.as_slice())
}

/// The attributes that go back: the server's, and what binds the login to this service and this connection.
pub(super) fn echo(challenge: &Challenge, login: &Login<'_>) -> Result<Vec<u8>, Cause> {
    let ours = [attribute::FLAGS, attribute::TARGET_NAME, attribute::CHANNEL_BINDINGS];
    let mut list = Vec::new();
    let mut put = |id: u16, value: &[u8]| {
        let length = u16::try_from(value.len()).map_err(|_| garbage("its NTLM attributes are too long"))?;
        list.extend_from_slice(&id.to_le_bytes());
        list.extend_from_slice(&length.to_le_bytes());
        list.extend_from_slice(value);
        Ok(())
    };
    for (id, value) in challenge.attributes.iter().filter(|(id, _)| !ours.contains(id)) {
        put(*id, value)?;
    }
    let theirs = find(&challenge.attributes, attribute::FLAGS).and_then(|flags| flags.try_into().ok());
    let mut flags = theirs.map_or(0, u32::from_le_bytes);
    if challenge.timestamp.is_some() {
        flags |= HAS_INTEGRITY_CODE;
    }
    put(attribute::FLAGS, &flags.to_le_bytes())?;
    put(attribute::CHANNEL_BINDINGS, &binding_hash(login.binding.as_ref()))?;
    put(attribute::TARGET_NAME, &utf16(login.service))?;
    put(attribute::END, &[])?;
    Ok(list)
}

/// MD5 of a `gss_channel_bindings_struct` that names no addresses; zeros without TLS.
fn binding_hash(binding: Option<&Binding<'_>>) -> [u8; 16] {
    let Some(Binding(hash)) = binding else { return [0; 16] };
    const PREFIX: &[u8] = b"tls-server-end-point:";
    let length = u32::try_from(PREFIX.len() + hash.len()).unwrap_or(u32::MAX);
    md5(&[&[0; 16], &length.to_le_bytes(), PREFIX, hash])
}
