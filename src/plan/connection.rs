//! What a test of one operation proves, as a digest: when it changes, the operation has to be tested again.
//!
//! It covers the address, where and how the server is reached, who logs in with which ciphertext, and where an inbox rule forwards
//! what comes in. It covers
//! nothing else: a changed description, label, owner, interval or time-out never causes a test.

use std::collections::BTreeMap;

use crate::model::mailbox::Mailbox;
use crate::model::name::Name;
use crate::model::operation::{ConnectionDigest, Operation};
use crate::model::profile::{
    Access, AppProof, Credentials, Endpoint, Exchange, ExchangeLocation, ExchangeLogin, ExchangeOnline,
    MailServers, Profile, Protocol, Server,
};
use crate::model::secret::{SecretDigest, SecretRef};

/// `None`: the profile's server does not do this operation (SMTP left out, or a calendar at a POP3 server).
pub fn digest(
    profile: &Profile,
    mailbox: &Mailbox,
    secrets: &BTreeMap<SecretRef, SecretDigest>,
    operation: Operation,
) -> Option<ConnectionDigest> {
    Outline::of(profile, secrets, operation).map(|outline| outline.digest(mailbox, secrets))
}

/// The secrets that a test of this operation opens.
pub fn secrets_used<'a>(
    profile: &'a Profile,
    mailbox: &'a Mailbox,
    operation: Operation,
) -> Vec<&'a SecretRef> {
    let none = BTreeMap::new();
    let Some(Outline { bytes: _, used, login, operation: _ }) = Outline::of(profile, &none, operation) else {
        return Vec::new();
    };
    let own = mailbox.credentials.as_ref().filter(|_| login == Login::OfMailbox);
    used.into_iter().chain(own.map(|own| &own.password)).collect()
}

/// What a test of one operation proves of one profile, whoever's mailbox it is: made once, used for all its mailboxes.
pub(super) struct Outline<'a> {
    bytes: Vec<u8>,
    used: Vec<&'a SecretRef>,
    login: Login,
    operation: Operation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Login {
    OfProfile,
    /// What the mailbox logs in with is hashed last.
    OfMailbox,
}

impl<'a> Outline<'a> {
    pub fn of(
        profile: &'a Profile,
        secrets: &BTreeMap<SecretRef, SecretDigest>,
        operation: Operation,
    ) -> Option<Self> {
        let mut proof = Proof { bytes: Vec::new(), secrets, used: Vec::new(), login: Login::OfProfile };
        proof.server(&profile.server, operation)?;
        let Proof { bytes, secrets: _, used, login } = proof;
        Some(Self { bytes, used, login, operation })
    }

    /// The profile's own secrets.
    pub fn used(&self) -> impl Iterator<Item = &'a SecretRef> {
        self.used.iter().copied()
    }

    pub fn digest(&self, mailbox: &Mailbox, secrets: &BTreeMap<SecretRef, SecretDigest>) -> ConnectionDigest {
        // As text it is written out at once: there are two for each mailbox.
        ConnectionDigest(self.hash(mailbox, secrets).to_hex().as_str().to_owned())
    }

    pub fn hash(&self, mailbox: &Mailbox, secrets: &BTreeMap<SecretRef, SecretDigest>) -> blake3::Hash {
        let bytes = Vec::with_capacity(self.bytes.len() + 256);
        let mut proof = Proof { bytes, secrets, used: Vec::new(), login: self.login };
        proof.text("address", mailbox.address.as_str());
        proof.bytes.extend_from_slice(&self.bytes);
        let own = mailbox.credentials.as_ref().filter(|_| self.login == Login::OfMailbox);
        if let Some(own) = own {
            proof.text("username", &own.username);
            proof.secret(&own.password);
        }
        // Left out, it leaves the digests of former versions as they were.
        if let (Operation::Incoming, Some(to)) = (self.operation, &mailbox.forward_to) {
            proof.text("forwardTo", to.as_str());
        }
        blake3::hash(&proof.bytes)
    }
}

/// Collects labelled texts. Both are hashed with their lengths, so that no two proofs run together.
struct Proof<'a, 's> {
    bytes: Vec<u8>,
    secrets: &'s BTreeMap<SecretRef, SecretDigest>,
    used: Vec<&'a SecretRef>,
    login: Login,
}

impl<'a> Proof<'a, '_> {
    fn text(&mut self, label: &str, value: &str) {
        for part in [label, value] {
            self.bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            self.bytes.extend_from_slice(part.as_bytes());
        }
    }

    fn optional(&mut self, label: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(label, value);
        }
    }

    fn secret(&mut self, secret: &'a SecretRef) {
        let digest = self.secrets.get(secret).map(|digest| digest.0.as_str());
        self.optional("secret", digest);
        self.used.push(secret);
    }

    fn server(&mut self, server: &'a Server, operation: Operation) -> Option<()> {
        self.text("operation", operation.key());
        self.text("kind", server.kind().key());
        match server {
            Server::Pop3Smtp(servers) => self.mail_servers(servers, Protocol::Pop3, operation),
            Server::ImapSmtp(servers) => self.mail_servers(servers, Protocol::Imap, operation),
            Server::Exchange(exchange) => {
                self.exchange(exchange, operation);
                Some(())
            }
            Server::ExchangeOnline(online) => {
                self.exchange_online(online);
                Some(())
            }
        }
    }

    fn mail_servers(
        &mut self,
        servers: &'a MailServers,
        reading: Protocol,
        operation: Operation,
    ) -> Option<()> {
        self.trust(servers.trust.as_ref());
        match operation {
            Operation::Incoming => self.endpoint(&servers.incoming, reading),
            Operation::Outgoing => self.endpoint(servers.outgoing.as_ref()?, Protocol::Smtp),
            Operation::Act => return None,
        }
        Some(())
    }

    fn trust(&mut self, trust: Option<&Name>) {
        self.optional("trust", trust.map(Name::as_str));
    }

    fn endpoint(&mut self, endpoint: &'a Endpoint, protocol: Protocol) {
        self.text("host", &endpoint.host.to_ascii_lowercase());
        self.text("port", &endpoint.port_or_default(protocol).to_string());
        self.text("tls", &format!("{:?}", endpoint.tls));
        self.text("authentication", &format!("{:?}", endpoint.authentication));
        self.credentials(&endpoint.credentials);
    }

    fn credentials(&mut self, credentials: &'a Credentials) {
        match credentials {
            Credentials::Mailbox => {
                self.text("credentials", "mailbox");
                self.login = Login::OfMailbox;
            }
            Credentials::Profile { username, password, access } => {
                self.text("credentials", "profile");
                self.text("username", username);
                self.secret(password);
                self.access(*access);
            }
            Credentials::WindowsIntegrated { access } => {
                self.text("credentials", "windowsIntegrated");
                self.access(*access);
            }
            Credentials::Anonymous => self.text("credentials", "anonymous"),
            Credentials::Oauth2 { token_url, client_id, client_secret, scope, trust } => {
                self.text("credentials", "oauth2");
                self.text("tokenUrl", token_url);
                self.text("clientId", client_id);
                self.secret(client_secret);
                self.text("scope", scope);
                // Left out, it leaves the digests of former versions as they were.
                if let Some(trust) = trust {
                    self.text("tokenTrust", trust.as_str());
                }
            }
        }
    }

    fn access(&mut self, access: Option<Access>) {
        match access {
            None => {}
            Some(Access::Impersonation) => self.text("access", "impersonation"),
            Some(Access::Delegation) => self.text("access", "delegation"),
        }
    }

    fn exchange(&mut self, exchange: &'a Exchange, operation: Operation) {
        let Exchange {
            trust,
            location,
            incoming,
            outgoing,
            undeliverable_folder: _,
            tracked_category: _,
            track_sent_items: _,
            timeout_seconds: _,
        } = exchange;
        self.trust(trust.as_ref());
        let (login, url) = match (operation, location) {
            (Operation::Incoming | Operation::Act, ExchangeLocation::Fixed { incoming: url, .. }) => {
                (incoming, Some(url))
            }
            (Operation::Outgoing, ExchangeLocation::Fixed { outgoing: url, .. }) => (outgoing, Some(url)),
            (Operation::Incoming | Operation::Act, ExchangeLocation::Autodiscover { .. }) => (incoming, None),
            (Operation::Outgoing, ExchangeLocation::Autodiscover { .. }) => (outgoing, None),
        };
        self.optional("url", url.map(String::as_str));
        if let ExchangeLocation::Autodiscover { allowed_hosts } = location {
            for host in allowed_hosts {
                self.text("allowedHost", &host.to_ascii_lowercase());
            }
        }
        let ExchangeLogin { authentication, credentials } = login;
        self.text("authentication", &format!("{authentication:?}"));
        self.credentials(credentials);
    }

    fn exchange_online(&mut self, online: &'a ExchangeOnline) {
        let ExchangeOnline {
            tenant,
            cloud,
            transport,
            client_id,
            proof,
            undeliverable_folder: _,
            tracked_category: _,
            track_sent_items: _,
            timeout_seconds: _,
        } = online;
        self.text("tenant", tenant);
        self.text("cloud", &format!("{cloud:?}"));
        self.text("transport", &format!("{transport:?}"));
        self.text("clientId", client_id);
        match proof {
            AppProof::ClientSecret(secret) => {
                self.text("proof", "clientSecret");
                self.secret(secret);
            }
            AppProof::Certificate { chain_file, thumbprint, public_key: _, expires: _, private_key } => {
                self.text("proof", "certificate");
                self.text("chainFile", chain_file);
                // Another certificate in the same file is another proof.
                self.optional("thumbprint", Some(thumbprint.as_str()).filter(|text| !text.is_empty()));
                self.secret(private_key);
            }
        }
    }
}
