//! Requests that are never answered: for clients that die, or give up, while they wait.

use super::super::World;
use super::ExchangeDoor;
use super::http::Request;

/// When a request is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Nothing is done.
    BeforeWork,
    /// It is done, and only the answer is missing.
    AfterWork,
}

/// What is to be held, and what is held.
#[derive(Debug, Default)]
pub(super) struct Holding {
    next: Option<(String, Hold)>,
    held: usize,
}

impl ExchangeDoor<'_> {
    /// The next request of that operation is never answered.
    pub fn hold(&self, operation: &str, hold: Hold) {
        self.world().exchange.lock().holding.next = Some((operation.to_owned(), hold));
    }

    /// How many requests were held.
    pub fn held(&self) -> usize {
        self.world().exchange.lock().holding.held
    }
}

/// Whether this request is to be held.
pub(super) fn of(world: &World, request: &Request) -> Option<Hold> {
    let holding = &mut world.exchange.lock().holding;
    let (operation, hold) = holding.next.clone()?;
    let is_it =
        request.body.contains(&format!(":{operation}>")) || request.body.contains(&format!(":{operation} "));
    if !is_it {
        return None;
    }
    holding.next = None;
    Some(hold)
}

/// Never returns.
pub(super) async fn forever(world: &World) {
    world.exchange.lock().holding.held += 1;
    std::future::pending::<()>().await;
}
