//! The demo's manifest and host file.

use std::collections::BTreeMap;

use crate::cli::exit::Failure;
use crate::model::secret::Secret;
use crate::playground::Playground;
use crate::secrets::seal;

/// The domain of the demo's mailboxes.
pub const DOMAIN: &str = "demo.example";

/// Profiles and mailboxes for the running servers.
pub fn manifest(playground: &Playground, recipient: &str) -> String {
    format!(
        "apiVersion: mailplumb/v1
kind: Organization
metadata: {{ name: demo }}
spec:
  defaults: {{ incoming: server-side-sync, outgoing: server-side-sync }}
  recipients:
    demo: {recipient}
---
apiVersion: mailplumb/v1
kind: EmailServerProfile
metadata: {{ name: imap }}
spec:
  displayName: Our IMAP server
  owner: postmaster@{DOMAIN}
  imapSmtp:
    trust: demo-ca
    incoming: {{ host: mail.{DOMAIN}, port: {imaps}, tls: implicit, credentials: {{ mailbox: {{}} }} }}
    outgoing: {{ host: mail.{DOMAIN}, port: {smtp}, tls: starttls }}
  processing: {{ from: 2026-01-01T00:00:00Z, minPollingInterval: 1m }}
---
apiVersion: mailplumb/v1
kind: EmailServerProfile
metadata: {{ name: pop }}
spec:
  displayName: Our POP3 server
  owner: postmaster@{DOMAIN}
  pop3Smtp:
    trust: demo-ca
    incoming: {{ host: mail.{DOMAIN}, port: {pop3}, tls: starttls, credentials: {{ mailbox: {{}} }} }}
    outgoing: {{ host: mail.{DOMAIN}, port: {smtps}, tls: implicit }}
  processing: {{ from: 2026-01-01T00:00:00Z, minPollingInterval: 1m }}
---
apiVersion: mailplumb/v1
kind: EmailServerProfile
metadata: {{ name: headquarters }}
spec:
  displayName: Exchange at headquarters
  owner: postmaster@{DOMAIN}
  exchange:
    location: {{ fixed: {{ incoming: https://exchange.{DOMAIN}/EWS/Exchange.asmx, outgoing: https://exchange.{DOMAIN}/EWS/Exchange.asmx }} }}
    incoming:
      authentication: ntlm
      credentials: {{ profile: {{ username: DEMO\\svc-sync, password: {{ secret: passwords, key: exchange }}, access: impersonation }} }}
---
apiVersion: mailplumb/v1
kind: MailboxList
metadata: {{ name: people, labels: {{ team: people }} }}
spec:
  common: {{ credentials: {{ password: {{ secret: passwords }} }} }}
  users:
    - {{ name: anna, address: anna@{DOMAIN}, approved: anna@{DOMAIN}, profile: imap }}
    - {{ name: ben, address: ben@{DOMAIN}, approved: ben@{DOMAIN}, profile: pop }}
---
apiVersion: mailplumb/v1
kind: Mailbox
metadata: {{ name: support }}
spec:
  queue: {{ displayName: Support, address: support@{DOMAIN}, deleteAfterProcessing: true }}
  approved: support@{DOMAIN}
  profile: pop
  credentials: {{ password: {{ secret: passwords }} }}
---
apiVersion: mailplumb/v1
kind: Mailbox
metadata: {{ name: chief }}
spec:
  user: {{ address: chief@{DOMAIN} }}
  approved: chief@{DOMAIN}
  profile: headquarters
",
        imaps = playground.imaps().port(),
        smtp = playground.smtp().port(),
        pop3 = playground.pop3().port(),
        smtps = playground.smtps().port(),
    )
}

/// What belongs to this machine and not to the manifest.
pub fn host_file(playground: &Playground) -> String {
    format!("trust: {{ demo-ca: demo-ca.pem }}\nhosts: {{ mail.{DOMAIN}: {} }}\n", playground.imaps().ip())
}

/// The passwords, encrypted.
pub fn secrets(passwords: &BTreeMap<String, String>, recipient: &str) -> Result<String, Failure> {
    let recipients = BTreeMap::from([("demo".to_owned(), recipient.to_owned())]);
    let mut text =
        "apiVersion: mailplumb/v1\nkind: Secret\nmetadata: { name: passwords }\nspec:\n  values:\n"
            .to_owned();
    for (key, password) in passwords {
        let armoured = seal::seal(&Secret::new(password.clone()), &recipients)
            .map_err(|error| Failure::new("a password cannot be encrypted").cause(error))?;
        text.push_str(&format!("    {key}:\n      sealedTo: [demo]\n      age: |\n"));
        for line in armoured.trim_end().lines() {
            text.push_str(&format!("        {line}\n"));
        }
    }
    Ok(text)
}
