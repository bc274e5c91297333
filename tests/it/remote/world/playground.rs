//! The playground as a world.

use std::net::SocketAddr;
use std::path::PathBuf;

use mailplumb::model::profile::{Cloud, Protocol};
use mailplumb::playground::{
    self, ClearLogins, Extensions, Fault, Impersonation, Options, Playground, Protocol as Served, Relay,
    Times, TokenClient, User,
};

use super::{
    ANNA, ANNAS_PASSWORD, BORIS, BORIS_PASSWORD, Certificate, Door, FirstDot, International, Online,
    SUBMITTED_BYTES_MAX, TOKEN_CLIENT, TOKEN_SECRET, Way, World, with_crlf,
};
use crate::support::certificates::HOST;

/// Whose tokens the application gets.
const APPLICATION: &str = "application";

pub struct Play {
    pub playground: Playground,
    folder: tempfile::TempDir,
}

impl Play {
    pub fn start() -> Self {
        Self::with(Certificate::Good, ClearLogins::Refused)
    }

    /// SMTP with CHUNKING and DSN.
    pub fn chunking() -> Self {
        Self::begin(Certificate::Good, ClearLogins::Refused, Extensions::ChunkingAndDsn)
    }

    pub fn with(certificate: Certificate, clear_logins: ClearLogins) -> Self {
        Self::begin(certificate, clear_logins, Extensions::Usual)
    }

    fn begin(certificate: Certificate, clear_logins: ClearLogins, extensions: Extensions) -> Self {
        let online = Cloud::Global.hosts();
        let options = Options {
            host_names: [HOST, online.graph, online.authority].map(str::to_owned).into(),
            certificate: match certificate {
                Certificate::Good => playground::Certificate::Good,
                Certificate::Expired => playground::Certificate::Expired,
                Certificate::SelfSigned => playground::Certificate::SelfSigned,
                Certificate::WrongName => playground::Certificate::WrongName,
            },
            users: vec![
                User::new(ANNA, ANNA, ANNAS_PASSWORD),
                User::new(BORIS, BORIS, BORIS_PASSWORD),
                User::new("application@example.test", APPLICATION, "unused password"),
            ],
            impersonation: Impersonation::By(APPLICATION.to_owned()),
            token_clients: vec![TokenClient::new(TOKEN_CLIENT, TOKEN_SECRET, APPLICATION)],
            clear_logins,
            extensions,
            relay: Relay::Anyone,
            message_bytes_max: SUBMITTED_BYTES_MAX,
            ..Options::default()
        };
        let playground = Playground::start(options).unwrap();
        for (at, line) in [
            ("RCPT TO:<defer@", "450 4.7.1 try again later"),
            ("RCPT TO:<busy@", "421 4.3.2 closing the channel"),
            ("RCPT TO:<nouser@", "550 5.1.1 no such user"),
            ("RCPT TO:<full@", "452 4.2.2 mailbox full"),
            ("MAIL FROM:<banned@", "554 5.7.1 sender banned"),
        ] {
            let (at, line) = (at.to_owned(), line.to_owned());
            playground.inject(Served::Smtp, Fault::Answer { at, line, times: Times::Always });
        }
        playground.exchange().refuse_recipient("nouser@example.test");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("authority.pem"), playground.ca_pem()).unwrap();
        Self { playground, folder }
    }
}

pub fn served(protocol: Protocol) -> Served {
    match protocol {
        Protocol::Pop3 => Served::Pop3,
        Protocol::Imap => Served::Imap,
        Protocol::Smtp => Served::Smtp,
        Protocol::Ews => panic!("these tests are about mail servers"),
    }
}

impl World for Play {
    fn address(&self, door: Door) -> SocketAddr {
        match door {
            Door::Clear(Protocol::Pop3) => self.playground.pop3(),
            Door::Clear(Protocol::Imap) => self.playground.imap(),
            Door::Clear(Protocol::Smtp) => self.playground.smtp(),
            Door::Tls(Protocol::Pop3) => self.playground.pop3s(),
            Door::Tls(Protocol::Imap) => self.playground.imaps(),
            Door::Tls(Protocol::Smtp) => self.playground.smtps(),
            Door::Clear(Protocol::Ews) | Door::Tls(Protocol::Ews) => self.playground.exchange().address(),
        }
    }

    fn receiving(&self) -> Vec<Way> {
        vec![Way::Pop3, Way::Imap, Way::EwsReading, Way::GraphReading]
    }

    fn sending(&self) -> Vec<Way> {
        vec![Way::Smtp, Way::EwsSending, Way::GraphSending]
    }

    fn online(&self) -> Option<Online> {
        let (graph, tokens) = (self.playground.graph().address(), self.playground.token_endpoint());
        Some(Online { graph, tokens })
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    fn deliver(&self, user: &str, raw: &[u8]) {
        self.playground.state().deliver(user, raw).unwrap();
    }

    fn inbox(&self, user: &str) -> Vec<Vec<u8>> {
        self.playground.state().inbox(user).unwrap().iter().map(|held| held.raw.to_vec()).collect()
    }

    /// It delivers before it accepts.
    fn inbox_of(&self, user: &str, count: usize) -> Vec<Vec<u8>> {
        let inbox = self.inbox(user);
        assert_eq!(inbox.len(), count);
        inbox
    }

    fn log(&self) -> String {
        format!("{:#?}", self.playground.log().entries())
    }

    fn handed_out(&self, protocol: Protocol, raw: &[u8]) -> Vec<u8> {
        let mut raw = with_crlf(raw);
        match protocol {
            // RFC 3501 has no NUL in a literal; 0x80 stands for it.
            Protocol::Imap => raw.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = 0x80),
            // POP3 has no way to say that the last line has no end.
            Protocol::Pop3 if !raw.is_empty() && !raw.ends_with(b"\r\n") => raw.extend_from_slice(b"\r\n"),
            Protocol::Pop3 | Protocol::Smtp | Protocol::Ews => {}
        }
        raw
    }

    fn first_dot(&self, _: Protocol) -> FirstDot {
        FirstDot::Kept
    }

    fn commands(&self, _: &str, protocol: Protocol) -> Vec<String> {
        if protocol == Protocol::Ews {
            // Graph's, too: they are of another connector, and of the same mailbox.
            let ews = self.playground.exchange().calls().into_iter().map(|call| call.operation);
            let graph = self.playground.graph().calls().into_iter();
            return ews.chain(graph.map(|call| format!("{} {}", call.method, call.path))).collect();
        }
        self.playground.log().commands(served(protocol))
    }

    fn remove(&self, user: &str, index: usize) {
        let state = self.playground.state();
        let uid = state.inbox(user).unwrap()[index].uid;
        state.remove(user, uid).unwrap().unwrap();
    }

    fn seen(&self, user: &str) -> usize {
        let inbox = self.playground.state().inbox(user).unwrap();
        inbox.iter().filter(|held| held.flags.contains("\\Seen")).count()
    }

    fn change_uid_validity(&self, user: &str) {
        self.playground.state().change_uid_validity(user).unwrap();
    }

    fn has_challenges(&self) -> bool {
        false
    }

    fn international(&self) -> International {
        International::Delivered
    }
}
