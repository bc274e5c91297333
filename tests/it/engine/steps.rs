//! Every step of test-and-enable has a case that makes exactly that step fail, and no other step before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use mailplumb::engine::clock::SystemClock;
use mailplumb::engine::drive::Driven;
use mailplumb::engine::test_and_enable::{self, Which};
use mailplumb::model::clock::Clock;
use mailplumb::model::event::{Event, TestResult};
use mailplumb::model::failure::TestStep;
use mailplumb::model::operation::Operation;
use mailplumb::playground::{Fault, Protocol, Times};

use super::site::{Desk, name};
use super::world::{World, address, letter};

const ALL: [TestStep; 15] = [
    TestStep::Secret,
    TestStep::Token,
    TestStep::Autodiscover,
    TestStep::Resolve,
    TestStep::Connect,
    TestStep::Tls,
    TestStep::Greet,
    TestStep::Authenticate,
    TestStep::Open,
    TestStep::ForwardRule,
    TestStep::Read,
    TestStep::Send,
    TestStep::ReceiveBack,
    TestStep::Delete,
    TestStep::Close,
];

/// How a step is seen to fail.
enum Case {
    /// The test of this operation of anna fails at it, with this code.
    Fails(Operation, &'static str, fn(&World)),
    /// The test passes, with a warning that has these words.
    Warns(&'static str, fn(&World)),
    /// A cycle of support, whose mail is removed, fails at it.
    FailsInACycle(&'static str, fn(&World)),
    /// Nobody owes a goodbye: losing it fails nothing.
    FailsNothing(fn(&World)),
}

/// No arm is left out: a new step does not compile without its case.
fn case(step: TestStep) -> Case {
    match step {
        TestStep::Secret => Case::Fails(Operation::Incoming, "secret-unavailable", |world| {
            // Sealed for somebody else.
            let (_, stranger) = mailplumb::secrets::seal::keygen();
            let recipient = world.site.path("recipient");
            let own = std::fs::read_to_string(&recipient).unwrap();
            std::fs::write(&recipient, stranger).unwrap();
            world.write_secrets(&super::world::MAILBOXES.map(|user| (user, super::world::password(user))));
            std::fs::write(recipient, own).unwrap();
        }),
        TestStep::Token => Case::Fails(Operation::Incoming, "token-unavailable", |world| {
            // Nobody listens there. The other direction keeps its password.
            world.edit(
                "port: 993, tls: implicit, credentials: { mailbox: {} } }",
                "port: 993, tls: implicit, credentials: { oauth2: { tokenUrl: 'https://127.0.0.1:1/token', \
                 clientId: c, clientSecret: { secret: passwords, key: anna }, scope: mail } } }",
            );
            world.edit(
                "port: 587, tls: starttls }",
                "port: 587, tls: starttls, credentials: { mailbox: {} } }",
            );
        }),
        TestStep::Autodiscover => Case::Fails(Operation::Incoming, "not-discovered", nobody_knows_the_domain),
        TestStep::Resolve => Case::Fails(Operation::Incoming, "name-not-resolved", |world| {
            world.edit("host: mail.playground.test, port: 993", "host: no-such-host.invalid, port: 993");
        }),
        TestStep::Connect => Case::Fails(Operation::Incoming, "connection-refused", |world| {
            world.playground.inject(Protocol::Imap, Fault::RefuseConnections);
        }),
        TestStep::Tls => Case::Fails(Operation::Incoming, "certificate-untrusted", |world| {
            world.edit("  imapSmtp:\n    trust: playground\n", "  imapSmtp:\n");
        }),
        TestStep::Greet => Case::Fails(Operation::Incoming, "wrong-protocol", |world| {
            world.playground.inject(Protocol::Imap, Fault::Greet("SSH-2.0-OpenSSH_9.2".to_owned()));
        }),
        TestStep::Authenticate => Case::Fails(Operation::Incoming, "login-refused", |world| {
            world.playground.state().set_password(&address("anna"), "another").unwrap();
        }),
        TestStep::Open => Case::Fails(Operation::Incoming, "refused", |world| {
            answer(world, Protocol::Imap, "EXAMINE", "NO [NOPERM] not for you");
        }),
        TestStep::ForwardRule => Case::Fails(Operation::Incoming, "outlook-keeps-rules", outlook_keeps_rules),
        TestStep::Read => Case::Fails(Operation::Incoming, "refused", |world| {
            answer(world, Protocol::Imap, "UID FETCH", "NO [CANNOT] cannot read");
        }),
        TestStep::Send => Case::Fails(Operation::Outgoing, "refused", |world| {
            answer(world, Protocol::Smtp, "RCPT", "550 5.7.1 not from here");
        }),
        TestStep::ReceiveBack => Case::Warns("did not come back", |world| {
            // Accepted, and thrown away.
            answer(world, Protocol::Smtp, ".", "250 2.0.0 accepted");
        }),
        TestStep::Delete => Case::FailsInACycle("connection-lost", |world| {
            world.playground.inject(Protocol::Pop3, Fault::CloseBefore { at: "DELE".to_owned() });
        }),
        TestStep::Close => Case::FailsNothing(|world| {
            for (protocol, goodbye) in
                [(Protocol::Imap, "LOGOUT"), (Protocol::Smtp, "QUIT"), (Protocol::Pop3, "QUIT")]
            {
                world.playground.inject(protocol, Fault::CloseBefore { at: goodbye.to_owned() });
            }
        }),
    }
}

fn nobody_knows_the_domain(world: &World) {
    by_exchange(world, "{ autodiscover: { allowedHosts: [mail.playground.test] } }");
}

fn outlook_keeps_rules(world: &World) {
    by_exchange(world, "{ fixed: { incoming: https://mail.playground.test/EWS/Exchange.asmx } }");
    world.edit(
        "profile: imap }",
        "profile: imap, incoming: forward-mailbox, forwardTo: support@playground.test }",
    );
    world.edit("queue: { displayName: Support", "forward: { displayName: Support");
    world.playground.exchange().keep_outlook_rules(&address("anna"));
}

/// Whoever was read by IMAP is now read from an Exchange at this place.
fn by_exchange(world: &World, location: &str) {
    world.edit(
        "  imapSmtp:\n    trust: playground\n    incoming: { host: mail.playground.test, port: 993, tls: implicit, \
         credentials: { mailbox: {} } }\n    outgoing: { host: mail.playground.test, port: 587, tls: starttls }\n",
        &format!(
            "  exchange:\n    trust: playground\n    location: {location}\n    \
             incoming: {{ credentials: {{ mailbox: {{}} }} }}\n"
        ),
    );
}

fn answer(world: &World, protocol: Protocol, at: &str, line: &str) {
    let (at, line) = (at.to_owned(), line.to_owned());
    world.playground.inject(protocol, Fault::Answer { at, line, times: Times::Always });
}

/// Ten seconds have passed whenever it is asked, so that nobody waits for what does not come.
struct Hasty {
    system: SystemClock,
    asked: AtomicU64,
}

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        self.system.now()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(10 * self.asked.fetch_add(1, Ordering::SeqCst))
    }
}

/// The results of anna's tests.
async fn tests_of_anna(desk: &Desk) -> Vec<(Operation, TestResult)> {
    let (desired, plan) = desk.plan().await;
    mailplumb::engine::apply::apply(&desk.engine, &plan, &desired).await.unwrap();
    desk.test("anna").await;
    let ended = |event| {
        if let Event::TestEnded { operation, result, .. } = event { Some((operation, result)) } else { None }
    };
    desk.heard.take().into_iter().filter_map(ended).collect()
}

fn failure_of(results: &[(Operation, TestResult)], operation: Operation) -> (TestStep, String) {
    let result = results.iter().find(|(of, _)| *of == operation).map(|(_, result)| result);
    match result {
        Some(TestResult::Failed(failure)) => (failure.error.step, failure.code.clone()),
        other => panic!("{operation:?}: {other:?}"),
    }
}

async fn check(step: TestStep) {
    let world = World::start();
    match case(step) {
        Case::Fails(operation, code, spoil) => {
            world.deliver("anna", &letter("one"));
            spoil(&world);
            let results = tests_of_anna(&world.site.desk()).await;
            assert_eq!(failure_of(&results, operation), (step, code.to_owned()));
        }
        Case::Warns(words, spoil) => {
            spoil(&world);
            let mut desk = world.site.desk();
            desk.engine.clock = Arc::new(Hasty { system: SystemClock::new(), asked: AtomicU64::new(0) });
            let results = tests_of_anna(&desk).await;
            let warned = results.iter().any(|(_, result)| {
                matches!(result, TestResult::Passed { warning: Some(warning) } if warning.contains(words))
            });
            assert!(warned, "{step}: {results:?}");
            // It is kept in mind until one comes back, for which the next test sends another one.
            let anna = name("anna");
            let since = desk.engine.store.not_received_back(&anna).await.unwrap();
            assert!(since.is_some());
            let told = || async {
                let alerts = desk.engine.store.alerts(100).await.unwrap();
                alerts.iter().filter(|alert| alert.code == "not-received-back").count()
            };
            assert_eq!(told().await, 1);
            assert_eq!(desk.engine.store.figures(&anna).await.unwrap().not_received_back, since);
            test_and_enable::mailbox(&desk.engine, &anna, Which::All).await.unwrap();
            assert_eq!(desk.engine.store.not_received_back(&anna).await.unwrap(), since);
            assert_eq!(told().await, 1, "once");
            world.playground.heal(Protocol::Smtp);
            desk.engine.clock = Arc::new(SystemClock::new());
            test_and_enable::mailbox(&desk.engine, &anna, Which::All).await.unwrap();
            assert_eq!(desk.engine.store.not_received_back(&anna).await.unwrap(), None);
        }
        Case::FailsInACycle(code, spoil) => {
            let desk = world.site.desk();
            desk.apply().await;
            world.deliver("support", &letter("one"));
            spoil(&world);
            let driven = desk.incoming("support").await;
            let Driven::Failed(failure, _) = driven else { panic!("{step}: {driven:?}") };
            assert_eq!((failure.error.step, failure.code.as_str()), (step, code));
        }
        Case::FailsNothing(spoil) => {
            spoil(&world);
            let desk = world.site.desk();
            assert_eq!(desk.apply().await.failed, 0, "{step}");
        }
    }
}

#[tokio::test]
async fn each_step_of_a_test_can_fail_and_is_named_when_it_does() {
    for step in ALL {
        check(step).await;
    }
}

#[test]
fn the_table_has_every_step_once_and_in_order() {
    assert!(ALL.windows(2).all(|pair| pair[0] < pair[1]));
    let described = serde_json::to_value(schemars::schema_for!(TestStep)).unwrap();
    let variants = described["oneOf"].as_array().or_else(|| described["enum"].as_array()).unwrap();
    let names = |value: &serde_json::Value| match (value["const"].as_str(), value["enum"].as_array()) {
        (Some(_), _) => 1,
        (None, Some(several)) => several.len(),
        (None, None) => 1,
    };
    assert_eq!(variants.iter().map(names).sum::<usize>(), ALL.len());
}
