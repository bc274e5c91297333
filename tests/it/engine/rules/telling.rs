//! Alerts: whom they are for, how long they are kept, and what is told of a whole profile.

use mailplumb::model::alert::{Alert, Trouble, TroubleChanges};
use mailplumb::model::operation::Operation;
use mailplumb::playground::{Fault, Options, Protocol};

use super::super::site::Desk;
use super::super::world::{Variant, World, address, password};

const DAY: i64 = 86_400;

async fn alerts(desk: &Desk) -> Vec<Alert> {
    desk.engine.store.alerts(1000).await.unwrap()
}

fn codes(alerts: &[Alert]) -> Vec<&str> {
    let mut codes: Vec<&str> = alerts.iter().map(|alert| alert.code.as_str()).collect();
    codes.sort_unstable();
    codes
}

#[tokio::test]
async fn old_alerts_go_except_the_newest_of_what_does_not_work_yet() {
    let world = World::start();
    world.playground.state().set_password(&address("anna"), "another").unwrap();
    let desk = world.site.desk();
    desk.apply().await;
    assert!(alerts(&desk).await.len() > 2);
    desk.clock.forward(29 * DAY);
    desk.engine.look_after_alerts().await.unwrap();
    let all = alerts(&desk).await;
    assert!(codes(&all).contains(&"enabled"), "{:?}", codes(&all));
    desk.clock.forward(2 * DAY);
    desk.engine.look_after_alerts().await.unwrap();
    let left = alerts(&desk).await;
    assert!(left.iter().all(|alert| alert.mailbox.as_ref().unwrap().as_str() == "anna"), "{left:#?}");
    assert_eq!(codes(&left), ["login-refused", "login-refused"], "one for each direction");
    world.playground.state().set_password(&address("anna"), &password("anna")).unwrap();
    desk.test("anna").await;
    desk.engine.look_after_alerts().await.unwrap();
    assert_eq!(codes(&alerts(&desk).await), ["enabled", "enabled"], "what works again stands no more");
}

#[tokio::test]
async fn most_mailboxes_of_a_profile_failing_is_one_alert_to_its_owner_until_it_has_ended() {
    let variant = Variant::default().with("  imapSmtp:", "  alerts: { massFailure: true }\n  imapSmtp:");
    let world = World::varied(&variant, Options::default());
    let desk = world.site.desk();
    desk.apply().await;
    let mass = async || {
        desk.engine.look_after_alerts().await.unwrap();
        let mut all = alerts(&desk).await;
        all.retain(|alert| alert.code == "mass-failure");
        all
    };
    assert!(mass().await.is_empty());
    world.playground.inject(Protocol::Imap, Fault::RefuseConnections);
    desk.sync(Operation::Incoming).await;
    let [told] = &mass().await[..] else { panic!("{:#?}", alerts(&desk).await) };
    assert!(told.mailbox.is_none() && told.profile.is_some() && told.owners.len() == 1, "{told:#?}");
    assert!(told.cause.contains("`connection-refused`") && told.cause.contains("anna"), "{}", told.cause);
    desk.sync(Operation::Incoming).await;
    assert_eq!(mass().await.len(), 1, "it stands, and is told once");
    world.playground.heal(Protocol::Imap);
    desk.clock.forward(60);
    desk.sync(Operation::Incoming).await;
    assert_eq!(mass().await.len(), 1);
    world.playground.inject(Protocol::Imap, Fault::RefuseConnections);
    desk.sync(Operation::Incoming).await;
    assert_eq!(mass().await.len(), 1, "they have failed within the same hour");
    world.playground.heal(Protocol::Imap);
    desk.clock.forward(3600);
    desk.sync(Operation::Incoming).await;
    assert_eq!(mass().await.len(), 1);
    world.playground.inject(Protocol::Imap, Fault::RefuseConnections);
    desk.sync(Operation::Incoming).await;
    assert_eq!(mass().await.len(), 2, "it is over, and comes again");
}

#[tokio::test]
async fn what_the_profiles_owner_has_to_mend_goes_to_the_mailboxes_owners_only_where_that_is_wanted() {
    for (setting, count) in [("false", 1), ("true", 2)] {
        let world = World::start();
        world.edit("  retry:", &format!("  alerts: {{ notifyMailboxOwner: {setting} }}\n  retry:"));
        world.playground.inject(Protocol::Imap, Fault::RefuseConnections);
        let desk = world.site.desk();
        desk.apply().await;
        let all = alerts(&desk).await;
        let anna = all.iter().find(|alert| {
            alert.code == "connection-refused"
                && alert.mailbox.as_ref().is_some_and(|name| name.as_str() == "anna")
        });
        assert_eq!(anna.unwrap().owners.len(), count, "{setting}: {all:#?}");
    }
}

#[tokio::test]
async fn a_halt_is_told_once_and_those_that_are_tested_meanwhile_say_no_more() {
    let world = World::start();
    world.playground.inject(Protocol::Imap, Fault::RefuseConnections);
    let desk = world.site.desk();
    let halt = (super::super::site::name("imap"), Trouble::Halted);
    let told = TroubleChanges { begun: vec![halt], ..TroubleChanges::default() };
    desk.engine.store.note_troubles(&told).await.unwrap();
    desk.apply().await;
    let of_imap = |alert: &Alert| {
        alert.profile.as_ref().is_some_and(|name| name.as_str() == "imap")
            && alert.operation == Some(Operation::Incoming)
    };
    assert!(!alerts(&desk).await.iter().any(of_imap), "{:#?}", alerts(&desk).await);
    world.playground.heal(Protocol::Imap);
    desk.clock.forward(3600);
    desk.test_waiting().await;
    assert!(alerts(&desk).await.iter().any(of_imap), "that it works is told");
}
