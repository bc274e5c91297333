//! No secret anywhere: passwords and the private key are planted, the whole story is played, and everything that was
//! said or written is searched for them, in every encoding.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mailplumb::model::limits;
use mailplumb::model::name::{Address, Name};
use mailplumb::model::profile::{Authentication, Credentials, Endpoint, ServerKind, TlsMode};
use mailplumb::model::secret::Secret;
use mailplumb::model::server::{Destination, Login};
use mailplumb::playground::{Fault, Protocol, Times};
use mailplumb::secrets::environment::Environment;
use mailplumb::secrets::identity::{Discovery, Keyring};
use mailplumb::secrets::seal;
use rusqlite::OpenFlags;
use rusqlite::types::ValueRef;

use super::office::{Office, SALES, SUPPORT};
use super::person::{Heard, KEY, Person};
use super::search::{Hit, Planted, search, search_folder};

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

struct Scene {
    office: Office,
    secrets: Secrets,
    /// Found while the story was being told.
    hits: Vec<Hit>,
}

fn scene() -> Scene {
    let (password, wrong) = (password(), password());
    let office = Office::opens(&password);
    let key = office.person.read(KEY);
    let identity = key.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap().to_owned();
    Scene { office, secrets: Secrets { password, wrong, identity }, hits: Vec::new() }
}

impl Scene {
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
            "get --output yaml",
            "describe support",
            "describe mail/password --output json",
            "state show sales",
            "state show mail/password",
            "state snapshot --out snapshot.json",
            "history",
            "status --output json",
            "messages --limit 5",
            "messages --output json",
            "outbox list",
            "outbox list --output json",
            "alerts",
            "alerts --output json",
        ] {
            self.office.person.types(line).ends(0);
        }
    }

    fn everything_goes_well(&mut self) {
        self.office.person.types("plan --out first.plan").ends(0);
        self.office.sets(&self.secrets.password.clone());
        self.office.person.types("plan --out second.plan").ends(0);
        self.office.person.types("apply second.plan").ends(0).says("4 passed, 0 failed");
        self.office.person.types("test").ends(0).says("4 passed, 0 failed");
        self.office.person.types("sync").ends(0).says("40 recorded");
        let sent = "outbox add --mailbox sales --to support@office.test --subject Hello --text there";
        self.office.person.types(sent).ends(0);
        self.office.person.types("sync").ends(0).says("1 sent");
        self.lists();
        self.office.person.types("messages 1").ends(0);
        self.office.person.types("messages 1 --raw").ends(0);
    }

    /// The database has its write-ahead log while somebody writes, so the folder is searched then too.
    fn watched(&mut self) {
        let planted = self.secrets.planted();
        let sent = "outbox add --mailbox support --to sales@office.test --subject Watched --text it";
        self.office.person.types(sent).ends(0);
        let before = self.office.playground.state().accepted().len();
        let mut hits = Vec::new();
        let delivered = || {
            let there = self.office.playground.state().accepted().len() > before;
            if there {
                search_folder(
                    self.office.person.folder(),
                    &[self.office.person.at(KEY)],
                    &planted,
                    &mut hits,
                );
            }
            there
        };
        self.office.person.runs_until("watch", "the message that watch sends", delivered).ends(0);
        self.hits.extend(hits);
    }

    fn a_wrong_password_is_refused(&mut self) {
        self.office.sets(&self.secrets.wrong.clone());
        self.office.person.types("apply --auto-approve").ends(16).says("login-refused").says("authenticate");
        self.office.person.types("test").ends(16);
        // The old password goes on working.
        self.office.person.types("sync").ends(0).says("recorded");
        self.lists();
        self.office.sets(&self.secrets.password.clone());
        self.office.person.types("apply --auto-approve").ends(0);
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
                self.office
                    .playground
                    .inject(protocol, Fault::Answer { at: at.to_owned(), line, times: Times::Always });
            }
            self.office.person.types("test").ends(16).says("[password]");
            self.office.person.types("status --output json").ends(0).says("[password]");
            self.office.heals();
        }
        self.lists();
        self.office.person.types("test").ends(0);
    }

    /// The same after the login, where words are kept with messages and in the outbox.
    fn servers_repeat_it_after_the_login(&mut self) {
        let password = &self.secrets.password;
        let answer = |at: &str, words: &str| Fault::Answer {
            at: at.to_owned(),
            line: format!("{words} is it {password}"),
            times: Times::Always,
        };
        self.office.playground.inject(Protocol::Imap, answer("EXAMINE", "NO"));
        self.office.playground.inject(Protocol::Imap, answer("SELECT", "NO"));
        self.office.playground.inject(Protocol::Pop3, answer("STAT", "-ERR"));
        self.office.playground.inject(Protocol::Pop3, answer("UIDL", "-ERR"));
        self.office.playground.inject(Protocol::Smtp, answer("RCPT", "550 5.1.1"));
        let sent = "outbox add --mailbox sales --to nobody@office.test --subject Echo --text there";
        self.office.person.types(sent).ends(0);
        self.office.person.types("sync").says("[password]");
        self.office.person.types("outbox list --output json").ends(0).says("[password]");
        self.lists();
        self.office.heals();
        for (protocol, greeting) in
            [(Protocol::Imap, "* BYE"), (Protocol::Pop3, "-ERR"), (Protocol::Smtp, "554")]
        {
            self.office.playground.inject(protocol, Fault::Greet(format!("{greeting} not {password}")));
        }
        self.office.person.types("test").ends(16).says("[password]");
        self.lists();
        self.office.heals();
    }

    /// Another key, none at all, and the right one damaged.
    fn keys_are_wrong(&mut self) {
        self.office.person.types("secrets keygen --out other.key").ends(0);
        self.office.person.types("--identity other.key test").ends(16).says("encrypted to ops");
        self.office.person.write("damaged.key", &self.secrets.identity[..self.secrets.identity.len() - 2]);
        self.office.person.types("--identity damaged.key test").ends(14).says("line 1 is no age identity");
        self.office.person.types("--identity none.key apply --auto-approve").says("none.key");
        // What is left of it would be found, and rightly so.
        std::fs::remove_file(self.office.person.at("damaged.key")).unwrap();
        self.lists();
    }

    /// Both passwords in a bundle; it is edited, checked, encrypted again, and broken in every way.
    fn secrets_are_in_a_bundle(&mut self) {
        let person = &mut self.office.person;
        let manifest = person.read("mail/mailplumb.yaml");
        let ops = manifest.lines().find_map(|line| line.trim().strip_prefix("ops: ")).unwrap().to_owned();
        let recipients = std::collections::BTreeMap::from([("ops".to_owned(), ops)]);
        let Secrets { password, wrong, .. } = &self.secrets;
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let plain = format!("password: {}\nwrong: {}\n", quoted(password), quoted(wrong));
        let bundles = [
            plain.clone(),
            format!("{}: {}\n", quoted(password), quoted(wrong)),
            format!("password: [{}]\n", quoted(password)),
            format!("{plain}{}: x\n", quoted(password)),
            format!("password: {}\npassword: {}\n", quoted(password), quoted(wrong)),
            password.clone(),
        ];
        let secret = "---\napiVersion: mailplumb/v1\nkind: Secret\nmetadata: { name: team }\nspec:\n  bundle: { file: team.age, sealedTo: [ops], keys: [password, wrong] }\n";
        person.write("mail/mailplumb.yaml", &(manifest.replace("secret: mail", "secret: team") + secret));
        std::fs::create_dir(person.at("runtime")).unwrap();
        person.export("XDG_RUNTIME_DIR", &person.at("runtime").display().to_string());
        let lines = [
            "validate --output json",
            "plan",
            "plan --output json",
            "secrets check",
            "secrets check --output json",
            "--identity other.key secrets check",
            "secrets rekey --all",
            "apply --auto-approve",
        ];
        for text in &bundles {
            let sealed = seal::seal_file(text.as_bytes(), &recipients, seal::Form::Armoured).unwrap();
            std::fs::write(person.at("mail/team.age"), sealed).unwrap();
            lines.iter().for_each(|line| drop(person.types(line)));
            for editor in ["true", "false", "sh -c 'cp \"$1\" \"$1~\"; sed -i \"1s/$/ [x/\" \"$1\"' edit"] {
                person.export("EDITOR", editor);
                person.types("secrets edit team");
                person.types("secrets edit team/password");
            }
        }
        person.export("EDITOR", "true");
        let sealed = seal::seal_file(plain.as_bytes(), &recipients, seal::Form::Armoured).unwrap();
        std::fs::write(person.at("mail/team.age"), sealed).unwrap();
        person.types("secrets check").ends(0);
        person.pipes("secrets set team/wrong", wrong).ends(0);
        person.types("apply --auto-approve").ends(0);
        person.types("plan --detailed-exitcode").ends(0);
        person.types("sync").ends(0);
    }

    fn help_is_asked_for(&self) {
        for line in ["--help", "secrets set --help", "apply --help", "outbox add --help"] {
            self.office.person.types(line).ends(0);
        }
        self.office.person.types("no-such-command").ends(64);
    }

    /// Everything said and written, the private key's file excepted.
    fn material(&self) -> Vec<(String, Vec<u8>)> {
        let mut material = Vec::new();
        for Heard { typed, stdout, stderr, .. } in self.office.person.heard() {
            material.push((format!("command line `{typed}`"), typed.clone().into_bytes()));
            material.push((format!("stdout of `{typed}`"), stdout.into_bytes()));
            material.push((format!("stderr of `{typed}`"), stderr.into_bytes()));
        }
        for (name, value) in self.office.person.environment() {
            material.push((format!("environment variable {name}"), value.clone().into_bytes()));
        }
        material
            .push(("rows of the store".to_owned(), rows(&self.office.person.at("mail/.mailplumb/state.db"))));
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
                assert!(
                    hits.iter().any(|hit| hit.form == form.name),
                    "{} in {place} is not found",
                    form.name
                );
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
    let blob =
        blobs.iter().find(|path| path.to_string_lossy().contains("blob")).expect("the store has blobs");
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
    scene.secrets_are_in_a_bundle();
    scene.help_is_asked_for();

    let planted = scene.secrets.planted();
    let material = scene.material();
    // Two outputs, and one file of each kind: the search is the same for the others.
    let samples: Vec<_> = material
        .iter()
        .filter(|(place, bytes)| !bytes.is_empty() && (place.contains("`status`") || place.contains("rows")))
        .cloned()
        .chain(one_of_each_kind(&scene.office.person))
        .collect();
    assert!(samples.len() >= 7 && prove(&samples, &planted) > 300);

    let mut hits = scene.hits;
    hits.extend(material.iter().flat_map(|(place, bytes)| search(place, bytes, &planted)));
    let searched =
        search_folder(scene.office.person.folder(), &[scene.office.person.at(KEY)], &planted, &mut hits);
    assert!(material.len() > 100 && searched > 8, "only {} and {searched} were searched", material.len());
    assert!(hits.is_empty(), "{hits:#?}");
}

/// In every place where somebody might write it. The value is a YAML text in single quotes.
const MISTAKES: [&str; 10] = [
    "spec:\n  values:\n    password: VALUE\n",
    "spec: { values: { password: VALUE } }\n",
    "spec: { values: { password: { value: VALUE } } }\n",
    "spec: { values: { password: { age: VALUE } } }\n",
    "spec: { values: { password: { env: VALUE, age: VALUE } } }\n",
    "spec: { values: VALUE }\n",
    "spec: { values: { password: { age: [VALUE] } } }\n",
    "spec: { values: { password: { sealedTo: [ops], age: | VALUE } } }\n",
    "spec: { values: { password: { sealedTo: [ops] age: VALUE } } }\n",
    "spec:\n  values:\n    password: VALUE\n    other: [\n",
];

#[test]
fn a_password_that_stands_in_the_manifest_by_mistake_is_never_quoted() {
    let (password, wrong) = (password(), password());
    let secrets = Secrets { password, wrong, identity: "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQ".to_owned() };
    let office = Office::opens(&secrets.password);
    let before = office.person.read("mail/mailplumb.yaml");
    let head = "apiVersion: mailplumb/v1\nkind: Secret\nmetadata: { name: by-mistake }\n";
    let value = format!("'{}'", secrets.password);
    let mut manifests: Vec<String> =
        MISTAKES.map(|spec| format!("{before}---\n{head}{}", spec.replace("VALUE", &value))).into();
    let reference = "{ secret: mail, key: password }";
    for mistake in [value.clone(), format!("{{ value: {value} }}"), format!("[{value}]")] {
        manifests.push(before.replace(reference, &mistake));
    }
    let recipient = before.lines().find_map(|line| line.trim().strip_prefix("ops: ")).unwrap();
    manifests.push(before.replace(recipient, &secrets.identity));
    manifests.push(before.replace(recipient, &value));
    for manifest in &manifests {
        assert_ne!(*manifest, before);
        office.person.write("mail/mailplumb.yaml", manifest);
        office.person.types("validate").ends(1).says("error[");
        office.person.types("validate --output json").ends(1).json();
        office.person.types("plan").ends(1);
        office.person.types("apply --auto-approve").ends(1);
        office.person.pipes("secrets set by-mistake/password", &secrets.wrong);
    }
    let planted = secrets.planted();
    for heard in office.person.heard() {
        let hits = search("", format!("{heard}").as_bytes(), &planted);
        assert!(hits.is_empty(), "{hits:#?} in {heard}");
    }
}

#[test]
fn what_holds_a_secret_in_memory_does_not_show_it() {
    let secret = "a-rather-long-password";
    let login = Login::Password { username: "anna".to_owned(), password: Secret::new(secret.to_owned()) };
    let destination = Destination {
        service: None,
        mailbox: Name::parse("anna").unwrap(),
        address: Address::parse(SALES).unwrap(),
        profile: Name::parse("pop").unwrap(),
        kind: ServerKind::Pop3Smtp,
        endpoint: Endpoint {
            host: "mail.office.test".to_owned(),
            port: None,
            tls: TlsMode::Implicit,
            authentication: Authentication::Auto,
            credentials: Credentials::Mailbox,
            timeout_seconds: None,
        },
        trust: None,
        login,
    };
    let (identity, _) = seal::keygen();
    let environment = Environment::fixed([("MAILPLUMB_AGE_KEY", identity.expose())]);
    let keyring =
        Keyring::discover(&Discovery { named: &[], environment, ask_passphrase: &|_| None }).unwrap();
    let shown = format!("{destination:?} {destination:#?} {keyring:?} {keyring:#?} {identity:?}");
    let planted = [Planted::new("password", secret), Planted::new("identity", identity.expose())];
    assert!(shown.contains("MAILPLUMB_AGE_KEY") && shown.contains("anna"), "{shown}");
    assert_eq!(search("", shown.as_bytes(), &planted), []);
}
