//! What a server can do (RFC 3501 section 7.2.1). Asked for anew after STARTTLS and after the login, because both
//! change it and what was said before TLS may have been said by somebody else.

use crate::model::failure::Cause;

use super::command::{Tag, bare};
use super::exchange::{Answer, Asked, Completion};
use super::refusal::{Stage, refusal};
use super::response::{Code, Response};
use crate::protocol::Conversation;

/// The capabilities of a session, in upper case, with a blank between two of them. One text, because thousands of sessions stay
/// open, and a server that names fifty would take fifty pieces of memory for each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    text: Box<str>,
}

impl Capabilities {
    pub(super) fn parse(words: &[u8]) -> Self {
        let said = String::from_utf8_lossy(words);
        let mut text = String::with_capacity(said.len());
        for word in said.split_ascii_whitespace() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
        }
        text.make_ascii_uppercase();
        Self { text: text.into() }
    }

    fn each(&self) -> impl Iterator<Item = &str> {
        self.text.split_ascii_whitespace()
    }

    /// As the server said them, in upper case.
    pub fn words(&self) -> Vec<String> {
        self.each().map(str::to_owned).collect()
    }

    fn has(&self, word: &str) -> bool {
        self.each().any(|offered| offered == word)
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

    /// The server tells what changes by itself (RFC 2177, and part of RFC 9051).
    pub fn idle(&self) -> bool {
        self.has("IDLE") || self.has("IMAP4REV2")
    }

    /// SEARCH may be asked for its result in short (RFC 4731, and part of RFC 9051).
    pub fn esearch(&self) -> bool {
        self.has("ESEARCH") || self.has("IMAP4REV2")
    }

    /// The SASL mechanisms offered, in the server's order.
    pub fn mechanisms(&self) -> Vec<String> {
        self.each().filter_map(|word| word.strip_prefix("AUTH=")).map(str::to_owned).collect()
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

#[cfg(test)]
mod tests {
    use super::super::command::Tags;
    use super::super::transcript::play;
    use super::*;

    fn ask() -> impl Conversation<Output = Capabilities> {
        ask_capabilities(Tags::default().next_tag())
    }

    #[test]
    fn capabilities_come_untagged_or_with_the_answer() {
        let untagged = "C: M1 CAPABILITY\nS: * capability imap4rev1 auth=Plain uidplus\nS: M1 OK done";
        let tagged = "C: M1 CAPABILITY\nS: M1 OK [CAPABILITY IMAP4rev1 AUTH=PLAIN UIDPLUS] done";
        assert_eq!(play(ask, untagged).unwrap(), play(ask, tagged).unwrap());
        assert!(play(ask, tagged).unwrap().uidplus());
    }

    #[test]
    fn the_words_of_a_server_are_in_memory_once_and_in_one_piece() {
        let capabilities = Capabilities::parse(b"  IMAP4rev1 idle\tAUTH=PLAIN  AUTH=login ");
        assert_eq!(&*capabilities.text, "IMAP4REV1 IDLE AUTH=PLAIN AUTH=LOGIN");
        assert_eq!(capabilities.words(), ["IMAP4REV1", "IDLE", "AUTH=PLAIN", "AUTH=LOGIN"]);
        assert_eq!(capabilities.mechanisms(), ["PLAIN", "LOGIN"]);
        assert!(capabilities.idle() && !capabilities.has("AUTH="));
    }

    #[test]
    fn imap4rev2_includes_uidplus_and_short_literals() {
        let capabilities = Capabilities::parse(b"IMAP4rev2");
        assert!(capabilities.uidplus() && capabilities.short_literals_at_once());
    }

    #[test]
    fn unknown_responses_are_skipped_and_a_bye_ends_the_session() {
        let chatter =
            "C: M1 CAPABILITY\nS: * 3 EXISTS\nS: * WEATHER fine {2}\nS: ab\nS:\nS: * OK [ALERT] x\n";
        assert!(play(ask, &format!("{chatter}S: * CAPABILITY STARTTLS\nS: M1 OK")).unwrap().starttls());
        let cause = play(ask, &format!("{chatter}S: * BYE [UNAVAILABLE] restarting")).unwrap_err();
        assert_eq!(cause, Cause::ServerBye { said: "[UNAVAILABLE] restarting".to_owned() });
    }

    #[test]
    fn lines_that_are_no_responses_are_garbage() {
        for line in ["hello there", "M9 OK another's answer", "+ go on"] {
            let cause = play(ask, &format!("C: M1 CAPABILITY\nS: {line}")).unwrap_err();
            assert!(matches!(&cause, Cause::Garbage { detail } if detail.contains(line)), "{line}: {cause}");
        }
    }
}
