//! A server that verifies NTLM with code that is not ours (pyspnego), over TLS.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use super::apache::Backend;
use super::certificates::{Certificate, CertificateKind, certificate};
use super::need::python;
use super::program::Server;
use super::scratch;

pub struct NtlmServer {
    pub at: SocketAddr,
    pub certificate: Certificate,
    folder: tempfile::TempDir,
    _server: Server,
}

/// Extended Protection: whether a login has to be bound to the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    Ignored,
    Required,
}

impl NtlmServer {
    /// Returns when it answers. `users` are lines `DOMAIN:user:password`, `schemes` what it offers.
    pub fn start(users: &str, schemes: &str, binding: Binding) -> Self {
        Self::before(users, schemes, binding, None)
    }

    /// Whoever is logged in reaches what stands behind.
    pub fn before(users: &str, schemes: &str, binding: Binding, backend: Option<&Backend>) -> Self {
        let at = backend.map_or_else(String::new, |it| it.at.to_string());
        let authorization = backend.map_or("", |it| &it.authorization);
        let variables = [format!("BACKEND={at}"), format!("BACKEND_AUTHORIZATION={authorization}")];
        Self::with(users, schemes, binding, variables)
    }

    /// One that does something odd after every second answer: `close`, `forget` the login, or `lock` the account for good.
    pub fn in_mood(users: &str, schemes: &str, mood: &str) -> Self {
        Self::with(users, schemes, Binding::Required, [format!("MOOD={mood}"), "BACKEND=".to_owned()])
    }

    fn with(users: &str, schemes: &str, binding: Binding, variables: [String; 2]) -> Self {
        let [first, second] = variables;
        let folder = scratch::folder();
        let at = SocketAddr::new(scratch::address().into(), scratch::port());
        let certificate = certificate(CertificateKind::Good, at.ip(), folder.path());
        let accounts = folder.path().join("users");
        std::fs::write(&accounts, users).unwrap();
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/python/ntlm_server.py");
        let binding = match binding {
            Binding::Ignored => "none",
            Binding::Required => "required",
        };
        let command: Vec<std::ffi::OsString> = vec![
            "env".into(),
            format!("SCHEMES={schemes}").into(),
            first.into(),
            second.into(),
            python().expect("required before").into(),
            script.into(),
            at.ip().to_string().into(),
            at.port().to_string().into(),
            certificate.chain.clone().into(),
            certificate.key.clone().into(),
            binding.into(),
            accounts.into(),
        ];
        let log = folder.path().join("log");
        let server = Server::start(&command, &log);
        scratch::wait_until(
            "the NTLM server",
            || TcpStream::connect(at).is_ok(),
            || std::fs::read_to_string(&log).unwrap_or_default(),
        );
        Self { at, certificate, folder, _server: server }
    }

    /// What it said about refused logins.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}
