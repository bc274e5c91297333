//! What every mail server has to be to the connectors, and the connectors to every mail server: one set of cases, run
//! against the playground (with Exchange) and against Dovecot with Postfix.

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

/// The protocols that read in every world.
pub const READING: [Protocol; 2] = [Protocol::Pop3, Protocol::Imap];
