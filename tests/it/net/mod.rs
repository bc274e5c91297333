//! Tests of this room, from outside.

mod kerberos;
mod ntlm;
mod relay;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mailplumb::model::clock::Clock;
use mailplumb::model::failure::Cause;
use mailplumb::model::host::HostSettings;
use mailplumb::model::name::Name;
use mailplumb::model::profile::Authentication;
use mailplumb::model::secret::Secret;
use mailplumb::model::server;
use mailplumb::net::Network;
use mailplumb::net::trace::Trace;
use mailplumb::net::web::{Login, Request, Session, Site};

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
        allow_credentials_over_http: true,
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
    let site = Site {
        url: format!("{scheme}://{HOST}:{}/", at.port()),
        trust: (scheme == "https").then(|| Name::parse("ca").unwrap()),
        wait: Duration::from_secs(20),
    };
    let login = Login { authentication, identity };
    Network::new(host).open_web(&site, login, &mut Trace::new(clock)).await.unwrap()
}

fn password(username: &str, password: &str) -> server::Login {
    server::Login::Password { username: username.to_owned(), password: Secret::new(password.to_owned()) }
}

/// Status and body of a request.
async fn ask(
    session: &mut Session,
    method: hyper::Method,
    path: &str,
    body: &str,
) -> Result<(u16, String), Cause> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let request = Request { method, path: path.to_owned(), headers: Vec::new(), body };
    let answer = session.send(&request).await?;
    let status = answer.status();
    Ok((status, String::from_utf8(answer.all(1 << 20).await?).unwrap()))
}
