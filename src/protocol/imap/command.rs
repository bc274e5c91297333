//! Commands as bytes. Anything that is not a number or a constant goes through `imap-codec`, whose types decide
//! between atom, quoted string and literal, so that no text can end a command and begin another.

use std::collections::VecDeque;

use imap_codec::CommandCodec;
use imap_codec::encode::{Encoder, Fragment};
use imap_types::command::{Command, CommandBody};
use imap_types::core::{AString, IString, LiteralMode, Tag as CodecTag};
use imap_types::secret::Secret as CodecSecret;

use crate::model::failure::Cause;

use super::capability::Capabilities;

/// Names the commands of one connection, each once.
#[derive(Debug, Default)]
pub struct Tags {
    used: u32,
}

impl Tags {
    pub fn next_tag(&mut self) -> Tag {
        self.used = self.used.wrapping_add(1);
        Tag(format!("M{}", self.used))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A command of constant words and numbers.
pub(super) fn bare(tag: &Tag, words: &str) -> VecDeque<Vec<u8>> {
    VecDeque::from([format!("{} {words}\r\n", tag.as_str()).into_bytes()])
}

/// The longest literal that LITERAL- lets us send at once (RFC 7888).
const LITERAL_AT_ONCE_BYTES_MAX: usize = 4096;

/// LOGIN, as the pieces between which the server's go-ahead is needed.
pub(super) fn login(
    tag: &Tag,
    capabilities: &Capabilities,
    username: &str,
    password: &str,
) -> Result<VecDeque<Vec<u8>>, Cause> {
    let body = CommandBody::Login {
        username: astring(username, capabilities)?,
        password: CodecSecret::new(astring(password, capabilities)?),
    };
    let tag =
        CodecTag::try_from(tag.as_str()).map_err(|error| Cause::Internal { detail: error.to_string() })?;
    Ok(chunks(&Command { tag, body }))
}

fn astring<'a>(text: &'a str, capabilities: &Capabilities) -> Result<AString<'a>, Cause> {
    let mut string = AString::try_from(text).map_err(|_| Cause::Unsupported {
        setting: "a user name or password that contains NUL".to_owned(),
    })?;
    if let AString::String(IString::Literal(literal)) = &mut string
        && capabilities.short_literals_at_once()
        && text.len() <= LITERAL_AT_ONCE_BYTES_MAX
    {
        literal.set_mode(LiteralMode::NonSync);
    }
    Ok(string)
}

fn chunks(command: &Command<'_>) -> VecDeque<Vec<u8>> {
    let (mut chunks, mut chunk) = (VecDeque::new(), Vec::new());
    for fragment in CommandCodec::default().encode(command) {
        match fragment {
            Fragment::Line { data } => chunk.extend(data),
            Fragment::Literal { data, mode } => {
                if mode == LiteralMode::Sync {
                    chunks.push_back(std::mem::take(&mut chunk));
                }
                chunk.extend(data);
            }
        }
    }
    chunks.push_back(chunk);
    chunks
}
