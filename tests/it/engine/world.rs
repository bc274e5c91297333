//! Servers with mailboxes, and a site that is declared for them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mailplumb::model::record::ContentHash;
use mailplumb::model::secret::Secret;
use mailplumb::playground::{Options, Playground, User};
use mailplumb::secrets::seal;

use super::site::{HOST, Site};

pub const MAILBOXES: [&str; 4] = ["anna", "ben", "sales", "support"];

/// Everything in one place: servers in this process, files in a folder of their own.
pub struct World {
    pub playground: Playground,
    pub site: Site,
    _folder: tempfile::TempDir,
}

/// How the manifest differs from the usual one.
#[derive(Debug, Clone, Default)]
pub struct Variant {
    /// Lines that replace others, from and to.
    pub replacements: Vec<(String, String)>,
}

impl Variant {
    pub fn with(mut self, from: &str, to: &str) -> Self {
        self.replacements.push((from.to_owned(), to.to_owned()));
        self
    }
}

impl World {
    pub fn start() -> Self {
        Self::varied(&Variant::default(), Options::default())
    }

    /// Nothing is applied yet; `options` says how the servers behave.
    pub fn varied(variant: &Variant, options: Options) -> Self {
        let world = Self::empty(options);
        let (identity, recipient) = seal::keygen();
        world.site.write("age.key", &format!("{}\n", identity.expose()));
        restrict(&world.site);
        let mut text = MANIFEST.replace("RECIPIENT", &recipient);
        for (from, to) in &variant.replacements {
            assert!(text.contains(from), "the manifest has no `{from}`");
            text = text.replace(from, to);
        }
        world.site.write("recipient", &recipient);
        world.site.write("mail/mailplumb.yaml", &text);
        world.write_secrets(&MAILBOXES.map(|user| (user, password(user))));
        world
    }

    /// The same site, as it is in its folder now, with new servers.
    pub fn copy_of(site: &Site) -> Self {
        let world = Self::bare(Options::default());
        site.copy_to(&world.site.folder);
        world.write_servers();
        world
    }

    fn empty(options: Options) -> Self {
        let world = Self::bare(options);
        world.write_servers();
        world
    }

    fn bare(options: Options) -> Self {
        let users = MAILBOXES.iter().map(|user| User::new(&address(user), &address(user), &password(user)));
        let options = Options { host_names: vec![HOST.to_owned()], users: users.collect(), ..options };
        let playground = Playground::start(options).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let site = Site { folder: folder.path().to_owned() };
        Self { playground, site, _folder: folder }
    }

    fn write_servers(&self) {
        let ports = [
            (110, self.playground.pop3()),
            (993, self.playground.imaps()),
            (465, self.playground.smtps()),
            (587, self.playground.smtp()),
            (443, self.playground.exchange().address()),
        ];
        self.site.write("ca.pem", self.playground.ca_pem());
        self.site.write_ports(&ports);
        let connect: String =
            ports.iter().map(|(port, address)| format!("  \"{HOST}:{port}\": \"{address}\"\n")).collect();
        self.site.write("host.yaml", &format!("trust: {{ playground: ca.pem }}\nconnect:\n{connect}"));
    }

    /// Encrypts these passwords into the manifest.
    pub fn write_secrets(&self, passwords: &[(&str, String)]) {
        let recipient = std::fs::read_to_string(self.site.path("recipient")).unwrap();
        let recipients = BTreeMap::from([("ops".to_owned(), recipient)]);
        let mut text =
            "apiVersion: mailplumb/v1\nkind: Secret\nmetadata: { name: passwords }\nspec:\n  values:\n"
                .to_owned();
        for (user, password) in passwords {
            let sealed = seal::seal(&Secret::new(password.clone()), &recipients).unwrap();
            text.push_str(&format!("    {user}:\n      sealedTo: [ops]\n      age: |\n"));
            sealed.lines().for_each(|line| text.push_str(&format!("        {line}\n")));
        }
        self.site.write("mail/secrets.yaml", &text);
    }

    /// Changes the manifest's text.
    pub fn edit(&self, from: &str, to: &str) {
        let path = self.site.path("mail/mailplumb.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "the manifest has no `{from}`");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    pub fn deliver(&self, user: &str, raw: &[u8]) {
        self.playground.state().deliver_at(&address(user), raw, moment(0)).unwrap();
    }

    /// The octets in a mailbox, in order.
    pub fn inbox(&self, user: &str) -> Vec<bytes::Bytes> {
        self.playground.state().inbox(&address(user)).unwrap().into_iter().map(|held| held.raw).collect()
    }

    /// Those without the messages of a test.
    pub fn inbox_hashes(&self, user: &str) -> Vec<String> {
        let inbox = self.inbox(user);
        inbox.iter().filter(|raw| !is_self_test(raw)).map(|raw| ContentHash::of(raw).0).collect()
    }
}

/// Others may not read an identity.
fn restrict(site: &Site) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(site.path("age.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
}

pub fn address(user: &str) -> String {
    format!("{user}@playground.test")
}

pub fn password(user: &str) -> String {
    format!("{user}'s pass word")
}

/// Seconds after the beginning of March 2026.
pub fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_772_323_200 + seconds).unwrap()
}

/// A letter that no other `label` has, written in March 2026.
pub fn letter(label: &str) -> Vec<u8> {
    dated_letter(label, "Mon, 02 Mar 2026 10:00:00 +0000")
}

pub fn dated_letter(label: &str, date: &str) -> Vec<u8> {
    format!(
        "From: Writer <writer@elsewhere.test>\r\nTo: <reader@playground.test>\r\nSubject: letter {label}\r\n\
         Date: {date}\r\nMessage-ID: <{label}@elsewhere.test>\r\n\r\nThis is letter {label}.\r\n"
    )
    .into_bytes()
}

pub fn is_self_test(raw: &[u8]) -> bool {
    let text = String::from_utf8_lossy(raw);
    text.contains("X-Mailplumb-Test: ") && !text.contains("X-Mailplumb-Test: forged")
}

/// Ports lead to the playground by the host's settings, so that the manifest is always the same.
const MANIFEST: &str = "\
apiVersion: mailplumb/v1
kind: Organization
metadata: { name: playground }
spec:
  defaults: { incoming: server-side-sync, outgoing: server-side-sync }
  retry: { attempts: 3, wait: 1m, attemptsPerMessage: 2 }
  recipients: { ops: RECIPIENT }
---
apiVersion: mailplumb/v1
kind: EmailServerProfile
metadata: { name: imap }
spec:
  displayName: IMAP
  owner: postmaster@playground.test
  imapSmtp:
    trust: playground
    incoming: { host: mail.playground.test, port: 993, tls: implicit, credentials: { mailbox: {} } }
    outgoing: { host: mail.playground.test, port: 587, tls: starttls }
  processing: { from: 2026-01-01T00:00:00Z, minPollingInterval: 0 }
---
apiVersion: mailplumb/v1
kind: EmailServerProfile
metadata: { name: pop }
spec:
  displayName: POP3
  owner: postmaster@playground.test
  pop3Smtp:
    trust: playground
    incoming: { host: mail.playground.test, port: 110, tls: starttls, credentials: { mailbox: {} } }
    outgoing: { host: mail.playground.test, port: 465, tls: implicit }
  processing: { from: 2026-01-01T00:00:00Z, minPollingInterval: 0 }
---
apiVersion: mailplumb/v1
kind: MailboxList
metadata: { name: people }
spec:
  common: { credentials: { password: { secret: passwords } } }
  users:
    - { name: anna, address: anna@playground.test, approved: anna@playground.test, profile: imap }
    - { name: ben, address: ben@playground.test, approved: ben@playground.test, profile: pop }
---
apiVersion: mailplumb/v1
kind: Mailbox
metadata: { name: sales }
spec:
  queue: { displayName: Sales, address: sales@playground.test, deleteAfterProcessing: true }
  approved: sales@playground.test
  profile: imap
  credentials: { password: { secret: passwords } }
---
apiVersion: mailplumb/v1
kind: Mailbox
metadata: { name: support }
spec:
  queue: { displayName: Support, address: support@playground.test, deleteAfterProcessing: true }
  approved: support@playground.test
  profile: pop
  credentials: { password: { secret: passwords } }
";
