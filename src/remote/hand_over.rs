//! Handing messages over while they arrive: the loop between a streaming conversation and whoever takes its messages.

use std::time::Duration;

use super::Arrivals;
use crate::model::cursor::Fetched;
use crate::model::failure::Cause;
use crate::net::Connection;
use crate::protocol::{Arrived, Streaming};

/// Drives a conversation to its end. `named` gives each message its lasting name; `None`: nobody asked for it.
pub(super) async fn hand_over<M, C>(
    connection: &mut Connection,
    conversation: &mut C,
    wait: Duration,
    arrivals: &mut dyn Arrivals,
    mut named: impl FnMut(M) -> Option<Fetched> + Send,
) -> Result<C::Output, Cause>
where
    M: Send,
    C: Streaming<Item = Arrived<M>> + Send,
    C::Output: Send,
{
    loop {
        let step = connection.drive_some(conversation, wait).await;
        // Also after an error: what has arrived before it stands.
        while let Some(item) = conversation.next_item() {
            match item {
                Arrived::Piece(octets) => arrivals.piece(octets).await?,
                Arrived::Message(message) => {
                    if let Some(fetched) = named(message) {
                        arrivals.message(fetched).await?;
                    }
                }
            }
        }
        if let Some(output) = step? {
            return Ok(output);
        }
    }
}
