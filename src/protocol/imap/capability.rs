//! What a server can do (RFC 3501 section 7.2.1). Asked for anew after STARTTLS and after the login, because both
//! change it and what was said before TLS may have been said by somebody else.

use crate::model::failure::Cause;

use super::super::Conversation;
use super::command::{Tag, bare};
use super::exchange::{Answer, Asked, Completion};
use super::refusal::{Stage, refusal};
use super::response::{Code, Response};

/// The capabilities of a session, in upper case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    words: Vec<String>,
}

impl Capabilities {
    pub(super) fn parse(words: &[u8]) -> Self {
        let words = String::from_utf8_lossy(words);
        Self { words: words.split_ascii_whitespace().map(str::to_ascii_uppercase).collect() }
    }

    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|offered| offered == word)
    }

    pub fn starttls(&self) -> bool {
        self.has("STARTTLS")
    }

    /// The LOGIN command must not be used.
    pub fn login_disabled(&self) -> bool {
        self.has("LOGINDISABLED")
    }

    /// An initial response may follow AUTHENTICATE (RFC 4959).
    pub fn sasl_ir(&self) -> bool {
        self.has("SASL-IR")
    }

    /// Literals of up to 4096 octets need not be waited for (RFC 7888).
    pub fn short_literals_at_once(&self) -> bool {
        self.has("LITERAL+") || self.has("LITERAL-") || self.has("IMAP4REV2")
    }

    /// `UID EXPUNGE` exists (RFC 4315, and part of RFC 9051).
    pub fn uidplus(&self) -> bool {
        self.has("UIDPLUS") || self.has("IMAP4REV2")
    }

    /// The SASL mechanisms offered, in the server's order.
    pub fn mechanisms(&self) -> Vec<String> {
        self.words.iter().filter_map(|word| word.strip_prefix("AUTH=")).map(str::to_owned).collect()
    }
}

/// CAPABILITY.
pub fn ask_capabilities(tag: Tag) -> impl Conversation<Output = Capabilities> {
    let chunks = bare(&tag, "CAPABILITY");
    Asked::new(tag, chunks, AskCapabilities::default())
}

#[derive(Default)]
struct AskCapabilities {
    seen: Capabilities,
}

impl Answer for AskCapabilities {
    type Output = Capabilities;

    fn untagged(&mut self, response: Response) -> Result<(), Cause> {
        if let Response::Capability(capabilities) = response {
            self.seen = capabilities;
        }
        Ok(())
    }

    fn completed(&mut self, completion: Completion) -> Result<Capabilities, Cause> {
        completion.accepted().map_err(|completion| refusal(Stage::Session, &completion))?;
        if let Code::Capability(capabilities) = completion.reply.code {
            self.seen = capabilities;
        }
        Ok(std::mem::take(&mut self.seen))
    }
}
