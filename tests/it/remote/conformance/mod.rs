//! What every mail server has to be to the connectors, and the connectors to every mail server: one set of cases, run
//! against the playground (with Exchange and Graph), against Dovecot with Postfix, and against Courier.

/// Runs cases, each an `async fn(&dyn World)`, in both worlds.
macro_rules! in_every_world {
    ($($case:ident),* $(,)?) => {
        mod playground {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case(&crate::remote::world::Play::start()).await;
                }
            )*
        }

        mod real {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    use crate::support::need::{Need, require};
                    let Some(()) = require(Need::Servers) else { return };
                    super::$case(&crate::remote::world::Real::start()).await;
                }
            )*
        }

        mod other {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    use crate::support::need::{Need, require};
                    let Some(()) = require(Need::Courier) else { return };
                    super::$case(&crate::remote::world::Other::start()).await;
                }
            )*
        }
    };
}

mod cursor;
mod deletion;
mod login;
mod reading;
mod submission;

use mailplumb::model::profile::Protocol;

use super::world::Way;

/// The protocols that read in every world.
pub const READING: [Protocol; 2] = [Protocol::Pop3, Protocol::Imap];

/// What a case is about that not every connector has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A connection that begins without TLS.
    ClearDoor,
    /// A choice among mechanisms.
    Mechanisms,
    /// An answer for each recipient, and a sender that is told apart from the header.
    Envelope,
    /// Lines that the connector ends, stuffs and folds.
    Lines,
    /// A server that can be asked what became of a message.
    Copies,
}

/// Why a case leaves a connector out. `None`: it takes part.
pub fn left_out(way: Way, about: About) -> Option<&'static str> {
    match (way, about) {
        (Way::EwsReading | Way::EwsSending | Way::GraphReading | Way::GraphSending, About::ClearDoor) => {
            Some("HTTPS begins with TLS; nothing of it is spoken before")
        }
        (Way::GraphReading | Way::GraphSending, About::Mechanisms) => {
            Some("Graph knows one mechanism, a bearer token")
        }
        (Way::EwsSending | Way::GraphSending, About::Envelope) => Some(
            "Exchange takes a message for all its recipients or for none, and its sender is the mailbox: there is no envelope",
        ),
        (Way::EwsSending | Way::GraphSending, About::Lines) => {
            Some("MIME travels in Base64, so that no line of it is ended, stuffed or folded")
        }
        (Way::Smtp, About::Copies) => {
            Some("SMTP cannot be asked what became of a message: one that is unsure waits for a person")
        }
        (Way::Pop3 | Way::Imap, _)
        | (Way::Smtp, About::ClearDoor | About::Mechanisms | About::Envelope | About::Lines)
        | (Way::EwsReading | Way::EwsSending, About::Mechanisms)
        | (Way::EwsReading | Way::GraphReading, About::Envelope | About::Lines | About::Copies)
        | (Way::EwsSending | Way::GraphSending, About::Copies) => None,
    }
}

/// Whether a connector takes part; the reason why it does not stands in the test's output.
#[expect(clippy::print_stderr, reason = "it is the test's output")]
pub fn takes_part(way: Way, about: About) -> bool {
    let reason = left_out(way, about);
    if let Some(reason) = reason {
        eprintln!("{way:?} is left out of a case about {about:?}: {reason}");
    }
    reason.is_none()
}
