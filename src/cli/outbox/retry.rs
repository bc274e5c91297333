//! `mailplumb outbox retry`

use clap::Args;

use super::{find, told};
use crate::cli::exit::{Failure, Outcome};
use crate::cli::{Format, context};
use crate::engine::clock::SystemClock;
use crate::model::clock::Clock;
use crate::model::outbox::{OutgoingMessage, OutgoingState};
use crate::store::{Store, StoreError};

#[derive(Debug, Args)]
pub(super) struct Retry {
    /// The message
    #[arg(value_name = "ID")]
    id: u64,
    /// Print the message in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

impl Retry {
    pub fn run(self, store: &dyn Store) -> Outcome {
        context::run(tokio_util::sync::CancellationToken::new(), async {
            let Self { id, output } = self;
            let message = find(store, id).await?;
            may_be_sent_again(&message)?;
            match store.requeue(id, SystemClock::new().now()).await {
                // The message is there: its mailbox is not, or is another one of the same name.
                Err(StoreError::NotFound(_)) => return Err(orphaned(store, &message).await?),
                ended => ended?,
            }
            told(store, id, output, format!("Message {id} is pending again.")).await
        })
    }
}

/// Why a message of a mailbox that was deleted is not sent by itself, and how it is sent all the same.
async fn orphaned(store: &dyn Store, message: &OutgoingMessage) -> Result<Failure, StoreError> {
    let OutgoingMessage { id, mailbox, .. } = message;
    let (cause, sender) = match store.mailbox(mailbox).await? {
        Some(_) => {
            (format!("the `{mailbox}` of today was made after that one was deleted"), mailbox.as_str())
        }
        None => (format!("`{mailbox}` was deleted, and there is no such mailbox now"), "NAME"),
    };
    Ok(Failure::new(format!("outgoing message {id} belonged to a former mailbox `{mailbox}`")).cause(cause).hint(
        format!(
            "queue it anew: `mailplumb outbox show {id} --raw > message.eml`, then `mailplumb outbox add --mailbox {sender} --eml message.eml`"
        ),
    ))
}

fn may_be_sent_again(message: &OutgoingMessage) -> Result<(), Failure> {
    let id = message.id;
    let hint = match message.state {
        OutgoingState::Failed | OutgoingState::Unsure => return Ok(()),
        OutgoingState::Pending => {
            "it is sent by itself, by the next `mailplumb sync` or a running `mailplumb watch`".to_owned()
        }
        OutgoingState::Sending => format!("wait for the end of the attempt; `mailplumb outbox show {id}` tells"),
        OutgoingState::Sent => {
            "every recipient's server has accepted it; to send it once more, queue it with `mailplumb outbox add`"
                .to_owned()
        }
    };
    let state = message.state.key();
    Err(Failure::new(format!("outgoing message {id} is {state}, and cannot be sent again"))
        .cause("only a message that is failed or unsure can")
        .hint(hint))
}
