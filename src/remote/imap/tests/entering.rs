//! What happens before the inbox is open.

use super::*;

#[tokio::test]
async fn a_server_that_wants_no_clear_text_hears_no_password() {
    let script = "S: * OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready";
    let error = open_error(script, &destination(TlsMode::None)).await;
    assert_eq!(error, RemoteError::new(TestStep::Authenticate, Cause::LoginNeedsTls));
}

#[tokio::test]
async fn a_password_crosses_a_clear_channel_only_where_the_host_allows_it() {
    let (listener, address) = listener().await;
    let server = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        perform(&mut socket, "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready").await;
        let mut heard = Vec::new();
        let _ = socket.read_to_end(&mut heard).await;
        heard
    };
    let settings = HostSettings { allow_basic_over_plaintext: false, ..host(address) };
    let mut trace = Trace::new(Arc::new(StoppedClock));
    let (network, destination) = (Network::new(&settings), destination(TlsMode::None));
    let client = async { open(&network, &destination, &mut trace).await.err() };
    let (error, heard) = tokio::join!(client, server);
    assert_eq!(error, Some(RemoteError::new(TestStep::Authenticate, Cause::PlaintextLogin)));
    assert!(heard.is_empty());
}

#[tokio::test]
async fn starttls_is_demanded() {
    let demanding = destination(TlsMode::Starttls);
    let error = open_error("S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready", &demanding).await;
    assert_eq!(error, RemoteError::new(TestStep::Tls, Cause::StarttlsNotOffered));
    let error = open_error("S: * PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] welcome", &demanding).await;
    assert_eq!(error, RemoteError::new(TestStep::Greet, Cause::StarttlsNotOffered));
}

#[tokio::test]
async fn a_wrong_password_is_a_refused_login() {
    let script = "
        S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready
        C: M1 AUTHENTICATE PLAIN AGFubmEAcHc=
        S: M1 NO [AUTHENTICATIONFAILED] Authentication failed.";
    let error = open_error(script, &destination(TlsMode::None)).await;
    let said = "[AUTHENTICATIONFAILED] Authentication failed.".to_owned();
    assert_eq!(error, RemoteError::new(TestStep::Authenticate, Cause::LoginRefused { said }));
}
