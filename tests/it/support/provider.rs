//! A real OAuth 2.0 provider: `oidc-provider` under Node, with the certificate of the Dovecot that asks it.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use super::certificates::Certificate;
use super::need::{program, provider_modules};
use super::program::Server;
use super::scratch;

/// Who may look tokens up.
pub const MAIL_SERVER: (&str, &str) = ("mail-server", "mail-server-secret");

/// A client that gets tokens for one user.
#[derive(Debug, Clone)]
pub struct Client {
    pub id: &'static str,
    pub secret: &'static str,
    /// As RFC 7591 names it: `client_secret_post` or `client_secret_basic`. The other one is refused.
    pub method: &'static str,
    pub username: &'static str,
    /// How long its tokens are valid.
    pub seconds: u64,
}

pub struct Provider {
    pub at: SocketAddr,
    command: Vec<std::ffi::OsString>,
    server: Option<Server>,
    folder: tempfile::TempDir,
}

impl Provider {
    /// Where it will be; it does not run yet, because Dovecot and it have to know of each other.
    pub fn prepare() -> Self {
        let at = SocketAddr::new(scratch::address().into(), scratch::port());
        Self { at, command: Vec::new(), server: None, folder: scratch::folder() }
    }

    pub fn token_url(&self) -> String {
        format!("https://{}/token", self.at)
    }

    /// Lines for Dovecot, which believes the tokens that the provider knows.
    pub fn dovecot(&self, authority: &str) -> String {
        let (id, secret) = MAIL_SERVER;
        let lines = format!(
            "introspection_mode = post\nintrospection_url = https://{at}/introspect\nusername_attribute = username\n\
             active_attribute = active\nactive_value = true\ntls_ca_cert_file = {authority}\nclient_id = {id}\n\
             client_secret = {secret}\n",
            at = self.at
        );
        let path = self.folder.path().join("dovecot-oauth2.conf");
        std::fs::write(&path, lines).unwrap();
        let path = path.display();
        format!("passdb {{\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = {path}\n}}\n")
    }

    /// Returns when it answers.
    pub fn start(&mut self, certificate: &Certificate, clients: &[Client]) {
        self.start_at("/token", certificate, clients_json(clients));
    }

    /// With clients as the script wants them, and the token endpoint at some path.
    pub fn start_at(&mut self, path: &str, certificate: &Certificate, clients: String) {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/oauth/provider.mjs");
        let variable = |name: &str, value: String| format!("{name}={value}").into();
        self.command = vec![
            "env".into(),
            variable("ADDRESS", self.at.ip().to_string()),
            variable("PORT", self.at.port().to_string()),
            variable("CHAIN", certificate.chain.display().to_string()),
            variable("KEY", certificate.key.display().to_string()),
            variable("MODULES", provider_modules().expect("required before").display().to_string()),
            variable("CLIENTS", clients),
            variable("TOKEN_PATH", path.to_owned()),
            variable("NODE_ENV", "production".to_owned()),
            program("node").expect("required before").into_os_string(),
            script.into_os_string(),
        ];
        self.restart();
    }

    pub fn restart(&mut self) {
        self.server = Some(Server::start(&self.command, &self.folder.path().join("log")));
        let answers = || TcpStream::connect(self.at).is_ok();
        scratch::wait_until("the OAuth 2.0 provider", answers, || self.log());
    }

    pub fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }

    /// What it was asked, and what went wrong.
    pub fn log(&self) -> String {
        let read = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&read).into_owned()
    }

    /// How many tokens it was asked for.
    pub fn asked(&self) -> usize {
        self.asked_at("/token")
    }

    /// The same, with the path wherever it is.
    pub fn asked_at(&self, path: &str) -> usize {
        self.log().lines().filter(|line| line.starts_with("POST /") && line.ends_with(path)).count()
    }
}

fn clients_json(clients: &[Client]) -> String {
    let (id, secret) = MAIL_SERVER;
    let server = serde_json::json!({ "secret": secret, "method": "client_secret_post", "seconds": 3600 });
    let mut all = BTreeMap::from([(id, server)]);
    for Client { id, secret, method, username, seconds } in clients {
        let client = serde_json::json!(
            { "secret": secret, "method": method, "username": username, "seconds": seconds }
        );
        all.insert(id, client);
    }
    serde_json::to_string(&all).unwrap()
}
