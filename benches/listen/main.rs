//! How soon new mail is a durable record when Exchange tells of it: many mailboxes by impersonation, over as few streams as the
//! protocol allows.
//!
//! `cargo bench --bench listen -- PROGRAM [MAILBOXES] [MESSAGES]`. It runs `PROGRAM watch` (a build of mailplumb) against the
//! playground, waits until every mailbox is listened to, delivers messages one after the other, and prints how long each took
//! from its delivery to its record, as somebody sees who reads the store. Everything is on loopback, and ends with it.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    reason = "it measures, prints figures, and stops at the unexpected"
)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailplumb::engine::clock::SystemClock;
use mailplumb::playground::{Impersonation, Options, Playground, User};
use mailplumb::store::sqlite::{Open, SqliteStore};
use mailplumb::store::{MessageQuery, Store};

const HOST: &str = "mail.contoso.example";
const SERVICE: &str = "svc@contoso.example";
const PASSWORD: &str = "a password";

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let Some(program) = arguments.next() else {
        println!("listen: no program given; see the head of benches/listen/main.rs");
        return;
    };
    let mut number = |default: usize| arguments.next().map_or(default, |number| number.parse().unwrap());
    let (mailboxes, messages) = (number(500), number(100));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(&program, mailboxes, messages));
}

fn address(number: usize) -> String {
    format!("u{number:04}@contoso.example")
}

async fn measure(program: &str, mailboxes: usize, messages: usize) {
    let mut users: Vec<User> =
        (0..mailboxes).map(|number| User::new(&address(number), &address(number), PASSWORD)).collect();
    users.push(User::new(SERVICE, SERVICE, PASSWORD));
    let options = Options {
        host_names: vec![HOST.to_owned()],
        users,
        impersonation: Impersonation::By(SERVICE.to_owned()),
        clock: Arc::new(SystemClock::new()),
        ..Options::default()
    };
    let playground = Playground::start(options).unwrap();
    let folder = tempfile::tempdir().unwrap();
    write_site(folder.path(), &playground, mailboxes);
    let applied =
        command(program, folder.path(), "apply").args(["--auto-approve", "--create"]).output().unwrap();
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    let begun = Instant::now();
    let watch = Watching(
        command(program, folder.path(), "watch").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap(),
    );
    let groups = mailboxes.div_ceil(200);
    while playground.exchange().subscriptions() < mailboxes || playground.exchange().streams() < groups {
        assert!(begun.elapsed() < Duration::from_secs(300), "not every mailbox is listened to");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Streams begin anew a moment after the last one has joined.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let ready = begun.elapsed();
    let calls = playground.exchange().calls().len();
    let streams = playground.exchange().streams();
    let store = SqliteStore::open(&folder.path().join("state/state.db"), Open::ReadOnly).unwrap();
    let mut taken = Vec::new();
    for number in 0..messages {
        let raw = format!(
            "Subject: {number}\r\nFrom: c@d.example\r\nMessage-ID: <{number}@d.example>\r\n\r\nbody\r\n"
        );
        let before = newest(&store).await;
        let delivered = Instant::now();
        playground.state().deliver(&address(number * 7919 % mailboxes), raw.as_bytes()).unwrap();
        while newest(&store).await == before {
            assert!(delivered.elapsed() < Duration::from_secs(60), "message {number} does not come");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        taken.push(delivered.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    taken.sort();
    let at = |part: usize| taken[(taken.len() - 1) * part / 100].as_secs_f64() * 1000.0;
    let calls = (playground.exchange().calls().len() - calls) as f64 / messages as f64;
    println!(
        "| mailboxes | streams | listened to after s | median ms | 95 % ms | longest ms | calls a message |"
    );
    println!("|---|---|---|---|---|---|---|");
    println!(
        "| {mailboxes} | {streams} | {:.1} | {:.0} | {:.0} | {:.0} | {calls:.1} |",
        ready.as_secs_f64(),
        at(50),
        at(95),
        at(100)
    );
    drop(watch);
}

/// Ends with whoever started it.
struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn newest(store: &SqliteStore) -> Option<u64> {
    let query = MessageQuery { limit: Some(1), ..MessageQuery::default() };
    store.messages(&query).await.unwrap().first().map(|message| message.id)
}

fn command(program: &str, folder: &Path, name: &str) -> Command {
    let mut command = Command::new(program);
    let at = |name: &str| folder.join(name).display().to_string();
    command.arg(name).args([
        "--host-config",
        &at("host.yaml"),
        "--state",
        &at("state/state.db"),
        "--file",
        &at("mail"),
    ]);
    command.env("HOME", folder).env("BENCH_PASSWORD", PASSWORD).stdin(Stdio::null());
    command
}

fn write_site(folder: &Path, playground: &Playground, mailboxes: usize) {
    std::fs::create_dir(folder.join("mail")).unwrap();
    std::fs::write(folder.join("ca.pem"), playground.ca_pem()).unwrap();
    let at = playground.exchange().address();
    let host = format!("trust: {{ bench: ca.pem }}\nconnect: {{ \"{HOST}:443\": \"{at}\" }}\n");
    std::fs::write(folder.join("host.yaml"), host).unwrap();
    let user = |number: usize| {
        let address = address(number);
        format!("    - {{ name: u{number:04}, address: {address}, approved: {address} }}\n")
    };
    let users: String = (0..mailboxes).map(user).collect();
    let manifest = format!(
        "apiVersion: mailplumb/v1\nkind: Organization\nmetadata: {{ name: bench }}\n---\n\
         apiVersion: mailplumb/v1\nkind: EmailServerProfile\nmetadata: {{ name: bench }}\nspec:\n  owner: {SERVICE}\n  exchange:\n    \
         trust: bench\n    location: {{ fixed: {{ incoming: \"https://{HOST}/EWS/Exchange.asmx\" }} }}\n    incoming:\n      \
         authentication: basic\n      credentials:\n        profile: {{ username: {SERVICE}, password: {{ secret: bench, key: it }}, access: impersonation }}\n  \
         processing: {{ from: 2020-01-01T00:00:00Z, minPollingInterval: 0, maxConcurrentConnections: 10 }}\n---\n\
         apiVersion: mailplumb/v1\nkind: MailboxList\nmetadata: {{ name: people }}\nspec:\n  \
         common: {{ profile: bench, incoming: server-side-sync }}\n  users:\n{users}---\n\
         apiVersion: mailplumb/v1\nkind: Secret\nmetadata: {{ name: bench }}\nspec:\n  values: {{ it: {{ env: BENCH_PASSWORD }} }}\n"
    );
    std::fs::write(folder.join("mail/mailplumb.yaml"), manifest).unwrap();
}
