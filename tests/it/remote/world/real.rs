//! Dovecot, and Postfix in front of it, as a world.

use std::net::SocketAddr;
use std::path::PathBuf;

use mailplumb::model::profile::Protocol;

use super::{
    ANNA, ANNAS_PASSWORD, BORIS, BORIS_PASSWORD, Certificate, Door, FirstDot, International,
    SUBMITTED_BYTES_MAX, World, with_crlf,
};
use crate::support::certificates::CertificateKind;
use crate::support::dovecot::{Dovecot, DovecotOptions};
use crate::support::postfix::{MESSAGE_BYTES_MAX, Postfix};
use crate::support::scratch;

pub struct Real {
    /// Before Dovecot: it is dropped first.
    postfix: Option<Postfix>,
    pub dovecot: Dovecot,
}

impl Real {
    /// Dovecot only.
    pub fn start() -> Self {
        Self::with(Certificate::Good)
    }

    pub fn with(certificate: Certificate) -> Self {
        let certificate = match certificate {
            Certificate::Good => CertificateKind::Good,
            Certificate::Expired => CertificateKind::Expired,
            Certificate::SelfSigned => CertificateKind::SelfSigned,
            Certificate::WrongName => CertificateKind::WrongName,
        };
        let users = [(ANNA, ANNAS_PASSWORD), (BORIS, BORIS_PASSWORD)];
        let options = DovecotOptions { certificate, ..DovecotOptions::with_users(users) };
        Self { postfix: None, dovecot: Dovecot::start(options) }
    }

    /// With other passwords.
    pub fn with_users(users: &[(&str, &str); 2]) -> Self {
        Self { postfix: None, dovecot: Dovecot::start(DovecotOptions::with_users(*users)) }
    }

    /// A Dovecot that takes passwords without TLS.
    pub fn lenient() -> Self {
        Self::and_extra("disable_plaintext_auth = no")
    }

    /// With further lines of Dovecot's configuration.
    pub fn and_extra(extra: &'static str) -> Self {
        let users = [(ANNA, ANNAS_PASSWORD), (BORIS, BORIS_PASSWORD)];
        let options = DovecotOptions { extra, ..DovecotOptions::with_users(users) };
        Self { postfix: None, dovecot: Dovecot::start(options) }
    }

    /// With lines of Dovecot's configuration that come before the passwords.
    pub fn and_first(first: &dyn Fn(&str) -> String) -> Self {
        let users = [(ANNA, ANNAS_PASSWORD), (BORIS, BORIS_PASSWORD)];
        let options = DovecotOptions { first: Some(first), ..DovecotOptions::with_users(users) };
        Self { postfix: None, dovecot: Dovecot::start(options) }
    }

    /// Postfix as well, which asks a policy service about each recipient.
    pub fn and_postfix_asking(mut self, policy: &str) -> Self {
        self.postfix = Some(Postfix::asking(&self.dovecot, Some(policy)));
        self
    }

    /// Postfix as well, which takes some seconds to start.
    pub fn and_postfix(mut self) -> Self {
        assert_eq!(usize::try_from(MESSAGE_BYTES_MAX), Ok(SUBMITTED_BYTES_MAX));
        self.postfix = Some(Postfix::start(&self.dovecot));
        self
    }

    fn postfix(&self) -> &Postfix {
        self.postfix.as_ref().expect("this case was started with Postfix")
    }
}

impl World for Real {
    fn address(&self, door: Door) -> SocketAddr {
        match door {
            Door::Clear(Protocol::Pop3) => self.dovecot.pop3,
            Door::Clear(Protocol::Imap) => self.dovecot.imap,
            Door::Clear(Protocol::Smtp) => self.postfix().submission,
            Door::Tls(Protocol::Pop3) => self.dovecot.pop3s,
            Door::Tls(Protocol::Imap) => self.dovecot.imaps,
            Door::Tls(Protocol::Smtp) => self.postfix().submissions,
            Door::Clear(Protocol::Ews) | Door::Tls(Protocol::Ews) => panic!("it is no Exchange"),
        }
    }

    fn authority(&self) -> PathBuf {
        self.dovecot.certificate.authority.clone()
    }

    fn deliver(&self, user: &str, raw: &[u8]) {
        self.dovecot.deliver(user, raw);
    }

    fn inbox(&self, user: &str) -> Vec<Vec<u8>> {
        self.dovecot.inbox_octets(user).iter().map(|raw| with_crlf(raw)).collect()
    }

    #[track_caller]
    fn inbox_of(&self, user: &str, count: usize) -> Vec<Vec<u8>> {
        let delivered = || self.dovecot.inbox_octets(user).len() >= count;
        scratch::wait_until(&format!("{count} messages for {user}"), delivered, || self.log());
        self.inbox(user)
    }

    fn log(&self) -> String {
        self.dovecot.log() + &self.postfix.as_ref().map_or_else(String::new, Postfix::log)
    }

    fn handed_out(&self, protocol: Protocol, raw: &[u8]) -> Vec<u8> {
        let mut raw = with_crlf(raw);
        match protocol {
            // RFC 3501 has no NUL in a literal; Dovecot writes 0x80 for it.
            Protocol::Imap => raw.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = 0x80),
            // POP3 has no way to say that the last line has no end; to Dovecot, nothing is such a line, too.
            Protocol::Pop3 if !raw.ends_with(b"\r\n") => raw.extend_from_slice(b"\r\n"),
            Protocol::Pop3 | Protocol::Smtp | Protocol::Ews => {}
        }
        raw
    }

    fn first_dot(&self, protocol: Protocol) -> FirstDot {
        match protocol {
            Protocol::Pop3 => FirstDot::Lost,
            Protocol::Imap | Protocol::Smtp | Protocol::Ews => FirstDot::Kept,
        }
    }

    fn commands(&self, user: &str, protocol: Protocol) -> Vec<String> {
        let plain = |line: String| match protocol {
            Protocol::Imap => line.split_once(' ').map_or_else(String::new, |(_, rest)| rest.to_owned()),
            Protocol::Pop3 | Protocol::Smtp | Protocol::Ews => line,
        };
        self.dovecot.commands(user).into_iter().map(plain).collect()
    }

    fn remove(&self, user: &str, index: usize) {
        let number = (index + 1).to_string();
        self.dovecot.doveadm(&["expunge", "-u", user, "mailbox", "INBOX", &number]);
    }

    fn seen(&self, user: &str) -> usize {
        let found = self.dovecot.doveadm(&["search", "-u", user, "mailbox", "INBOX", "SEEN"]);
        found.lines().count()
    }

    fn change_uid_validity(&self, user: &str) {
        self.dovecot.doveadm(&["mailbox", "update", "-u", user, "--uid-validity", "4000000000", "INBOX"]);
    }

    fn has_challenges(&self) -> bool {
        true
    }

    fn international(&self) -> International {
        International::Returned
    }
}
