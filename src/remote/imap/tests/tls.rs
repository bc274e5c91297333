//! STARTTLS with a real handshake.

use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A server certificate and, in a file, the authority that signed it.
fn identity() -> (TlsAcceptor, tempfile::NamedTempFile) {
    let mut ca = CertificateParams::new(vec![]).unwrap();
    ca.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![HOST.to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), ca.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), file)
}

/// Opens a session with STARTTLS against a server that says `go_ahead` and, under TLS, plays a script.
async fn upgrade(go_ahead: &str, under_tls: &str) -> (Option<RemoteError>, Vec<TestStep>) {
    let (acceptor, authority) = identity();
    let (listener, address) = listener().await;
    let server = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let begin = "S: * OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready\nC: M1 STARTTLS";
        perform(&mut socket, begin).await;
        socket.write_all(go_ahead.as_bytes()).await.unwrap();
        if let Ok(mut stream) = acceptor.accept(socket).await {
            perform(&mut stream, under_tls).await;
        }
    };
    let mut destination = destination(TlsMode::Starttls);
    destination.trust = Some(Name::parse("own-ca").unwrap());
    let mut settings = host(address);
    settings.trust.insert(Name::parse("own-ca").unwrap(), authority.path().to_owned());
    let (network, mut trace) = (Network::new(&settings), Trace::new(Arc::new(StoppedClock)));
    let client = async { open(&network, &destination, &mut trace).await.err() };
    let (error, ()) = tokio::join!(client, server);
    (error, trace.into_steps().into_iter().map(|taken| taken.step).collect())
}

#[tokio::test]
async fn capabilities_are_asked_for_again_under_tls_and_after_the_login() {
    let script = "
        C: M2 CAPABILITY
        S: * CAPABILITY IMAP4rev1 AUTH=PLAIN
        S: M2 OK
        C: M3 AUTHENTICATE PLAIN
        S: +
        C: AGFubmEAcHc=
        S: M3 OK in
        C: M4 CAPABILITY
        S: * CAPABILITY IMAP4rev1 UIDPLUS
        S: M4 OK
        C: M5 EXAMINE INBOX
        S: * 0 EXISTS
        S: M5 OK";
    let (error, steps) = upgrade("M1 OK begin TLS\r\n", script).await;
    assert_eq!(error, None);
    let expected =
        [TestStep::Resolve, TestStep::Connect, TestStep::Greet, TestStep::Tls, TestStep::Authenticate];
    assert_eq!(steps, [&expected[..], &[TestStep::Open]].concat());
}

#[tokio::test]
async fn words_before_the_handshake_were_injected() {
    let (error, _) = upgrade("M1 OK begin TLS\r\n* CAPABILITY IMAP4rev1\r\n", "").await;
    assert_eq!(error, Some(RemoteError::new(TestStep::Tls, Cause::StarttlsInjected)));
}
