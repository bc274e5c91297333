//! Courier as a world, for the protocols that read.

use std::net::SocketAddr;
use std::path::PathBuf;

use mailplumb::model::profile::Protocol;

use super::{ANNA, ANNAS_PASSWORD, BORIS, BORIS_PASSWORD, Door, FirstDot, International, World, with_crlf};
use crate::support::courier::Courier;
use crate::support::scratch;

pub struct Other {
    courier: Courier,
}

impl Other {
    pub fn start() -> Self {
        Self { courier: Courier::start(&[(ANNA, ANNAS_PASSWORD), (BORIS, BORIS_PASSWORD)]) }
    }
}

impl World for Other {
    fn address(&self, door: Door) -> SocketAddr {
        match door {
            Door::Clear(Protocol::Pop3) => self.courier.pop3,
            Door::Clear(Protocol::Imap) => self.courier.imap,
            Door::Tls(Protocol::Pop3) => self.courier.pop3s,
            Door::Tls(Protocol::Imap) => self.courier.imaps,
            Door::Clear(Protocol::Smtp | Protocol::Ews) | Door::Tls(Protocol::Smtp | Protocol::Ews) => {
                panic!("it takes no mail")
            }
        }
    }

    fn authority(&self) -> PathBuf {
        self.courier.certificate.authority.clone()
    }

    fn deliver(&self, user: &str, raw: &[u8]) {
        self.courier.deliver(user, raw);
    }

    fn inbox(&self, user: &str) -> Vec<Vec<u8>> {
        self.courier.files(user).iter().map(|file| with_crlf(&std::fs::read(file).unwrap())).collect()
    }

    #[track_caller]
    fn inbox_of(&self, user: &str, count: usize) -> Vec<Vec<u8>> {
        let delivered = || self.courier.files(user).len() >= count;
        scratch::wait_until(&format!("{count} messages for {user}"), delivered, || self.log());
        self.inbox(user)
    }

    fn log(&self) -> String {
        self.courier.log()
    }

    fn handed_out(&self, protocol: Protocol, raw: &[u8]) -> Vec<u8> {
        let mut raw = with_crlf(raw);
        match protocol {
            Protocol::Pop3 if !raw.ends_with(b"\r\n") => raw.extend_from_slice(b"\r\n"),
            Protocol::Pop3 | Protocol::Imap | Protocol::Smtp | Protocol::Ews => {}
        }
        raw
    }

    fn first_dot(&self, protocol: Protocol) -> FirstDot {
        match protocol {
            Protocol::Pop3 => FirstDot::Lost,
            Protocol::Imap | Protocol::Smtp | Protocol::Ews => FirstDot::Kept,
        }
    }

    fn notes_numbers_at_once(&self) -> bool {
        false
    }

    fn tells_what_comes_next(&self) -> bool {
        false
    }

    fn placeholder(&self) -> Option<&'static [u8]> {
        Some(b"From: System Administrator <root@localhost>\r\nSubject: message unavailable\r\n\r\n")
    }

    /// Five seconds each.
    fn refuses_slowly(&self) -> bool {
        true
    }

    fn commands(&self, user: &str, protocol: Protocol) -> Vec<String> {
        match protocol {
            Protocol::Imap => {
                let untagged =
                    |line: String| line.split_once(' ').map_or_else(String::new, |(_, rest)| rest.to_owned());
                self.courier.commands(user, "imap").into_iter().map(untagged).collect()
            }
            Protocol::Pop3 | Protocol::Smtp | Protocol::Ews => self.courier.commands(user, "pop3"),
        }
    }

    fn remove(&self, user: &str, index: usize) {
        std::fs::remove_file(&self.courier.files(user)[index]).unwrap();
    }

    fn seen(&self, user: &str) -> usize {
        let is_seen = |file: &&PathBuf| {
            let name = file.to_string_lossy();
            name.rsplit_once(":2,").is_some_and(|(_, flags)| flags.contains('S'))
        };
        self.courier.files(user).iter().filter(is_seen).count()
    }

    fn change_uid_validity(&self, user: &str) {
        self.courier.change_uid_validity(user);
    }

    fn has_challenges(&self) -> bool {
        false
    }

    fn international(&self) -> International {
        International::Returned
    }
}
