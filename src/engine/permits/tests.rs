//! Who gets a place, and who waits. Everything is counted; nothing looks at a clock.

use std::collections::BTreeMap;
use std::task::Poll;

use super::*;
use crate::model::host::Connections;
use crate::model::profile::{Authentication, Endpoint, MailServers, Processing, TlsMode};

const SECOND: Duration = Duration::from_secs(1);
const READ: Operation = Operation::Incoming;
const SEND: Operation = Operation::Outgoing;

fn permits(at_once_max: usize) -> Permits {
    let connections = Connections { at_once_max, ..Connections::default() };
    Permits::new(&HostSettings { connections, ..HostSettings::default() })
}

fn profile(name: &str, declared: u16, credentials: Credentials) -> Profile {
    let incoming = Endpoint {
        host: "h".to_owned(),
        port: None,
        tls: TlsMode::Implicit,
        authentication: Authentication::Auto,
        credentials,
        timeout_seconds: None,
    };
    let max_concurrent_connections = declared.try_into().unwrap();
    Profile {
        name: Name::parse(name).unwrap(),
        labels: BTreeMap::new(),
        display_name: None,
        description: None,
        owner: crate::model::name::Address::parse("o@example.test").unwrap(),
        active: true,
        server: Server::ImapSmtp(MailServers { trust: None, incoming, outgoing: None }),
        processing: Processing { max_concurrent_connections, ..Processing::default() },
        mass_failure_alert: false,
    }
}

fn own(name: &str) -> Profile {
    profile(name, 10, Credentials::Mailbox)
}

fn shared(name: &str, declared: u16) -> Profile {
    profile(name, declared, Credentials::Anonymous)
}

/// Everybody who wants a place of a profile, and what they hold by now.
struct Crowd<'a> {
    waiting: Vec<std::pin::Pin<Box<dyn Future<Output = Permit> + 'a>>>,
    working: Vec<Permit>,
}

impl<'a> Crowd<'a> {
    fn new(permits: &'a Permits, profile: &'a Profile, count: usize) -> Self {
        Self::with(permits, (profile, READ), count)
    }

    fn with(permits: &'a Permits, (profile, operation): (&'a Profile, Operation), count: usize) -> Self {
        let waiting = (0..count).map(|_| {
            Box::pin(permits.acquire(profile, operation)) as std::pin::Pin<Box<dyn Future<Output = Permit>>>
        });
        let mut crowd = Self { waiting: waiting.collect(), working: Vec::new() };
        crowd.look();
        crowd
    }

    /// How many of them work.
    fn look(&mut self) -> usize {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let mut still = Vec::new();
        for mut one in self.waiting.drain(..) {
            match one.as_mut().poll(&mut context) {
                Poll::Ready(permit) => self.working.push(permit),
                Poll::Pending => still.push(one),
            }
        }
        self.waiting = still;
        self.working.len()
    }

    fn end_one(&mut self) {
        drop(self.working.pop());
    }
}

#[test]
fn the_declared_number_counts_for_a_profile_with_one_login_and_for_each_mailbox_otherwise() {
    let permits = permits(400);
    assert_eq!(permits.places(&shared("s", 300), READ), 300, "the largest that can be declared");
    assert_eq!(permits.places(&shared("s", 2), READ), 2);
    assert_eq!(permits.places(&own("m"), READ), 300, "a mailbox has one connection at a time");
}

/// Each mailbox reads with its own login, all send with one.
fn with_relay(declared: u16) -> Profile {
    let mut profile = profile("relay", declared, Credentials::Mailbox);
    if let Server::ImapSmtp(servers) = &mut profile.server {
        let outgoing = Endpoint { credentials: Credentials::Anonymous, ..servers.incoming.clone() };
        servers.outgoing = Some(outgoing);
    }
    profile
}

#[test]
fn a_shared_login_for_sending_limits_sending_and_nothing_else() {
    let permits = permits(64);
    let profile = with_relay(3);
    let mut senders = Crowd::with(&permits, (&profile, SEND), 20);
    assert_eq!(senders.look(), 3, "the relay allows three connections");
    let mut readers = Crowd::with(&permits, (&profile, READ), 100);
    assert_eq!(readers.look(), 45, "both together leave a quarter of all places to the others");
    senders.end_one();
    assert_eq!(senders.look() + readers.look(), 48);
    assert!(senders.working.len() <= 3);
    permits.throttled(&profile, SEND, (SECOND, SECOND));
    assert_eq!(permits.allowance(&profile, READ).from, Duration::ZERO, "another server");
}

#[test]
fn one_login_for_both_directions_has_its_places_together() {
    let permits = permits(64);
    let mut profile = shared("p", 3);
    if let Server::ImapSmtp(servers) = &mut profile.server {
        servers.outgoing = Some(servers.incoming.clone());
    }
    let mut readers = Crowd::with(&permits, (&profile, READ), 2);
    let mut senders = Crowd::with(&permits, (&profile, SEND), 9);
    assert_eq!((readers.look(), senders.look()), (2, 1));
}

#[test]
fn a_permit_is_given_back_before_one_of_another_kind_is_waited_for() {
    let permits = permits(64);
    let profile = with_relay(1);
    let mut senders = Crowd::with(&permits, (&profile, SEND), 1);
    let mut readers = Crowd::with(&permits, (&profile, READ), 1);
    assert_eq!((senders.look(), readers.look()), (1, 1));
    let Some(permit) = readers.working.pop() else { panic!() };
    let mut exchange = Box::pin(permits.exchange(permit, &profile, SEND));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(exchange.as_mut().poll(&mut context).is_pending());
    assert_eq!(permits.free_places(&profile, READ), 48);
    senders.end_one();
    assert!(exchange.as_mut().poll(&mut context).is_ready());
}

#[test]
fn whoever_waits_holds_no_place() {
    let permits = permits(8);
    let (slow, fast) = (shared("slow", 2), shared("fast", 5));
    let mut stuck = Crowd::new(&permits, &slow, 1000);
    assert_eq!(stuck.look(), 2, "two work, and 998 wait");
    let mut others = Crowd::new(&permits, &fast, 5);
    assert_eq!(others.look(), 5, "as if nobody else were there");
    others.end_one();
    let mut more = Crowd::new(&permits, &fast, 1);
    assert_eq!(more.look(), 1);
    assert_eq!(stuck.look(), 2);
}

#[test]
fn a_profile_of_tarpits_leaves_a_quarter_of_all_places_to_the_others() {
    let permits = permits(8);
    let (tarpit, other) = (own("tarpit"), own("other"));
    let mut stuck = Crowd::new(&permits, &tarpit, 100);
    assert_eq!(stuck.look(), 6);
    let mut others = Crowd::new(&permits, &other, 100);
    for worked in 0..50 {
        assert_eq!(others.look(), 2, "after {worked}");
        others.end_one();
    }
    assert_eq!(stuck.look(), 6);
}

#[test]
fn profiles_take_turns() {
    let permits = permits(4);
    let (many, few) = (own("many"), own("few"));
    let mut first = Crowd::new(&permits, &many, 100);
    let mut second = Crowd::new(&permits, &few, 2);
    assert_eq!((first.look(), second.look()), (3, 1));
    second.end_one();
    assert_eq!(second.look(), 1, "its second mailbox does not wait behind 97 others");
}

#[test]
fn whoever_goes_away_while_waiting_takes_nothing_along() {
    let permits = permits(4);
    let profile = shared("p", 1);
    let mut crowd = Crowd::new(&permits, &profile, 10_000);
    assert_eq!(crowd.look(), 1);
    crowd.waiting.truncate(0);
    crowd.end_one();
    assert_eq!(permits.free_places(&profile, READ), 1);
    assert_eq!(Crowd::new(&permits, &profile, 1).look(), 1);
}

#[test]
fn a_server_that_refuses_connections_gets_half_of_them_once_for_each_wait() {
    let permits = permits(400);
    let profile = shared("p", 300);
    let mut crowd = Crowd::new(&permits, &profile, 300);
    assert_eq!(crowd.look(), 300);
    let places = || permits.allowance(&profile, READ).places;
    for _ in 0..280 {
        permits.throttled(&profile, READ, (60 * SECOND, SECOND));
    }
    assert_eq!(permits.allowance(&profile, READ), Allowance { places: 150, from: 61 * SECOND });
    for _ in 0..150 {
        crowd.end_one();
    }
    for _ in 0..130 {
        permits.throttled(&profile, READ, (60 * SECOND, 62 * SECOND));
    }
    assert_eq!(places(), 75);
    for _ in 0..limits::PLACE_REGAINED_AFTER * 2 {
        permits.went_well(&profile, READ);
    }
    assert_eq!(places(), 77);
    for _ in 0..limits::PLACE_REGAINED_AFTER * 300 {
        permits.went_well(&profile, READ);
    }
    assert_eq!(permits.allowance(&profile, READ), Allowance { places: 300, from: Duration::ZERO });
}

#[test]
fn one_throttled_profile_leaves_the_others_alone() {
    let permits = permits(8);
    let (throttled, other) = (shared("throttled", 4), shared("other", 4));
    let mut crowd = Crowd::new(&permits, &throttled, 4);
    permits.throttled(&throttled, READ, (SECOND, SECOND));
    assert_eq!(permits.allowance(&other, READ).places, 4);
    assert_eq!(Crowd::new(&permits, &other, 9).look(), 4);
    while !crowd.working.is_empty() {
        crowd.end_one();
    }
    assert_eq!(Crowd::new(&permits, &throttled, 9).look(), 2);
}
