use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::model::clock::Clock;
use crate::model::host::HostSettings;
use crate::model::name::{Address, Name};
use crate::model::profile::{Credentials, ServerKind, TlsMode};

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

/// Answers each request with what a function makes of it, and counts them.
struct Provider {
    at: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Provider {
    async fn start(answer: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let request = read_request(&mut socket).await;
                let number = counted.fetch_add(1, Ordering::SeqCst);
                let _ = socket.write_all(answer(number, &request).as_bytes()).await;
            }
        });
        Self { at, asked }
    }

    fn client(&self) -> TokenClient {
        TokenClient {
            url: format!("http://{}/token", self.at),
            trust: None,
            id: "mailplumb".to_owned(),
            proof: TokenProof::Secret(Secret::new("s3cret-s3cret".to_owned())),
            scope: "mail".to_owned(),
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn read_request(socket: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((header, body)) = text.split_once("\r\n\r\n") {
            let length = header.lines().find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")
                    .map(|n| n.parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        if socket.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return text;
        }
    }
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn granted(token: &str, seconds: u64) -> String {
    let body = format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{seconds}}}"#);
    http("200 OK", &body)
}

fn network() -> Network {
    Network::new(&HostSettings { allow_credentials_over_http: true, ..HostSettings::default() })
}

const WAIT: Duration = Duration::from_secs(20);

fn at(second: u64) -> Moment {
    Moment { elapsed: Duration::from_secs(second), wall: jiff::Timestamp::UNIX_EPOCH }
}

async fn lend(tokens: &Tokens, client: &TokenClient, second: u64) -> Result<Lent, Cause> {
    tokens.lend(&network(), client, at(second), WAIT).await
}

async fn cause(answer: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> Cause {
    let provider = Provider::start(answer).await;
    lend(&Tokens::default(), &provider.client(), 0).await.err().expect("there is no token")
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_again_shortly_before_it_expires() {
    let provider = Provider::start(|number, _| granted(&format!("t{number}"), 3600)).await;
    let (tokens, client) = (Tokens::default(), provider.client());
    let lent = lend(&tokens, &client, 0).await.unwrap();
    assert_eq!((lent.token.expose().as_str(), lent.origin), ("t0", Origin::Asked));
    let lent = lend(&tokens, &client, 3539).await.unwrap();
    assert_eq!((lent.token.expose().as_str(), lent.origin), ("t0", Origin::Kept));
    assert_eq!(lend(&tokens, &client, 3540).await.unwrap().token.expose(), "t1");
    assert_eq!(provider.asked(), 2);
}

#[tokio::test]
async fn whoever_needs_the_same_token_waits_for_one_answer() {
    let provider = Arc::new(Provider::start(|number, _| granted(&format!("t{number}"), 3600)).await);
    let tokens = Arc::new(Tokens::default());
    let all: Vec<_> = (0..50)
        .map(|_| {
            let (tokens, provider) = (Arc::clone(&tokens), Arc::clone(&provider));
            tokio::spawn(async move { lend(&tokens, &provider.client(), 0).await.unwrap() })
        })
        .collect();
    for one in all {
        assert_eq!(one.await.unwrap().token.expose(), "t0");
    }
    assert_eq!(provider.asked(), 1);
}

#[tokio::test]
async fn another_secret_is_another_client() {
    let provider = Provider::start(|number, _| granted(&format!("t{number}"), 3600)).await;
    let tokens = Tokens::default();
    lend(&tokens, &provider.client(), 0).await.unwrap();
    let other =
        TokenClient { proof: TokenProof::Secret(Secret::new("changed".to_owned())), ..provider.client() };
    assert_eq!(lend(&tokens, &other, 0).await.unwrap().token.expose(), "t1");
}

#[tokio::test]
async fn a_failure_answers_everybody_for_a_while() {
    let provider = Provider::start(|_, _| http("503 Service Unavailable", "")).await;
    let (tokens, client) = (Tokens::default(), provider.client());
    for second in [0, 1, 9] {
        assert!(lend(&tokens, &client, second).await.is_err());
    }
    assert_eq!(provider.asked(), 1);
    assert!(lend(&tokens, &client, 10).await.is_err());
    assert_eq!(provider.asked(), 2);
}

#[tokio::test]
async fn a_provider_that_wants_the_secret_in_a_header_gets_it_there() {
    let provider =
        Provider::start(|_, request| match request.to_ascii_lowercase().contains("authorization: basic") {
            true => granted("t", 60),
            false => http("401 Unauthorized", r#"{"error":"invalid_client"}"#),
        })
        .await;
    assert_eq!(lend(&Tokens::default(), &provider.client(), 0).await.unwrap().token.expose(), "t");
    assert_eq!(provider.asked(), 2);
}

#[tokio::test]
async fn a_refusal_is_quoted_without_the_secret() {
    let refusal = cause(|_, request| {
        let secret = request.rsplit("client_secret=").next().unwrap_or_default();
        let body = format!(r#"{{"error":"invalid_client","error_description":"no: {secret}"}}"#);
        http("401 Unauthorized", &body)
    });
    let Cause::TokenRefused { provider, said } = refusal.await else { panic!("refused") };
    assert!(provider.starts_with("127.0.0.1:"), "{provider}");
    assert_eq!(said, "HTTP 401, invalid_client: no: [password]");
}

/// The cause inside, because the outer one names the provider.
async fn unavailable(answer: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> Cause {
    let Cause::TokenUnavailable { cause, .. } = cause(answer).await else { panic!("another cause") };
    *cause
}

#[tokio::test]
async fn every_trouble_with_the_provider_is_named() {
    assert!(matches!(unavailable(|_, _| granted("", 60)).await, Cause::Garbage { .. }));
    assert!(matches!(unavailable(|_, _| "220 mail ESMTP\r\n".to_owned()).await, Cause::Garbage { .. }));
    assert!(matches!(unavailable(|_, _| http("200 OK", "<html>")).await, Cause::Garbage { .. }));
    assert!(matches!(unavailable(|_, _| http("500 Oops", "")).await, Cause::TemporarilyRefused { .. }));
    let large = || http("200 OK", &" ".repeat(limits::TOKEN_RESPONSE_BYTES_MAX + 1));
    assert!(matches!(unavailable(move |_, _| large()).await, Cause::LimitExceeded { .. }));
    let closed = unavailable(|_, _| String::new()).await;
    assert!(matches!(closed, Cause::ConnectionLost { .. } | Cause::Garbage { .. }), "{closed:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_because_the_form_holds_the_secret() {
    let elsewhere = Provider::start(|_, _| granted("stolen", 60)).await;
    let to = format!("http://{}/token", elsewhere.at);
    let redirected = cause(move |_, _| {
        format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
    });
    assert!(matches!(redirected.await, Cause::TokenUnavailable { .. }));
    assert_eq!(elsewhere.asked(), 0);
}

#[tokio::test]
async fn a_wait_that_the_provider_asks_for_is_told_and_kept_for_everybody() {
    let provider = Provider::start(|number, _| match number {
        0 => "HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            .to_owned(),
        _ => granted("t", 3600),
    })
    .await;
    let (tokens, client) = (Tokens::default(), provider.client());
    for second in [0, 60, 119] {
        let Some(Cause::TokenUnavailable { cause, .. }) = lend(&tokens, &client, second).await.err() else {
            panic!("no token")
        };
        let said = "[THROTTLED] HTTP 503 (retry after 120 seconds)".to_owned();
        assert_eq!(*cause, Cause::TemporarilyRefused { said });
    }
    assert_eq!(provider.asked(), 1);
    lend(&tokens, &client, 120).await.unwrap();
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let provider = Provider { at: listener.local_addr().unwrap(), asked: Arc::default() };
    let short = Duration::from_millis(50);
    let lent = Tokens::default().lend(&network(), &provider.client(), at(0), short).await;
    let Some(Cause::TokenUnavailable { cause, .. }) = lent.err() else { panic!("no token") };
    assert_eq!(*cause, Cause::TimedOut { seconds: 1 });
    drop(listener);
    let Some(Cause::TokenUnavailable { cause, .. }) =
        lend(&Tokens::default(), &provider.client(), 0).await.err()
    else {
        panic!("no token")
    };
    assert!(matches!(*cause, Cause::ConnectionRefused { .. }), "{cause:?}");
}

#[tokio::test]
async fn a_secret_crosses_plain_http_only_where_the_host_allows_it() {
    let provider = Provider::start(|_, _| granted("t", 60)).await;
    let strict = Network::new(&HostSettings::default());
    let lent = Tokens::default().lend(&strict, &provider.client(), at(0), WAIT).await;
    let Some(Cause::TokenUnavailable { cause, .. }) = lent.err() else { panic!("no token") };
    assert!(matches!(*cause, Cause::Unsupported { .. }), "{cause}");
    assert_eq!(provider.asked(), 0);
}

/// A mail server that takes one token only.
struct Gate {
    takes: &'static str,
    logins: AtomicUsize,
}

#[async_trait]
impl Connector for Gate {
    async fn receive(&self, _: &Destination, _: &mut Trace) -> Result<Box<dyn Receive>, RemoteError> {
        let cause = Cause::ConnectionLost { detail: "not asked".to_owned() };
        Err(RemoteError::new(TestStep::Connect, cause))
    }

    async fn submit(&self, there: &Destination, _: &mut Trace) -> Result<Box<dyn Submit>, RemoteError> {
        self.logins.fetch_add(1, Ordering::SeqCst);
        assert_eq!(there.endpoint.authentication, Authentication::Oauth);
        let Login::Password { password, .. } = &there.login else { panic!("no token") };
        let (step, cause) = match password.expose() == self.takes {
            // Being let in ends here, too, because there is no session to give out.
            true => (TestStep::Send, Cause::Refused { said: "let in".to_owned() }),
            false => (TestStep::Authenticate, Cause::LoginRefused { said: "no".to_owned() }),
        };
        Err(RemoteError::new(step, cause))
    }
}

fn there(client: TokenClient) -> Destination {
    Destination {
        service: None,
        mailbox: Name::parse("anna").unwrap(),
        address: Address::parse("anna@a.example").unwrap(),
        profile: Name::parse("provider").unwrap(),
        kind: ServerKind::ImapSmtp,
        endpoint: Endpoint {
            host: "mail.example".to_owned(),
            port: None,
            tls: TlsMode::Implicit,
            authentication: Authentication::Auto,
            credentials: Credentials::Anonymous,
            timeout_seconds: None,
        },
        trust: None,
        login: Login::Oauth2 { username: "anna@a.example".to_owned(), client },
    }
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_unless_it_was_fresh() {
    let provider = Provider::start(|number, _| granted(&format!("t{number}"), 3600)).await;
    let gate = Arc::new(Gate { takes: "t1", logins: AtomicUsize::new(0) });
    let connector = WithTokens {
        inner: Arc::clone(&gate) as Arc<dyn Connector>,
        network: network(),
        tokens: Arc::default(),
    };
    let submit = async || {
        let mut trace = Trace::new(Arc::new(StoppedClock));
        let error = connector.submit(&there(provider.client()), &mut trace).await.err().unwrap();
        (error.step, gate.logins.swap(0, Ordering::SeqCst))
    };
    assert_eq!(submit().await, (TestStep::Authenticate, 1), "a fresh token would not get better");
    assert_eq!(provider.asked(), 1);
    assert_eq!(submit().await, (TestStep::Send, 1), "the refused one was dropped");
    assert_eq!(submit().await, (TestStep::Send, 1), "this one is kept");
    assert_eq!(provider.asked(), 2);
}

#[tokio::test]
async fn a_token_that_was_withdrawn_before_its_time_is_replaced_at_once() {
    let provider = Provider::start(|number, _| granted(&format!("t{number}"), 3600)).await;
    let tokens: Arc<Tokens> = Arc::default();
    lend(&tokens, &provider.client(), 0).await.unwrap();
    let gate = Arc::new(Gate { takes: "t1", logins: AtomicUsize::new(0) });
    let connector = WithTokens { inner: Arc::clone(&gate) as Arc<dyn Connector>, network: network(), tokens };
    let mut trace = Trace::new(Arc::new(StoppedClock));
    let error = connector.submit(&there(provider.client()), &mut trace).await.err().unwrap();
    assert_eq!((error.step, gate.logins.load(Ordering::SeqCst)), (TestStep::Send, 2));
    let steps: Vec<_> = trace.into_steps().into_iter().map(|taken| taken.step).collect();
    assert_eq!(steps, [TestStep::Token, TestStep::Token]);
}
