//! A server that says what a test tells it to say, octet by octet: what the playground would never do.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mailplumb::engine::clock::SystemClock;
use mailplumb::model::failure::RemoteError;
use mailplumb::model::host::HostSettings;
use mailplumb::model::profile::{Access, Authentication, ServerKind, TlsMode};
use mailplumb::model::server::Destination;
use mailplumb::net::Network;
use mailplumb::remote::connectors::Connectors;
use mailplumb::remote::{Connector, Receive, Remotes, Submit, Trace};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::world::{HOST, SELF, Who, destination};

/// A request that was made.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `GetItem` …
    pub operation: String,
    /// In lower case.
    pub head: String,
    pub body: String,
}

/// What the server sends: a whole answer of HTTP. `None`: the usual one for opening a folder.
type Script = dyn FnMut(&Asked) -> Option<Vec<u8>> + Send;

pub struct Scripted {
    asked: Arc<Mutex<Vec<Asked>>>,
    connector: Arc<dyn Connector>,
}

impl Scripted {
    pub async fn start(script: impl FnMut(&Asked) -> Option<Vec<u8>> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let script: Arc<Mutex<Box<Script>>> = Arc::new(Mutex::new(Box::new(script)));
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&seen)));
            }
        });
        let host = HostSettings {
            allow_non_tls_email: true,
            allow_credentials_over_http: true,
            allow_basic_over_plaintext: true,
            connect: BTreeMap::from([((HOST.to_owned(), 80), at)]),
            ..HostSettings::default()
        };
        let connector = Connectors::new(Network::new(&host)).connector(ServerKind::Exchange).unwrap();
        Self { asked, connector }
    }

    fn destination(access: Option<Access>) -> Destination {
        let who = Who { access, authentication: Authentication::Basic, ..SELF };
        let mut destination = destination(&who);
        destination.endpoint.tls = TlsMode::None;
        destination.endpoint.port = NonZeroU16::new(80);
        destination.trust = None;
        destination
    }

    pub async fn receive(&self) -> Result<Box<dyn Receive>, RemoteError> {
        self.receive_as(None).await
    }

    pub async fn receive_as(&self, access: Option<Access>) -> Result<Box<dyn Receive>, RemoteError> {
        let mut trace = Trace::new(Arc::new(SystemClock::new()));
        self.connector.receive(&Self::destination(access), &mut trace).await
    }

    pub async fn submit_as(&self, access: Option<Access>) -> Result<Box<dyn Submit>, RemoteError> {
        let mut trace = Trace::new(Arc::new(SystemClock::new()));
        self.connector.submit(&Self::destination(access), &mut trace).await
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How often an operation was asked for.
    pub fn count(&self, operation: &str) -> usize {
        self.asked().iter().filter(|asked| asked.operation == operation).count()
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Mutex<Box<Script>>>, seen: Arc<Mutex<Vec<Asked>>>) {
    let mut input = Vec::new();
    while let Some(asked) = read(&mut stream, &mut input).await {
        if !asked.head.contains("\r\nauthorization:") {
            let offer = ["WWW-Authenticate: Basic realm=\"x\""];
            if stream.write_all(&http("401 Unauthorized", &offer, b"")).await.is_err() {
                return;
            }
            continue;
        }
        seen.lock().unwrap().push(asked.clone());
        let answer = (script.lock().unwrap())(&asked).unwrap_or_else(|| opened(&asked));
        let ends = is_cut(&answer);
        if stream.write_all(&answer).await.is_err() || ends {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

/// An answer that is shorter than it says, or has no length, ends with its connection.
fn is_cut(answer: &[u8]) -> bool {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length: Option<usize> =
        head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
    match length {
        Some(length) => answer.len() < end + 4 + length,
        None => !answer.ends_with(b"0\r\n\r\n"),
    }
}

async fn read(stream: &mut TcpStream, input: &mut Vec<u8>) -> Option<Asked> {
    loop {
        if let Some(end) = input.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&input[..end + 2]).to_ascii_lowercase();
            let length =
                head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
            let length: usize = length.unwrap_or(0);
            if input.len() >= end + 4 + length {
                let body = String::from_utf8(input[end + 4..end + 4 + length].to_vec()).unwrap();
                input.drain(..end + 4 + length);
                let operation = body.split("<s:Body><m:").nth(1).unwrap_or_default();
                let operation = operation.split([' ', '>', '/']).next().unwrap_or_default().to_owned();
                return Some(Asked { operation, head, body });
            }
        }
        if stream.read_buf(input).await.ok()? == 0 {
            return None;
        }
    }
}

fn opened(asked: &Asked) -> Vec<u8> {
    assert_eq!(asked.operation, "GetFolder", "{asked:?}");
    let folder =
        "<m:Folders><t:Folder><t:FolderId Id=\"F\"/><t:TotalCount>1</t:TotalCount></t:Folder></m:Folders>";
    answers("GetFolder", &[success("GetFolder", folder)])
}

/// An answer of HTTP with a length.
pub fn http(status: &str, fields: &[&str], body: &[u8]) -> Vec<u8> {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let head = format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
    [head.into_bytes(), body.to_vec()].concat()
}

/// An envelope around what stands in the body.
pub fn envelope(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\" \
         xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\"><s:Header><t:ServerVersionInfo \
         MajorVersion=\"15\" MinorVersion=\"2\"/></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
}

pub fn soap(body: &str) -> Vec<u8> {
    http("200 OK", &["Content-Type: text/xml; charset=utf-8"], envelope(body).as_bytes())
}

/// The response messages of an operation, as an answer.
pub fn answers(operation: &str, messages: &[String]) -> Vec<u8> {
    soap(&responses(operation, messages))
}

pub fn responses(operation: &str, messages: &[String]) -> String {
    let inside = messages.concat();
    format!(
        "<m:{operation}Response><m:ResponseMessages>{inside}</m:ResponseMessages></m:{operation}Response>"
    )
}

pub fn success(operation: &str, inside: &str) -> String {
    format!(
        "<m:{operation}ResponseMessage ResponseClass=\"Success\"><m:ResponseCode>NoError</m:ResponseCode>{inside}\
         </m:{operation}ResponseMessage>"
    )
}

pub fn failure(operation: &str, code: &str, rest: &str) -> String {
    format!(
        "<m:{operation}ResponseMessage ResponseClass=\"Error\"><m:MessageText>It failed.</m:MessageText>\
         <m:ResponseCode>{code}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>{rest}\
         </m:{operation}ResponseMessage>"
    )
}

pub fn fault(code: &str, back_off: Option<u64>) -> Vec<u8> {
    let value = back_off.map_or(String::new(), |wait| {
        format!("<t:MessageXml><t:Value Name=\"BackOffMilliseconds\">{wait}</t:Value></t:MessageXml>")
    });
    let body = format!(
        "<s:Fault><faultcode>a:{code}</faultcode><faultstring>It failed.</faultstring><detail><e:ResponseCode \
         xmlns:e=\"http://schemas.microsoft.com/exchange/services/2006/errors\">{code}</e:ResponseCode>{value}\
         </detail></s:Fault>"
    );
    http("500 Internal Server Error", &["Content-Type: text/xml"], envelope(&body).as_bytes())
}

/// A page of changes.
pub fn page(state: &str, is_last: &str, changes: &str) -> Vec<u8> {
    answers(
        "SyncFolderItems",
        &[success(
            "SyncFolderItems",
            &format!(
                "<m:SyncState>{state}</m:SyncState><m:IncludesLastItemInRange>{is_last}</m:IncludesLastItemInRange>\
                 <m:Changes>{changes}</m:Changes>"
            ),
        )],
    )
}

pub fn created(kind: &str, id: &str) -> String {
    format!("<t:Create><t:{kind}><t:ItemId Id=\"{id}\" ChangeKey=\"C\"/></t:{kind}></t:Create>")
}

/// A message as GetItem hands it over.
pub fn gotten(id: &str, raw: &str) -> String {
    let octets = STANDARD.encode(raw);
    success(
        "GetItem",
        &format!(
            "<m:Items><t:Message><t:MimeContent CharacterSet=\"UTF-8\">{octets}</t:MimeContent>\
             <t:ItemId Id=\"{id}\" ChangeKey=\"C\"/></t:Message></m:Items>"
        ),
    )
}

/// The ids that a request names.
pub fn ids_in(body: &str) -> Vec<String> {
    body.split("<t:ItemId Id=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}
