//! What happens before the mailbox is open.

use super::*;

#[tokio::test]
async fn starttls_that_is_not_offered_is_not_done_without() {
    let (listener, address) = listener().await;
    let script = "S: +OK ready\nC: CAPA\nS: +OK\nS: USER\nS: .";
    let there = destination("127.0.0.1", address.port(), TlsMode::Starttls, None);
    let network = Network::new(&host_settings());
    let mut trace = trace();
    let (session, ()) = tokio::join!(open(&network, &there, &mut trace), follow_plain(&listener, script));
    let error = session.err().unwrap();
    assert_eq!(error, RemoteError::new(TestStep::Tls, Cause::StarttlsNotOffered));
}

#[tokio::test]
async fn a_refused_login_names_its_step() {
    let (listener, address) = listener().await;
    let script = "S: +OK
        C: CAPA
        S: +OK
        S: SASL PLAIN
        S: .
        C: AUTH PLAIN AGFubmEAZ2VoZWlt
        S: -ERR [AUTH] no";
    let (session, ()) = tokio::join!(open_clear(address.port()), follow_plain(&listener, script));
    let cause = Cause::LoginRefused { said: "[AUTH] no".to_owned() };
    assert_eq!(session.err(), Some(RemoteError::new(TestStep::Authenticate, cause)));
}

#[tokio::test]
async fn a_mechanism_that_cannot_be_done_is_named() {
    let (listener, address) = listener().await;
    let script = "S: +OK\nC: CAPA\nS: +OK\nS: SASL PLAIN GSSAPI\nS: .";
    let mut there = destination("127.0.0.1", address.port(), TlsMode::None, None);
    there.endpoint.authentication = Authentication::Basic;
    let network = Network::new(&host_settings());
    let mut trace = trace();
    let (session, ()) = tokio::join!(open(&network, &there, &mut trace), follow_plain(&listener, script));
    assert!(matches!(session.err().unwrap().cause, Cause::Unsupported { .. }));
}

#[tokio::test]
async fn without_tls_only_the_host_can_allow_a_password() {
    let (listener, address) = listener().await;
    let script = "S: +OK\nC: CAPA\nS: +OK\nS: USER\nS: SASL PLAIN\nS: .";
    let there = destination("127.0.0.1", address.port(), TlsMode::None, None);
    let network = Network::new(&HostSettings { allow_non_tls_email: true, ..host_settings() });
    let mut trace = trace();
    let heard = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        follow(&mut socket, script).await;
        let mut rest = Vec::new();
        // A client that closes with something unread resets; either way there is nothing more to hear.
        let _ = socket.read_to_end(&mut rest).await;
        rest
    };
    let client = async {
        let session = open(&network, &there, &mut trace).await;
        session.err().unwrap()
    };
    let (error, heard) = tokio::join!(client, heard);
    assert_eq!(error, RemoteError::new(TestStep::Authenticate, Cause::PlaintextLogin));
    assert!(heard.is_empty(), "neither user name nor password was said");
}

#[test]
fn whoever_asked_for_tls_never_logs_in_without() {
    let lax = Channel::Clear { allowed: true };
    for tls in [TlsMode::Implicit, TlsMode::Starttls] {
        assert_eq!(channel(tls, lax), Channel::Clear { allowed: false });
    }
    assert_eq!(channel(TlsMode::None, lax), lax);
}
