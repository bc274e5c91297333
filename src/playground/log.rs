//! What clients did, in order, without their passwords.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::limits::PLAYGROUND_LOG_ENTRIES_MAX;

use super::options::Protocol;

/// The log of all connections. Shared; every look at it is a copy.
#[derive(Default)]
pub struct Log(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    kept: VecDeque<Entry>,
    sequence: u64,
    connections: u64,
}

/// One thing that happened on one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The order of arrival over all connections; stands for the time.
    pub sequence: u64,
    /// Numbers connections from 1.
    pub connection: u64,
    pub protocol: Protocol,
    pub what: Happening,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    Connected,
    /// TLS is established.
    Secured,
    /// A command as it arrived, without IMAP tag; passwords and SASL responses are `***`.
    Command(String),
    /// Octets that followed a command: an SMTP message or an IMAP APPEND.
    Content {
        bytes: usize,
    },
    Closed,
}

impl Log {
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().kept.iter().cloned().collect()
    }

    /// The commands of one protocol over all its connections, in order of arrival.
    pub fn commands(&self, protocol: Protocol) -> Vec<String> {
        let entries = self.lock();
        let of_protocol = entries.kept.iter().filter(|entry| entry.protocol == protocol);
        of_protocol.filter_map(|entry| entry.what.command().map(str::to_owned)).collect()
    }

    /// How many connections of one protocol were accepted since the start or the last [`Log::clear`].
    pub fn connections(&self, protocol: Protocol) -> usize {
        let connected = |entry: &&Entry| entry.protocol == protocol && entry.what == Happening::Connected;
        self.lock().kept.iter().filter(connected).count()
    }

    /// Forgets what happened so far; numbers go on.
    pub fn clear(&self) {
        self.lock().kept.clear();
    }

    /// Notes a new connection and numbers it.
    pub(super) fn connected(&self, protocol: Protocol) -> u64 {
        let connection = {
            let mut entries = self.lock();
            entries.connections += 1;
            entries.connections
        };
        self.note(connection, protocol, Happening::Connected);
        connection
    }

    pub(super) fn note(&self, connection: u64, protocol: Protocol, what: Happening) {
        let mut entries = self.lock();
        entries.sequence += 1;
        let sequence = entries.sequence;
        if entries.kept.len() >= PLAYGROUND_LOG_ENTRIES_MAX {
            entries.kept.pop_front();
        }
        entries.kept.push_back(Entry { sequence, connection, protocol, what });
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // A list of entries is whole between any two statements, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Happening {
    pub fn command(&self) -> Option<&str> {
        match self {
            Self::Command(line) => Some(line),
            Self::Connected | Self::Secured | Self::Content { .. } | Self::Closed => None,
        }
    }
}
