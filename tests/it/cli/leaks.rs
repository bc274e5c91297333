//! No secret anywhere: passwords and the private key are planted, the whole story is played, and everything that was
//! said or written is searched for them, in every encoding.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mailplumb::engine::clock::SystemClock;
use mailplumb::model::limits;
use mailplumb::playground::{Fault, Options, Playground, Protocol, Times, User};
use rusqlite::OpenFlags;
use rusqlite::types::ValueRef;

use super::person::{Heard, KEY, Person, playground_host_file};
use super::search::{Hit, Planted, search, search_folder};

const HOST: &str = "mail.leak.test";
const SUPPORT: &str = "support@leak.test";
const SALES: &str = "sales@leak.test";

/// What must not be found.
struct Secrets {
    password: String,
    /// Another password, that the servers refuse.
    wrong: String,
    identity: String,
}

/// Random, with characters that JSON, URLs, IMAP, YAML and base64 write differently.
fn password() -> String {
    let mut bytes = [0_u8; 12];
    getrandom::fill(&mut bytes).unwrap();
    let random: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}\"+/é\\=&< {}", &random[..12], &random[12..])
}

impl Secrets {
    fn planted(&self) -> Vec<Planted> {
        let users = [SUPPORT, SALES];
        vec![
            Planted::new("password", &self.password).with_logins(&self.password, &users),
            Planted::new("wrong password", &self.wrong).with_logins(&self.wrong, &users),
            Planted::new("identity", &self.identity),
            Planted::new("first half of the password", &self.password[..12]),
            Planted::new("second half of the password", &self.password[self.password.len() - 12..]),
        ]
    }
}

/// A second profile and mailbox, so that POP3 and the other TLS modes are spoken too.
const SALES_BY_POP3: &str = "---
apiVersion: mailplumb/v1
kind: EmailServerProfile
metadata: { name: pop }
spec:
  owner: support@leak.test
  pop3Smtp:
    incoming: { host: mail.leak.test, tls: starttls, credentials: { mailbox: {} } }
    outgoing: { host: mail.leak.test, tls: implicit }
  processing: { from: 2026-01-01T00:00:00Z }
---
apiVersion: mailplumb/v1
kind: Mailbox
metadata: { name: sales }
spec:
  queue: { displayName: Sales, address: sales@leak.test }
  approved: sales@leak.test
  profile: pop
  incoming: server-side-sync
  outgoing: server-side-sync
  credentials: { password: { secret: mail, key: password } }
";

struct Scene {
    person: Person,
    playground: Playground,
    secrets: Secrets,
    /// Found while the story was being told.
    hits: Vec<Hit>,
}

fn scene() -> Scene {
    let (good, wrong) = (password(), password());
    let options = Options {
        host_names: vec![HOST.to_owned()],
        users: [SUPPORT, SALES].map(|address| User::new(address, address, &good)).into(),
        clock: Arc::new(SystemClock::new()),
        ..Options::default()
    };
    let playground = Playground::start(options).unwrap();
    playground.state().seed(SALES, 40, 7).unwrap();
    let mut person = Person::new();
    person.write("host.yaml", &playground_host_file(&playground, HOST));
    person.write("ca.pem", playground.ca_pem());
    person.export("SSL_CERT_FILE", "ca.pem");
    person.export("MAILPLUMB_HOST_CONFIG", "host.yaml");
    person.export("MAILPLUMB_FILE", "mail");
    person.types(&format!("init --incoming-host {HOST} --address {SUPPORT}")).ends(0);
    let manifest = person.read("mail/mailplumb.yaml");
    person.write("mail/mailplumb.yaml", &(manifest + SALES_BY_POP3));
    let key = person.read(KEY);
    let identity = key.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap().to_owned();
    Scene { person, playground, secrets: Secrets { password: good, wrong, identity }, hits: Vec::new() }
}

impl Scene {
    fn set(&self, value: &str) {
        self.person.pipes("secrets set mail/password", value).ends(0);
    }

    /// All listings, in all forms.
    fn lists(&self) {
        for line in [
            "validate",
            "validate --output json",
            "plan",
            "plan --output json",
            "plan --output markdown",
            "plan --out looked-at.plan",
            "status",
            "status --output json",
            "messages --limit 5",
            "messages --output json",
            "outbox list",
            "outbox list --output json",
            "alerts",
            "alerts --output json",
        ] {
            self.person.types(line).ends(0);
        }
    }

    fn everything_goes_well(&mut self) {
        self.person.types("plan --out first.plan").ends(0);
        self.set(&self.secrets.password.clone());
        self.person.types("plan --out second.plan").ends(0);
        self.person.types("apply second.plan").ends(0).says("4 passed, 0 failed");
        self.person.types("test").ends(0).says("4 passed, 0 failed");
        self.person.types("sync").ends(0).says("40 recorded");
        let sent = "outbox add --mailbox sales --to support@leak.test --subject Hello --text there";
        self.person.types(sent).ends(0);
        self.person.types("sync").ends(0).says("1 sent");
        self.lists();
        self.person.types("messages 1").ends(0);
        self.person.types("messages 1 --raw").ends(0);
    }

    /// The database has its write-ahead log while somebody writes, so the folder is searched then too.
    fn watched(&mut self) {
        let planted = self.secrets.planted();
        let sent = "outbox add --mailbox support --to sales@leak.test --subject Watched --text it";
        self.person.types(sent).ends(0);
        let before = self.playground.state().accepted().len();
        let mut hits = Vec::new();
        let delivered = || {
            let there = self.playground.state().accepted().len() > before;
            if there {
                search_folder(self.person.folder(), &[self.person.at(KEY)], &planted, &mut hits);
            }
            there
        };
        self.person.runs_until("watch", "the message that watch sends", delivered).ends(0);
        self.hits.extend(hits);
    }

    fn a_wrong_password_is_refused(&mut self) {
        self.set(&self.secrets.wrong.clone());
        self.person.types("apply --auto-approve").ends(16).says("login-refused").says("authenticate");
        self.person.types("test").ends(16);
        self.person.types("sync").says("not driven");
        self.lists();
        self.set(&self.secrets.password.clone());
        self.person.types("apply --auto-approve").ends(0);
    }

    /// Servers that repeat what they were sent, as it is and as they got it.
    fn servers_repeat_the_password(&mut self) {
        let Secrets { password, .. } = &self.secrets;
        let message = |user: &str| STANDARD.encode(format!("\0{user}\0{password}"));
        let quoted = password.replace('\\', "\\\\").replace('"', "\\\"");
        // Cut in the middle of the password.
        let long = format!("{} {password}", "x".repeat(limits::SERVER_WORDS_CHARACTERS_MAX - 40));
        let echoes = [
            password.clone(),
            STANDARD.encode(password),
            format!("{} {}", message(SUPPORT), message(SALES)),
            format!("LOGIN {SUPPORT} \"{quoted}\""),
            long,
        ];
        for echo in echoes {
            for (protocol, at, words) in [
                (Protocol::Imap, "AUTHENTICATE", "NO"),
                (Protocol::Imap, "LOGIN", "NO"),
                (Protocol::Pop3, "AUTH", "-ERR"),
                (Protocol::Pop3, "PASS", "-ERR"),
                (Protocol::Smtp, "AUTH", "535 5.7.8"),
            ] {
                let line = format!("{words} did not like {echo}");
                self.playground.inject(protocol, Fault::Answer { at: at.to_owned(), line, times: Times::Always });
            }
            self.person.types("test").ends(16).says("[password]");
            self.person.types("status --output json").ends(0).says("[password]");
            self.heal();
        }
        self.lists();
        self.person.types("test").ends(0);
    }

    fn heal(&self) {
        for protocol in [Protocol::Imap, Protocol::Pop3, Protocol::Smtp] {
            self.playground.heal(protocol);
        }
    }

    /// The same after the login, where words are kept with messages and in the outbox.
    fn servers_repeat_it_after_the_login(&mut self) {
        let password = &self.secrets.password;
        let answer = |at: &str, words: &str| Fault::Answer {
            at: at.to_owned(),
            line: format!("{words} is it {password}"),
            times: Times::Always,
        };
        self.playground.inject(Protocol::Imap, answer("EXAMINE", "NO"));
        self.playground.inject(Protocol::Imap, answer("SELECT", "NO"));
        self.playground.inject(Protocol::Pop3, answer("STAT", "-ERR"));
        self.playground.inject(Protocol::Pop3, answer("UIDL", "-ERR"));
        self.playground.inject(Protocol::Smtp, answer("RCPT", "550 5.1.1"));
        let sent = "outbox add --mailbox sales --to nobody@leak.test --subject Echo --text there";
        self.person.types(sent).ends(0);
        self.person.types("sync").says("[password]");
        self.person.types("outbox list --output json").ends(0).says("[password]");
        self.lists();
        self.heal();
        for (protocol, greeting) in
            [(Protocol::Imap, "* BYE"), (Protocol::Pop3, "-ERR"), (Protocol::Smtp, "554")]
        {
            self.playground.inject(protocol, Fault::Greet(format!("{greeting} not {password}")));
        }
        self.person.types("test").ends(16).says("[password]");
        self.lists();
        self.heal();
    }

    /// Another key, none at all, and the right one damaged.
    fn keys_are_wrong(&mut self) {
        self.person.types("secrets keygen --out other.key").ends(0);
        self.person.types("--identity other.key test").ends(16).says("encrypted to ops");
        self.person.write("damaged.key", &self.secrets.identity[..self.secrets.identity.len() - 2]);
        self.person.types("--identity damaged.key test").ends(14).says("line 1 is no age identity");
        self.person.types("--identity none.key apply --auto-approve").says("none.key");
        // What is left of it would be found, and rightly so.
        std::fs::remove_file(self.person.at("damaged.key")).unwrap();
        self.lists();
    }

    fn help_is_asked_for(&self) {
        for line in ["--help", "secrets set --help", "apply --help", "outbox add --help"] {
            self.person.types(line).ends(0);
        }
        self.person.types("no-such-command").ends(64);
    }

    /// Everything said and written, the private key's file excepted.
    fn material(&self) -> Vec<(String, Vec<u8>)> {
        let mut material = Vec::new();
        for Heard { typed, stdout, stderr, .. } in self.person.heard() {
            material.push((format!("command line `{typed}`"), typed.clone().into_bytes()));
            material.push((format!("stdout of `{typed}`"), stdout.into_bytes()));
            material.push((format!("stderr of `{typed}`"), stderr.into_bytes()));
        }
        for (name, value) in self.person.environment() {
            material.push((format!("environment variable {name}"), value.clone().into_bytes()));
        }
        material.push(("rows of the store".to_owned(), rows(&self.person.at("mail/.mailplumb/state.db"))));
        material
    }
}

/// All values of all tables, one after the other: in the file, a long one is cut into pages.
fn rows(path: &PathBuf) -> Vec<u8> {
    let store = rusqlite::Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut names = store.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let names: Vec<String> = names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut found = Vec::new();
    for name in names {
        let mut select = store.prepare(&format!("SELECT * FROM \"{name}\"")).unwrap();
        let columns = select.column_count();
        let mut rows = select.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                match row.get_ref(column).unwrap() {
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => found.extend_from_slice(bytes),
                    ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => {}
                }
                found.push(b'\n');
            }
        }
    }
    found
}

/// Plants each form of each secret in a copy of each material, and insists that the search finds it there.
fn prove(material: &[(String, Vec<u8>)], planted: &[Planted]) -> usize {
    let mut proofs = 0;
    for (place, bytes) in material {
        let middle = bytes.len() / 2;
        for secret in planted {
            for form in secret.forms() {
                let copy = [&bytes[..middle], &form.bytes, &bytes[middle..]].concat();
                let hits = search(place, &copy, std::slice::from_ref(secret));
                assert!(hits.iter().any(|hit| hit.form == form.name), "{} in {place} is not found", form.name);
                proofs += 1;
            }
        }
    }
    proofs
}

/// One file of each kind that the program writes.
fn one_of_each_kind(person: &Person) -> Vec<(String, Vec<u8>)> {
    let mut blobs = Vec::new();
    files(&person.at("mail/.mailplumb"), &mut blobs);
    let blob = blobs.iter().find(|path| path.to_string_lossy().contains("blob")).expect("the store has blobs");
    let named = ["mail/.mailplumb/state.db", "mail/secrets.yaml", "mail/mailplumb.yaml", "second.plan"];
    let paths = named.iter().map(|name| person.at(name)).chain([blob.clone()]);
    paths.map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect()
}

fn files(folder: &std::path::Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn no_secret_is_said_or_written_in_any_encoding_whatever_happens() {
    let mut scene = scene();
    scene.everything_goes_well();
    scene.watched();
    scene.a_wrong_password_is_refused();
    scene.servers_repeat_the_password();
    scene.servers_repeat_it_after_the_login();
    scene.keys_are_wrong();
    scene.help_is_asked_for();

    let planted = scene.secrets.planted();
    let material = scene.material();
    // Two outputs, and one file of each kind: the search is the same for the others.
    let samples: Vec<_> = material
        .iter()
        .filter(|(place, bytes)| !bytes.is_empty() && (place.contains("`status`") || place.contains("rows")))
        .cloned()
        .chain(one_of_each_kind(&scene.person))
        .collect();
    assert!(samples.len() >= 7 && prove(&samples, &planted) > 300);

    let mut hits = scene.hits;
    hits.extend(material.iter().flat_map(|(place, bytes)| search(place, bytes, &planted)));
    let searched = search_folder(scene.person.folder(), &[scene.person.at(KEY)], &planted, &mut hits);
    assert!(material.len() > 100 && searched > 8, "only {} and {searched} were searched", material.len());
    assert!(hits.is_empty(), "{hits:#?}");
}
