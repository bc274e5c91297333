//! A person with a manifest of two mailboxes, and the mail servers that they are on.

use std::sync::Arc;

use mailplumb::engine::clock::SystemClock;
use mailplumb::playground::{Certificate, Options, Playground, Protocol, User};

use super::person::{Person, playground_host_file};

pub const HOST: &str = "mail.office.test";
/// Read over IMAP.
pub const SUPPORT: &str = "support@office.test";
/// Read over POP3.
pub const SALES: &str = "sales@office.test";
/// Messages that wait for [`SALES`].
pub const WAITING: usize = 40;

/// A second profile and mailbox, so that POP3 and the other TLS modes are spoken too.
const SALES_BY_POP3: &str = "---
apiVersion: mailplumb/v1
kind: EmailServerProfile
metadata: { name: pop }
spec:
  owner: support@office.test
  pop3Smtp:
    incoming: { host: mail.office.test, tls: starttls, credentials: { mailbox: {} } }
    outgoing: { host: mail.office.test, tls: implicit }
  processing: { from: 2026-01-01T00:00:00Z }
---
apiVersion: mailplumb/v1
kind: Mailbox
metadata: { name: sales }
spec:
  queue: { displayName: Sales, address: sales@office.test }
  approved: sales@office.test
  profile: pop
  incoming: server-side-sync
  outgoing: server-side-sync
  credentials: { password: { secret: mail, key: password } }
";

pub struct Office {
    pub person: Person,
    pub playground: Playground,
}

impl Office {
    /// Servers that take this password, and the manifest in `mail`, whose password is not set yet.
    pub fn opens(password: &str) -> Self {
        Self::opens_with(password, Certificate::Good)
    }

    pub fn opens_with(password: &str, certificate: Certificate) -> Self {
        let options = Options {
            host_names: vec![HOST.to_owned()],
            users: [SUPPORT, SALES].map(|address| User::new(address, address, password)).into(),
            clock: Arc::new(SystemClock::new()),
            certificate,
            ..Options::default()
        };
        let playground = Playground::start(options).unwrap();
        playground.state().seed(SALES, WAITING, 7).unwrap();
        let mut person = Person::new();
        person.write("host.yaml", &playground_host_file(&playground, HOST));
        person.write("ca.pem", playground.ca_pem());
        person.export("SSL_CERT_FILE", "ca.pem");
        person.export("MAILPLUMB_HOST_CONFIG", "host.yaml");
        person.export("MAILPLUMB_FILE", "mail");
        person.types(&format!("init --incoming-host {HOST} --address {SUPPORT}")).ends(0);
        let manifest = person.read("mail/mailplumb.yaml");
        person.write("mail/mailplumb.yaml", &(manifest + SALES_BY_POP3));
        Self { person, playground }
    }

    /// With the password set and the manifest applied; nothing is tested yet.
    pub fn applied(password: &str) -> Self {
        let office = Self::opens(password);
        office.sets(password);
        office.person.types("apply --auto-approve --tests defer").ends(0);
        office
    }

    /// With both mailboxes enabled.
    pub fn at_work(password: &str) -> Self {
        let office = Self::applied(password);
        office.person.types("test").ends(0);
        office
    }

    pub fn sets(&self, password: &str) {
        self.person.pipes("secrets set mail/password", password).ends(0);
    }

    /// Takes all faults of the servers back.
    pub fn heals(&self) {
        for protocol in [Protocol::Imap, Protocol::Pop3, Protocol::Smtp] {
            self.playground.heal(protocol);
        }
    }
}
