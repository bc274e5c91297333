//! Tests of this room, from outside.

mod kerberos;
mod ntlm;
pub mod relay;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mailplumb::model::clock::Clock;
use mailplumb::model::failure::Cause;
use mailplumb::model::host::HostSettings;
use mailplumb::model::name::{Address, Name};
use mailplumb::model::profile::{Authentication, Credentials, Endpoint, ServerKind, TlsMode};
use mailplumb::model::secret::Secret;
use mailplumb::model::server::{self, Destination};
use mailplumb::net::Network;
use mailplumb::net::trace::Trace;
use mailplumb::net::web::{Held, Request, Session};
use mailplumb::protocol::http::Method;

use crate::support::certificates::HOST;

struct TestClock(std::time::Instant);

impl Clock for TestClock {
    #[expect(clippy::disallowed_methods, reason = "a verifier compares the login's time with its own")]
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// This machine, to which [`HOST`] leads to a server at `at`.
fn host(at: SocketAddr, authority: &Path) -> HostSettings {
    HostSettings {
        allow_non_tls_email: true,
        trust: BTreeMap::from([(Name::parse("ca").unwrap(), authority.to_owned())]),
        connect: BTreeMap::from([((HOST.to_owned(), at.port()), at)]),
        given: true,
        ..HostSettings::default()
    }
}

/// A session with `scheme://HOST:port`.
async fn open(
    host: &HostSettings,
    at: SocketAddr,
    scheme: &str,
    authentication: Authentication,
    identity: server::Login,
) -> Session {
    #[expect(clippy::disallowed_methods, reason = "steps are timed")]
    let clock = Arc::new(TestClock(std::time::Instant::now()));
    let is_secure = scheme == "https";
    let destination = Destination {
        mailbox: Name::parse("anna").unwrap(),
        address: Address::parse("anna@example.test").unwrap(),
        profile: Name::parse("hq").unwrap(),
        kind: ServerKind::Exchange,
        endpoint: Endpoint {
            host: HOST.to_owned(),
            port: std::num::NonZeroU16::new(at.port()),
            tls: if is_secure { TlsMode::Implicit } else { TlsMode::None },
            authentication,
            credentials: Credentials::Mailbox,
            timeout_seconds: Some(20),
        },
        trust: is_secure.then(|| Name::parse("ca").unwrap()),
        login: identity,
        service: None,
    };
    Network::new(host).open_web(&destination, &mut Trace::new(clock)).await.unwrap()
}

fn password(username: &str, password: &str) -> server::Login {
    server::Login::Password { username: username.to_owned(), password: Secret::new(password.to_owned()) }
}

/// Status and body of a request.
async fn ask(session: &mut Session, method: Method, path: &str, body: &str) -> Result<(u16, String), Cause> {
    let request = Request { method, path, fields: &[], body: body.as_bytes() };
    let mut held = Held::up_to(1 << 20);
    let head = session.send(&request, &mut held).await?;
    Ok((head.status, String::from_utf8(held.octets).unwrap()))
}
