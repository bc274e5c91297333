//! Where the task that reads a server puts what it reads. What has arrived and is not yet durable is bounded: when it is too much, the
//! server is not read until some of it is.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;

use crate::model::cursor::{Fetched, Listed};
use crate::model::failure::{Cause, RemoteError};
use crate::model::limits;
use crate::remote::{Arrivals, Receive};

/// The unit in which room is counted.
const ROOM_UNIT_BYTES: u64 = 1024;
/// Arrivals on their way from the task that reads the server, however small they are.
const ARRIVALS_WAITING_MAX: usize = 256;

pub(super) enum Arrival {
    Piece(Bytes, OwnedSemaphorePermit),
    Message(Box<Fetched>, OwnedSemaphorePermit),
}

/// Where the task that reads the server puts what it reads.
struct Inlet {
    arrivals: mpsc::Sender<Arrival>,
    room: Arc<Semaphore>,
    /// All of the room.
    units: u32,
}

impl Inlet {
    async fn room_for(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Cause> {
        let units = (bytes as u64).div_ceil(ROOM_UNIT_BYTES);
        let units = u32::try_from(units).unwrap_or(u32::MAX).clamp(1, self.units);
        Arc::clone(&self.room).acquire_many_owned(units).await.map_err(|_closed| not_taken())
    }

    async fn put(&self, arrival: Arrival) -> Result<(), Cause> {
        self.arrivals.send(arrival).await.map_err(|_closed| not_taken())
    }
}

/// Nobody sees it: who stopped taking knows why.
fn not_taken() -> Cause {
    Cause::Internal { detail: "what arrives is not taken any more".to_owned() }
}

#[async_trait]
impl Arrivals for Inlet {
    async fn piece(&mut self, octets: Bytes) -> Result<(), Cause> {
        let room = self.room_for(octets.len()).await?;
        self.put(Arrival::Piece(octets, room)).await
    }

    async fn message(&mut self, fetched: Fetched) -> Result<(), Cause> {
        let room = self.room_for(fetched.content.held_bytes()).await?;
        self.put(Arrival::Message(Box::new(fetched), room)).await
    }
}

pub(super) type Reader = AbortOnDropHandle<(Box<dyn Receive>, Result<(), RemoteError>)>;

/// Octets of messages that have room, for a session that holds so many itself.
pub(super) fn room(held: u64) -> u64 {
    limits::FETCH_WINDOW_BYTES.saturating_sub(held).max(ROOM_UNIT_BYTES)
}

/// Begins to read the server. Whoever lets go of the handle ends it.
pub(super) fn read(
    mut session: Box<dyn Receive>,
    messages: Vec<Listed>,
) -> (Reader, mpsc::Receiver<Arrival>) {
    let (arrivals, taken) = mpsc::channel(ARRIVALS_WAITING_MAX);
    let units = u32::try_from(room(session.holds()) / ROOM_UNIT_BYTES).unwrap_or(u32::MAX);
    let room = Arc::new(Semaphore::new(units as usize));
    let reader = tokio::spawn(async move {
        let mut inlet = Inlet { arrivals, room, units };
        let read = session.fetch_each(&messages, &mut inlet).await;
        (session, read)
    });
    (AbortOnDropHandle::new(reader), taken)
}
