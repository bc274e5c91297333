//! The program itself as a server: killed at any moment, asked to stop, and given a manifest that changes under it.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use mailplumb::model::outbox::OutgoingState;
use mailplumb::playground::{Fault, Options, Protocol};
use mailplumb::store::sqlite::{Open, SqliteStore};
use mailplumb::store::{MessageQuery, OutboxQuery, Store};

use super::crash::dead_after_half_an_apply;
use super::rules::outgoing::{accepted, queue};
use super::site::Site;
use super::world::{MAILBOXES, Variant, World, address, letter, password};
use crate::support::scratch::wait_until;

/// `mailplumb watch`, running.
struct Watching {
    child: Child,
    log: PathBuf,
    /// How much was said before it started.
    said_before: usize,
}

impl Watching {
    fn start(site: &Site) -> Self {
        let log = site.path("watch.log");
        let said_before = std::fs::read_to_string(&log).unwrap_or_default().len();
        let output = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_mailplumb"))
            .arg("watch")
            .arg("--file")
            .arg(site.path("mail"))
            .arg("--state")
            .arg(site.path("state/state.db"))
            .arg("--host-config")
            .arg(site.path("host.yaml"))
            .arg("--identity")
            .arg(site.path("age.key"))
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        Self { child, log, said_before }
    }

    /// What it has said since it started.
    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()[self.said_before..].to_owned()
    }

    #[track_caller]
    fn wait_to_say(&self, words: &str) {
        wait_until(&format!("`{words}`"), || self.said().contains(words), || self.said());
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM. `None`: it did not end within ten seconds.
    fn terminate(mut self) -> Option<ExitStatus> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        for _ in 0..500 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A look at the store from outside.
fn look<T>(site: &Site, look: impl AsyncFnOnce(&dyn Store) -> T) -> Option<T> {
    let store = SqliteStore::open(&site.path("state/state.db"), Open::ReadOnly).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    Some(runtime.block_on(look(&store)))
}

/// The subjects of all records, sorted.
fn subjects(site: &Site) -> Vec<String> {
    let all = MessageQuery { limit: Some(u64::MAX), ..MessageQuery::default() };
    let records =
        look(site, async |store: &dyn Store| store.messages(&all).await.unwrap()).unwrap_or_default();
    let mut subjects: Vec<_> = records.into_iter().filter_map(|record| record.facts.subject).collect();
    subjects.sort();
    subjects
}

/// Message-ID and state of everything that was queued.
fn outbox(site: &Site) -> Vec<(String, OutgoingState)> {
    let all = OutboxQuery { limit: Some(u64::MAX), ..OutboxQuery::default() };
    let messages =
        look(site, async |store: &dyn Store| store.outbox(&all).await.unwrap()).unwrap_or_default();
    messages.into_iter().map(|message| (message.message_id, message.state)).collect()
}

/// Numbers that look random and are the same in every run.
fn seeded(seed: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(seed), |last| {
        Some(last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
    })
    .map(|number| number >> 33)
    .skip(1)
}

const KILLS: usize = 15;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_again_and_again_loses_nothing_and_doubles_nothing() {
    let world = World::start();
    let desk = world.site.desk();
    assert_eq!(desk.apply().await.failed, 0);
    let mut expected = Vec::new();
    let (mut queued, mut busy) = (0, 0);
    for (round, moment) in seeded(4711).take(KILLS).enumerate() {
        let watching = Watching::start(&world.site);
        // From the first connection, which is soon after the start, to some time after the last one.
        for step in 0..4 {
            for user in MAILBOXES {
                for number in 0..6 {
                    let label = format!("{user}-{round}-{step}-{number}");
                    world.deliver(user, &letter(&label));
                    expected.push(format!("letter {label}"));
                }
                queue(&desk, user, &format!("out-{queued}"), &["reader@elsewhere.test"]).await;
                queued += 1;
            }
            // The moment of death is meant to be any.
            tokio::time::sleep(Duration::from_millis(20 + moment % 350)).await;
        }
        watching.kill();
        busy += usize::from(tokio::task::block_in_place(|| subjects(&world.site).len() < expected.len()));
    }
    assert!(busy > KILLS / 3, "it died with work to do {busy} times");
    expected.sort();
    let watching = Watching::start(&world.site);
    tokio::task::block_in_place(|| {
        let is_quiet = || {
            subjects(&world.site).len() >= expected.len()
                && !outbox(&world.site)
                    .iter()
                    .any(|(_, state)| matches!(state, OutgoingState::Pending | OutgoingState::Sending))
                && ["sales", "support"].iter().all(|user| world.inbox_hashes(user).is_empty())
        };
        wait_until("quiet", is_quiet, || watching.said());
        assert_eq!(watching.terminate().and_then(|status| status.code()), Some(0));
        assert_eq!(subjects(&world.site), expected);
        let outbox = outbox(&world.site);
        assert_eq!(outbox.len(), queued);
        let mut unsure = 0;
        for (message_id, state) in outbox {
            let times = accepted(&world, message_id.split_once('@').unwrap().0);
            match state {
                OutgoingState::Sent => assert_eq!(times, 1, "{message_id}"),
                OutgoingState::Unsure => {
                    unsure += 1;
                    assert!(times <= 1, "{message_id} was sent {times} times");
                }
                OutgoingState::Pending
                | OutgoingState::Sending
                | OutgoingState::Failed
                | OutgoingState::Cancelled => {
                    panic!("{message_id} is {state:?}");
                }
            }
        }
        assert!(unsure <= KILLS * MAILBOXES.len(), "one at a time for each mailbox");
    });
}

#[test]
fn a_server_that_is_asked_to_stop_does_so_although_a_mail_server_hangs() {
    let world = World::start();
    let watching = Watching::start(&world.site);
    watching.wait_to_say("support outgoing");
    world.playground.inject(Protocol::Imap, Fault::Stall { at: "UID FETCH".to_owned() });
    world.deliver("anna", &letter("one"));
    let fetches = || {
        let commands = world.playground.log().commands(Protocol::Imap);
        commands.iter().filter(|command| command.starts_with("UID FETCH")).count()
    };
    let before = fetches();
    wait_until("a fetch that hangs", || fetches() > before, || watching.said());
    assert_eq!(watching.terminate().and_then(|status| status.code()), Some(0));
}

#[test]
fn a_manifest_that_is_broken_or_refused_changes_nothing_until_it_is_mended() {
    let protected = Variant::default().with(
        "  approved: sales@playground.test",
        "  lifecycle: { preventDestroy: true }\n  approved: sales@playground.test",
    );
    let world = World::varied(&protected, Options::default());
    let watching = Watching::start(&world.site);
    watching.wait_to_say("now revision 1");
    let good = std::fs::read_to_string(world.site.path("mail/mailplumb.yaml")).unwrap();
    world.edit("  owner: postmaster", "  owner: { not: postmaster");
    watching.wait_to_say("the last good configuration stays in force");
    // A protected mailbox is gone from it.
    let from = good.find("---\napiVersion: mailplumb/v1\nkind: Mailbox\nmetadata: { name: sales }").unwrap();
    let to = good.find("---\napiVersion: mailplumb/v1\nkind: Mailbox\nmetadata: { name: support }").unwrap();
    world.site.write("mail/mailplumb.yaml", &format!("{}{}", &good[..from], &good[to..]));
    let refusals = || watching.said().matches("the last good configuration stays in force").count();
    wait_until("the refusal", || refusals() == 2, || watching.said());
    assert!(watching.said().contains("sales"), "{}", watching.said());
    world.deliver("sales", &letter("still"));
    wait_until("sales to be read", || subjects(&world.site) == ["letter still"], || watching.said());
    world
        .site
        .write("mail/mailplumb.yaml", &good.replace("displayName: Sales", "displayName: Sales and more"));
    watching.wait_to_say("now revision 2");
    assert_eq!(watching.terminate().and_then(|status| status.code()), Some(0));
}

#[test]
fn a_new_mailbox_and_a_new_password_are_tested_and_read_without_a_restart() {
    let world = World::start();
    let all = std::fs::read_to_string(world.site.path("mail/mailplumb.yaml")).unwrap();
    let support =
        all.find("---\napiVersion: mailplumb/v1\nkind: Mailbox\nmetadata: { name: support }").unwrap();
    world.site.write("mail/mailplumb.yaml", &all[..support]);
    let watching = Watching::start(&world.site);
    watching.wait_to_say("now revision 1");
    world.site.write("mail/support.yaml", all[support..].trim_start_matches("---\n"));
    world.deliver("support", &letter("one"));
    wait_until("support to be read", || subjects(&world.site) == ["letter one"], || watching.said());

    world.playground.state().set_password(&address("support"), "another").unwrap();
    watching.wait_to_say("login-refused");
    world.deliver("support", &letter("two"));
    world.write_secrets(
        &MAILBOXES.map(|user| (user, if user == "support" { "another".to_owned() } else { password(user) })),
    );
    let both = ["letter one", "letter two"];
    wait_until("support to be read again", || subjects(&world.site) == both, || watching.said());
    assert_eq!(watching.terminate().and_then(|status| status.code()), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_lease_of_an_apply_that_was_killed_does_not_block() {
    let world = dead_after_half_an_apply().await;
    let watching = Watching::start(&world.site);
    tokio::task::block_in_place(|| {
        watching.wait_to_say("now revision 1");
        let unread = ["anna", "sales", "support"];
        unread.iter().for_each(|user| world.deliver(user, &letter(user)));
        wait_until("all to be read", || subjects(&world.site).len() == unread.len(), || watching.said());
        assert!(!watching.said().contains("is being worked on"), "{}", watching.said());
    });
}

/// Read once a day only, and so by push alone.
fn rarely_polled() -> World {
    let variant = Variant::default().with("minPollingInterval: 0", "minPollingInterval: 1440m");
    World::varied(&variant, Options::default())
}

fn idling(world: &World) -> usize {
    let commands = world.playground.log().commands(Protocol::Imap);
    commands.iter().filter(|command| *command == "IDLE").count()
}

#[test]
fn mail_of_which_the_server_tells_is_read_at_once() {
    let world = rarely_polled();
    let watching = Watching::start(&world.site);
    wait_until("anna and sales to be listened to", || idling(&world) >= 2, || watching.said());
    world.deliver("anna", &letter("one"));
    wait_until("anna to be read", || subjects(&world.site) == ["letter one"], || watching.said());
    wait_until("anna to be listened to again", || idling(&world) >= 3, || watching.said());
    world.deliver("sales", &letter("two"));
    world.deliver("anna", &letter("three"));
    let all = ["letter one", "letter three", "letter two"];
    wait_until("both to be read", || subjects(&world.site) == all, || watching.said());
    assert_eq!(watching.terminate().and_then(|status| status.code()), Some(0));
}

#[test]
fn where_the_server_refuses_to_tell_of_mail_it_is_polled() {
    let world = World::start();
    let line = "BAD what is that".to_owned();
    let times = mailplumb::playground::Times::Always;
    world.playground.inject(Protocol::Imap, Fault::Answer { at: "IDLE".to_owned(), line, times });
    let watching = Watching::start(&world.site);
    wait_until("it to be tried", || idling(&world) >= 2, || watching.said());
    world.deliver("anna", &letter("one"));
    wait_until("anna to be read", || subjects(&world.site) == ["letter one"], || watching.said());
    assert_eq!(idling(&world), 2, "anna and sales, once each");
    assert_eq!(watching.terminate().and_then(|status| status.code()), Some(0));
}

/// Read once a day otherwise.
#[test]
fn a_session_that_breaks_while_it_is_listened_to_is_replaced_soon() {
    let world = rarely_polled();
    world.playground.inject(Protocol::Imap, Fault::CloseAfter { at: "IDLE".to_owned() });
    let watching = Watching::start(&world.site);
    wait_until("both to be listened to", || idling(&world) >= 2, || watching.said());
    world.playground.heal(Protocol::Imap);
    world.deliver("anna", &letter("one"));
    wait_until("anna to be read", || subjects(&world.site) == ["letter one"], || watching.said());
    wait_until("both to be listened to again", || idling(&world) >= 4, || watching.said());
    assert_eq!(watching.terminate().and_then(|status| status.code()), Some(0));
}

#[test]
fn a_session_that_breaks_while_it_is_listened_to_is_replaced_when_the_mailbox_is_polled() {
    let world = World::start();
    world.playground.inject(Protocol::Imap, Fault::CloseAfter { at: "IDLE".to_owned() });
    let watching = Watching::start(&world.site);
    wait_until("it to be tried", || idling(&world) >= 2, || watching.said());
    world.deliver("anna", &letter("one"));
    wait_until("anna to be read", || subjects(&world.site) == ["letter one"], || watching.said());
    assert!(!watching.said().contains("failed"), "{}", watching.said());
    assert_eq!(watching.terminate().and_then(|status| status.code()), Some(0));
}

#[test]
fn a_password_that_is_rotated_in_its_file_is_tested_at_once() {
    let world = World::start();
    let secrets = world.site.path("mail/secrets.yaml");
    let sealed = std::fs::read_to_string(&secrets).unwrap();
    let (others, _sealed_support) = sealed.split_at(sealed.find("    support:").unwrap());
    let file = world.site.path("rotated/support");
    world.site.write("rotated/support", "an old one\n");
    let taken = format!("{others}    support: {{ file: {} }}\n", file.display());
    world.site.write("mail/secrets.yaml", &taken);
    let watching = Watching::start(&world.site);
    watching.wait_to_say("login-refused");
    assert!(watching.said().contains("write the right password into the file"), "{}", watching.said());
    world.deliver("support", &letter("one"));
    // As whoever rotates passwords does it: with a rename.
    world.site.write("rotated/.support", &password("support"));
    std::fs::rename(world.site.path("rotated/.support"), &file).unwrap();
    wait_until("support to be read", || subjects(&world.site) == ["letter one"], || watching.said());
    assert_eq!(watching.terminate().and_then(|status| status.code()), Some(0));
}
