//! Logging in: the LOGIN command, and AUTHENTICATE with any SASL mechanism (RFC 3501 section 6.2, RFC 4959).

use std::collections::VecDeque;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::model::failure::Cause;

use super::super::Conversation;
use super::capability::Capabilities;
use super::command::{self, Tag};
use super::exchange::{Answer, Asked, Completion};
use super::refusal::{Stage, refusal};
use super::response::{Code, Response};

/// Answers the server's challenges.
pub trait Responder {
    /// The response to a decoded challenge.
    fn respond(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Cause>;
}

/// LOGIN. Done: the capabilities of the authenticated session, when the server says them unasked.
pub fn login(
    tag: Tag,
    capabilities: &Capabilities,
    username: &str,
    password: &str,
) -> Result<impl Conversation<Output = Option<Capabilities>> + use<>, Cause> {
    let chunks = command::login(&tag, capabilities, username, password)?;
    Ok(Asked::new(tag, chunks, Login { seen: None, responder: NoChallenge }))
}

/// AUTHENTICATE with a mechanism (its name is one of ours, never the server's) and, for mechanisms in which the client
/// speaks first, its initial response. Done: as for [`login`].
pub fn authenticate<R: Responder>(
    tag: Tag,
    capabilities: &Capabilities,
    mechanism: &'static str,
    initial: Option<Vec<u8>>,
    responder: R,
) -> impl Conversation<Output = Option<Capabilities>> {
    let mut line = format!("{} AUTHENTICATE {mechanism}", tag.as_str());
    let mut chunks = VecDeque::new();
    match initial {
        Some(initial) if capabilities.sasl_ir() => {
            line.push(' ');
            // RFC 4959: an empty initial response is `=`, because nothing at all means that there is none.
            line.push_str(&if initial.is_empty() { "=".to_owned() } else { STANDARD.encode(initial) });
            chunks.push_back(format!("{line}\r\n").into_bytes());
        }
        Some(initial) => {
            chunks.push_back(format!("{line}\r\n").into_bytes());
            chunks.push_back(base64_line(&initial));
        }
        None => chunks.push_back(format!("{line}\r\n").into_bytes()),
    }
    Asked::new(tag, chunks, Login { seen: None, responder })
}

fn base64_line(bytes: &[u8]) -> Vec<u8> {
    format!("{}\r\n", STANDARD.encode(bytes)).into_bytes()
}

/// LOGIN and one-step mechanisms expect no challenge.
pub struct NoChallenge;

impl Responder for NoChallenge {
    fn respond(&mut self, _: &[u8]) -> Result<Vec<u8>, Cause> {
        Err(Cause::Garbage { detail: "the server asks for more than the login holds".to_owned() })
    }
}

struct Login<R> {
    seen: Option<Capabilities>,
    responder: R,
}

impl<R: Responder> Answer for Login<R> {
    type Output = Option<Capabilities>;

    fn untagged(&mut self, response: Response) -> Result<(), Cause> {
        if let Response::Capability(capabilities) = response {
            self.seen = Some(capabilities);
        }
        Ok(())
    }

    fn challenged(&mut self, text: &[u8]) -> Result<Vec<u8>, Cause> {
        let challenge = STANDARD
            .decode(text)
            .map_err(|_| Cause::Garbage { detail: "a login challenge is not base64".to_owned() })?;
        self.responder.respond(&challenge).map(|response| base64_line(&response))
    }

    fn completed(&mut self, completion: Completion) -> Result<Option<Capabilities>, Cause> {
        completion.accepted().map_err(|completion| refusal(Stage::Login, &completion))?;
        Ok(match completion.reply.code {
            Code::Capability(capabilities) => Some(capabilities),
            Code::None | Code::UidValidity(_) | Code::UidNext(_) | Code::ReadOnly | Code::Other(_) => {
                self.seen.take()
            }
        })
    }
}
