//! A defect in one mailbox's work costs that mailbox one round, and nobody else anything.

use std::sync::Arc;

use async_trait::async_trait;
use mailplumb::engine::watch::{self, Watch};
use mailplumb::model::event::Event;
use mailplumb::model::failure::RemoteError;
use mailplumb::model::profile::ServerKind;
use mailplumb::model::server::Destination;
use mailplumb::playground::{Fault, Options, Protocol};
use mailplumb::remote::{Connector, Receive, Remotes, Submit, Trace};
use tokio::sync::mpsc;

use super::super::site::policy;
use super::super::world::{Variant, World, letter};
use crate::support::scratch::wait_until;

/// Servers that cannot be spoken to about the mailbox `ben`.
struct Panicking(Arc<dyn Remotes>);

struct PanickingConnector(Arc<dyn Connector>);

impl Remotes for Panicking {
    fn connector(&self, kind: ServerKind) -> Option<Arc<dyn Connector>> {
        Some(Arc::new(PanickingConnector(self.0.connector(kind)?)))
    }
}

#[async_trait]
impl Connector for PanickingConnector {
    async fn receive(
        &self,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Box<dyn Receive>, RemoteError> {
        assert!(destination.mailbox.as_str() != "ben", "a defect");
        self.0.receive(destination, trace).await
    }

    async fn submit(
        &self,
        destination: &Destination,
        trace: &mut Trace,
    ) -> Result<Box<dyn Submit>, RemoteError> {
        self.0.submit(destination, trace).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_panics_is_tried_again_and_does_not_let_others_be_worked_on_twice() {
    let world = World::varied(&Variant::default().with("wait: 1m", "wait: 1s"), Options::default());
    assert_eq!(world.site.desk().apply().await.failed, 0);
    world.deliver("anna", &letter("anna"));
    world.deliver("sales", &letter("sales"));
    world.deliver("support", &letter("support"));
    // Whoever reads by IMAP is busy until the end of this test.
    world.playground.inject(Protocol::Imap, Fault::Stall { at: "UID FETCH".to_owned() });
    world.playground.log().clear();
    let desk = world.site.desk_through(|store, remotes| (store, Arc::new(Panicking(remotes))));
    let (hint, changes) = mpsc::channel(1);
    let running = tokio::spawn(watch::run(
        Watch {
            engine: Arc::new(desk.engine),
            source: Arc::new(world.site.source()),
            host: world.site.host(),
            policy: policy(),
            changes,
        },
        Box::new(mailplumb::source::Files::new(std::time::Duration::from_millis(20))),
    ));
    let is_panic =
        |event: &Event| matches!(event, Event::Warned { message } if message.contains("mailbox/ben"));
    for panics in 1..=4 {
        tokio::task::block_in_place(|| {
            let seen = || desk.heard.count(is_panic);
            wait_until("a panic", || seen() >= panics, || format!("{:#?}", desk.heard.take()));
        });
        // Everything is queued anew.
        hint.send(()).await.unwrap();
    }
    assert_eq!(world.playground.log().connections(Protocol::Imap), 2, "one for anna, one for sales");
    running.abort();
}
