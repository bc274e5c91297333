//! Access tokens that end in the middle of a session.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mailplumb::engine::clock::SystemClock;
use mailplumb::model::cursor::Cursor;
use mailplumb::model::failure::Cause;
use mailplumb::model::host::HostSettings;
use mailplumb::model::limits;
use mailplumb::model::name::{Address, Name};
use mailplumb::model::profile::{Access, Cloud, ServerKind};
use mailplumb::model::server::WebLocation;
use mailplumb::net::Network;
use mailplumb::playground::{GraphFault, Playground};
use mailplumb::remote::connectors::Connectors;
use mailplumb::remote::{Connector, Receive, Remotes, Trace, Wake};
use tokio_util::sync::CancellationToken;

use super::sending::is_accepted;
use super::world::{ANNA, BORIS, World, destination, error, ids, options, raw, whole};

fn refused() -> GraphFault {
    GraphFault::error(401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
}

#[tokio::test]
async fn a_token_that_ends_in_the_middle_is_replaced_and_the_request_made_again() {
    let world = World::new();
    world.deliver(0..3);
    let mut session = world.receive(ANNA).await.unwrap();
    world.playground.withdraw_tokens();
    let listing = session.list(&Cursor::Start).await.unwrap();
    world.clock.wait(limits::TOKEN_RENEWAL_GAP.as_secs());
    world.playground.withdraw_tokens();
    assert_eq!(whole(&mut session, &listing).await.len(), 3);
    world.clock.wait(limits::TOKEN_RENEWAL_GAP.as_secs());
    world.playground.withdraw_tokens();
    assert_eq!(session.delete_and_close(&ids(&listing)).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_message_is_sent_once_whenever_its_token_ends() {
    let world = World::new();
    let mut outgoing = world.submit(ANNA).await.unwrap();
    world.playground.withdraw_tokens();
    let [from, to] = [ANNA, BORIS].map(|address| Address::parse(address).unwrap());
    let mail = format!("To: {BORIS}\r\n{}", String::from_utf8(raw(1)).unwrap());
    let sent = outgoing.send(&from, &[to], mail.as_bytes()).await.unwrap();
    assert!(is_accepted(&sent), "{sent:?}");
    assert_eq!(world.playground.state().inbox(BORIS).unwrap().len(), 1);
}

#[tokio::test]
async fn a_service_that_takes_no_token_is_not_brought_one_after_the_other() {
    let world = World::new();
    let mut session = world.receive(ANNA).await.unwrap();
    world.playground.graph().misbehave("/delta", u32::MAX, refused());
    let before = world.asked("/delta");
    let failure = error(session.list(&Cursor::Start).await);
    assert!(matches!(failure.cause, Cause::ConnectionLost { .. }), "no refused login: {failure}");
    assert_eq!(world.asked("/delta") - before, 2, "once with each of two tokens");
    error(session.list(&Cursor::Start).await);
    assert_eq!(world.asked("/delta") - before, 3, "and with no third one so soon");
}

#[tokio::test]
async fn a_token_that_took_the_place_of_another_one_is_not_shown_either() {
    let world = World::new();
    let mut session = world.receive(ANNA).await.unwrap();
    world.playground.withdraw_tokens();
    session.list(&Cursor::Start).await.unwrap();
    // The playground numbers them, so that the next session's is known.
    let tokens: Vec<String> = (1..9)
        .map(|number| {
            use base64::Engine;
            let token = format!("playground-token-{number}-application");
            base64::engine::general_purpose::STANDARD.encode(token).trim_end_matches('=').to_owned()
        })
        .collect();
    let said = format!("what is {}?", tokens.join(" "));
    world.playground.graph().misbehave("/delta", 1, GraphFault::error(418, "ErrorTeapot", &said));
    let failure = error(session.list(&Cursor::Start).await).to_string();
    assert!(failure.contains("[password]") && !failure.contains(&tokens[0]), "{failure}");
}

/// Exchange Web Services for the same mailboxes, with the same tokens.
fn ews(playground: &Playground, ca: &tempfile::NamedTempFile) -> Arc<dyn Connector> {
    let hosts = Cloud::Global.hosts();
    std::fs::write(ca.path(), playground.ca_pem()).unwrap();
    let host = HostSettings {
        trust: BTreeMap::from([(Name::parse("ca").unwrap(), ca.path().to_owned())]),
        connect: BTreeMap::from([
            ((hosts.exchange.to_owned(), 443), playground.exchange().address()),
            ((hosts.authority.to_owned(), 443), playground.token_endpoint()),
        ]),
        ..HostSettings::default()
    };
    Connectors::new(Network::new(&host)).connector(ServerKind::ExchangeOnline).unwrap()
}

async fn receive(connector: &dyn Connector, address: &str) -> Box<dyn Receive> {
    let mut there = destination(address);
    there.endpoint.host = Cloud::Global.hosts().exchange.to_owned();
    if let Some(service) = &mut there.service {
        service.location = WebLocation::Path("/EWS/Exchange.asmx".to_owned());
        service.access = Some(Access::Impersonation);
    }
    let mut trace = Trace::new(Arc::new(SystemClock::new()));
    connector.receive(&there, &mut trace).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_exchange_web_services_it_is_replaced_as_well() {
    let playground = Playground::start(options()).unwrap();
    playground.state().deliver(ANNA, &raw(1)).unwrap();
    let ca = tempfile::NamedTempFile::new().unwrap();
    let mut session = receive(ews(&playground, &ca).as_ref(), ANNA).await;
    playground.withdraw_tokens();
    let listing = session.list(&Cursor::Start).await.unwrap();
    assert_eq!(ids(&listing).len(), 1);
    // Nobody takes two tokens within a minute.
    playground.withdraw_tokens();
    let failure = error(session.list(&Cursor::Start).await);
    assert!(matches!(failure.cause, Cause::ConnectionLost { .. }), "no refused login: {failure}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mailboxes_of_one_application_share_a_stream_whatever_token_they_came_with() {
    let playground = Playground::start(options()).unwrap();
    let ca = tempfile::NamedTempFile::new().unwrap();
    let connector = ews(&playground, &ca);
    let mut waits = Vec::new();
    for address in [ANNA, BORIS] {
        let mut session = receive(connector.as_ref(), address).await;
        session.list(&Cursor::Start).await.unwrap();
        waits.push(tokio::spawn(async move {
            let stop = CancellationToken::new();
            session.wait_for_mail(&stop, Duration::from_secs(600)).await.unwrap()
        }));
        if address == ANNA {
            playground.withdraw_tokens();
        }
    }
    let subscribed = || playground.exchange().subscriptions() == 2;
    while !subscribed() && !waits.iter().any(tokio::task::JoinHandle::is_finished) {
        tokio::task::yield_now().await;
    }
    let calls = playground.exchange().calls();
    let anchors: Vec<_> =
        calls.iter().filter(|call| call.operation == "Subscribe").map(|call| call.anchor.clone()).collect();
    assert!(anchors.iter().all(|anchor| *anchor == anchors[0]), "one group: {anchors:?}");
    playground.state().deliver(BORIS, &raw(1)).unwrap();
    assert_eq!(waits.pop().unwrap().await.unwrap(), Wake::News);
}
