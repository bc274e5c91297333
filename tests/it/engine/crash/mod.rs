//! The process is killed at every call of store and servers, and everything is as if it had not been.

mod always_working;
mod inside;
mod ledger;
mod nothing_is_lost;
mod outcome;
mod points;
mod remotes;
mod scenario;
mod store;

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;

use self::outcome::{Outcome, work_until_quiet};
use self::points::Points;
use self::remotes::CrashingRemotes;
use self::scenario::{Scenario, Template};
use self::store::CrashingStore;
use super::site::{Desk, Site};
use super::world::World;
use crate::support::need::setting;

/// Tells the child process its scenario, its point, and its folder.
const VARIABLE: &str = "MAILPLUMB_TEST_CRASH";
const CHILD: &str = "engine::crash::the_process_that_dies";
const SIGABRT: i32 = 6;

fn desk_with(site: &Site, points: &Arc<Points>) -> Desk {
    site.desk_through(|real, remotes| {
        let store = CrashingStore { real, points: Arc::clone(points) };
        let remotes = CrashingRemotes { real: remotes, points: Arc::clone(points) };
        (Arc::new(store), Arc::new(remotes))
    })
}

/// Does something only in the child process of the tests below.
#[tokio::test(flavor = "multi_thread")]
async fn the_process_that_dies() {
    let Some(order) = setting(VARIABLE) else { return };
    let order = order.into_string().unwrap();
    let [scenario, point, folder] = order.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{order}") };
    let site = Site { folder: PathBuf::from(folder) };
    let points = Arc::new(match point {
        "-" => Points::counting(),
        point => Points::dying_at(point.parse().unwrap()),
    });
    Scenario::parse(scenario).run(&desk_with(&site, &points)).await;
}

/// The child process, about to run a scenario.
fn child(scenario: Scenario, point: &str, site: &Site) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", CHILD, "--nocapture"])
        .env(VARIABLE, format!("{} {point} {}", scenario.key(), site.folder.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn die(scenario: Scenario, point: usize, world: &World) -> ExitStatus {
    child(scenario, &point.to_string(), &world.site).status().unwrap()
}

/// The scenario without a death: all moments, and what it comes to.
async fn uninterrupted(scenario: Scenario, template: &Template) -> (Vec<&'static str>, Outcome) {
    uninterrupted_in(scenario, &template.open()).await
}

async fn uninterrupted_in(scenario: Scenario, world: &World) -> (Vec<&'static str>, Outcome) {
    let points = Arc::new(Points::counting());
    scenario.run(&desk_with(&world.site, &points)).await;
    (points.names(), work_until_quiet(scenario, world).await)
}

/// Dies at every point of one share of a scenario.
async fn die_everywhere(scenario: Scenario, share: usize, shares: usize) {
    let template = scenario.template().await;
    let (names, expected) = uninterrupted(scenario, &template).await;
    let mut unreached = 0;
    for (point, name) in names.iter().enumerate().filter(|(point, _)| point % shares == share) {
        let world = template.open();
        let before = nothing_is_lost::inboxes(&world);
        let status = die(scenario, point, &world);
        let died = status.signal() == Some(SIGABRT);
        assert!(died || (scenario.reads() && status.success()), "point {point}, {name}: {status}");
        unreached += usize::from(!died);
        let _place = Place(format!("{} point {point}: death before {name}", scenario.key()));
        match scenario {
            Scenario::Apply | Scenario::Outgoing => {}
            Scenario::Switch => always_working::check(&world).await,
            Scenario::Incoming => nothing_is_lost::check(&world, &before).await,
        }
        work_until_quiet(scenario, &world).await.judge(scenario, &expected, name);
    }
    assert!(
        unreached * 10 <= names.len() / shares,
        "{unreached} of {} points were not reached",
        names.len() / shares
    );
}

/// A world in which the process died that held the lease on the declared state.
pub async fn dead_after_half_an_apply() -> World {
    let template = Scenario::Apply.template().await;
    let (names, _) = uninterrupted(Scenario::Apply, &template).await;
    let point = names.iter().position(|name| *name == "Store::commit_revision").unwrap();
    let world = template.open();
    assert_eq!(die(Scenario::Apply, point, &world).signal(), Some(SIGABRT));
    world
}

/// Says where a test failed.
struct Place(String);

impl Drop for Place {
    #[expect(clippy::print_stderr, reason = "whoever reads the output of this test has to see it")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

#[tokio::test]
async fn a_process_that_dies_while_it_applies_and_tests_first_half() {
    die_everywhere(Scenario::Apply, 0, 2).await;
}

#[tokio::test]
async fn a_process_that_dies_while_it_applies_and_tests_second_half() {
    die_everywhere(Scenario::Apply, 1, 2).await;
}

#[tokio::test]
async fn a_process_that_dies_while_it_switches_first_half() {
    die_everywhere(Scenario::Switch, 0, 2).await;
}

#[tokio::test]
async fn a_process_that_dies_while_it_switches_second_half() {
    die_everywhere(Scenario::Switch, 1, 2).await;
}

#[tokio::test]
async fn a_process_that_dies_while_it_reads_first_half() {
    die_everywhere(Scenario::Incoming, 0, 2).await;
}

#[tokio::test]
async fn a_process_that_dies_while_it_reads_second_half() {
    die_everywhere(Scenario::Incoming, 1, 2).await;
}

#[tokio::test]
async fn a_process_that_dies_while_it_sends_first_half() {
    die_everywhere(Scenario::Outgoing, 0, 2).await;
}

#[tokio::test]
async fn a_process_that_dies_while_it_sends_second_half() {
    die_everywhere(Scenario::Outgoing, 1, 2).await;
}

/// A falling count means that something is no longer tested.
#[tokio::test]
async fn there_are_as_many_points_to_die_at_as_there_were() {
    let recorded = include_str!("../crash_points.txt");
    let mut counted = String::new();
    for scenario in [Scenario::Apply, Scenario::Switch, Scenario::Incoming, Scenario::Outgoing] {
        let (names, outcome) = uninterrupted(scenario, &scenario.template().await).await;
        counted.push_str(&format!("{} {}\n", scenario.key(), names.len()));
        check_uninterrupted(scenario, &outcome);
    }
    println!("points at which a process dies:\n{counted}");
    let count = |text: &str| -> Vec<usize> {
        text.lines().filter_map(|line| line.split_once(' ')?.1.parse().ok()).collect()
    };
    let (recorded, counted) = (count(recorded), count(&counted));
    assert!(
        recorded.len() == 4 && recorded.iter().zip(&counted).all(|(recorded, counted)| recorded <= counted),
        "recorded {recorded:?}, counted {counted:?}; if that is meant, change crash_points.txt"
    );
}

/// What the scenarios are to come to, said once more without the product's help.
fn check_uninterrupted(scenario: Scenario, outcome: &Outcome) {
    match scenario {
        Scenario::Apply => assert!(outcome.records.is_empty(), "a test's message is no record"),
        Scenario::Switch => {
            assert_eq!(outcome.records.len(), 3, "one letter each, and no test's message");
            let switched = outcome.declared.iter().filter(|words| words.contains(" enabled Some"));
            assert_eq!(switched.count(), 6, "{:#?}", outcome.declared);
        }
        Scenario::Incoming => {
            assert_eq!(outcome.records.len(), scenario::records_expected());
            assert_eq!(outcome.records.iter().filter(|(_, _, quarantined)| *quarantined).count(), 4);
            for user in ["sales", "support"] {
                // The test's own message is not listed among these.
                assert_eq!(outcome.inboxes[user].len() + 1, scenario::remaining_expected(user), "{user}");
            }
        }
        Scenario::Outgoing => {
            let sent = outcome.received.values().map(Vec::len).collect::<Vec<_>>();
            assert_eq!(sent, [1, 1, 1, 0, 1, 1, 1, 1]);
        }
    }
}
