//! For tests: destinations on the loopback interface, and certificates of a certificate authority of their own.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::trace::Trace;
use crate::model::clock::Clock;
use crate::model::host::HostSettings;
use crate::model::name::{Address, Name};
use crate::model::profile::{Authentication, Credentials, Endpoint, ServerKind, TlsMode};
use crate::model::secret::Secret;
use crate::model::server::{Destination, Login};

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

/// A host that allows what most of these tests do: conversations in the clear.
pub fn host_settings() -> HostSettings {
    HostSettings { allow_non_tls_email: true, ..HostSettings::default() }
}

pub fn trace() -> Trace {
    Trace::new(Arc::new(StoppedClock))
}

/// Anna's mailbox, with the password `geheim`.
pub fn destination(host: &str, port: u16, tls: TlsMode, trust: Option<&str>) -> Destination {
    Destination {
        service: None,
        mailbox: Name::parse("anna").unwrap(),
        address: Address::parse("anna@contoso.example").unwrap(),
        profile: Name::parse("provider").unwrap(),
        kind: ServerKind::Pop3Smtp,
        endpoint: Endpoint {
            host: host.to_owned(),
            port: NonZeroU16::new(port),
            tls,
            authentication: Authentication::Auto,
            credentials: Credentials::Mailbox,
            timeout_seconds: Some(5),
        },
        trust: trust.map(|name| Name::parse(name).unwrap()),
        login: Login::Password { username: "anna".to_owned(), password: Secret::new("geheim".to_owned()) },
    }
}

pub async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[cfg(feature = "demo")]
pub mod certificates {
    use std::collections::BTreeMap;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ServerConfig, SupportedProtocolVersion};
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// A certificate authority in a file, and a server whose certificate it has signed.
    pub struct World {
        file: tempfile::NamedTempFile,
        pub acceptor: TlsAcceptor,
    }

    pub fn world(names: &[&str], adjust: impl FnOnce(&mut CertificateParams)) -> World {
        let mut ca = CertificateParams::new(vec![]).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        adjust(&mut params);
        let leaf = params.signed_by(&key, &ca).unwrap();
        serving(&ca.pem(), leaf.der().clone(), &key, rustls::ALL_VERSIONS)
    }

    pub fn serving(
        trusted: &str,
        leaf: CertificateDer<'static>,
        key: &KeyPair,
        versions: &[&'static SupportedProtocolVersion],
    ) -> World {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), trusted).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        World { file, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    /// Host settings that call the world's authority `own-ca`.
    pub fn trusting(world: &World) -> HostSettings {
        HostSettings {
            trust: BTreeMap::from([(Name::parse("own-ca").unwrap(), world.file.path().to_owned())]),
            ..host_settings()
        }
    }
}
