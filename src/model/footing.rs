//! What a plan compares of one mailbox, as sixteen bytes: while both sides have the same footing, there is nothing to do for it.
//!
//! A footing covers the whole declaration and, for each operation, what it has come to. It is only ever used to leave a
//! mailbox out that needs no step; whatever has no footing, or another one, is compared field by field.

use serde::{Deserialize, Serialize};

use super::mailbox::{Lifecycle, Mailbox, MailboxCredentials};
use super::operation::{Awaiting, ConnectionDigest, OffReason, Operation, OperationState};
use super::pending::Pending;
use super::profile::ServerKind;
use super::stored::{StoredMailbox, StoredOperation};

/// The first 16 bytes of a BLAKE3 hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Footing(pub [u8; 16]);

/// What one operation has come to, or should come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearing {
    Off(OffReason),
    /// It waits for a connector, whatever its connection is.
    NoConnector,
    /// It is enabled with this connection, or waits for the first test of it.
    Connected(Mark),
}

/// The first half of a connection's digest: enough to tell it from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(pub [u8; 16]);

impl Mark {
    /// Of a digest that is not the hexadecimal one of BLAKE3, which no plan asks for, the mark of its text.
    pub fn of(connection: &ConnectionDigest) -> Self {
        let hash = blake3::Hash::from_hex(&connection.0);
        Self::of_hash(&hash.unwrap_or_else(|_| blake3::hash(connection.0.as_bytes())))
    }

    pub fn of_hash(hash: &blake3::Hash) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&hash.as_bytes()[..16]);
        Self(half)
    }
}

/// What a mailbox comes to once all is applied and tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlook {
    pub footing: Footing,
    /// The kind of server for whose connector it waits.
    pub awaiting: Option<ServerKind>,
}

/// Counts up whenever what a footing covers changes, be it the order of an enum's values, so that a former one is never
/// taken for one of these.
const FORM: u8 = 4;

impl Footing {
    /// The footing of a declared mailbox with these operations, in the order of [`Operation::ALL`].
    pub fn of(mailbox: &Mailbox, bearings: &[Bearing; 3]) -> Self {
        let mut text = Writing(Vec::with_capacity(256));
        text.0.push(FORM);
        text.mailbox(mailbox);
        for bearing in bearings {
            match bearing {
                Bearing::Off(reason) => text.tags(&[1, off(*reason)]),
                Bearing::NoConnector => text.tags(&[2]),
                Bearing::Connected(mark) => {
                    text.tags(&[3]);
                    text.tags(&mark.0);
                }
            }
        }
        let mut first = [0; 16];
        first.copy_from_slice(&blake3::hash(&text.0).as_bytes()[..16]);
        Self(first)
    }

    /// The footing of a stored mailbox. `None`: one of its operations calls for a step by itself.
    pub fn of_stored(stored: &StoredMailbox) -> Option<Self> {
        Self::of_operations(&stored.declared, |operation| {
            let known = stored.operations.get(&operation)?;
            let StoredOperation {
                state,
                connection,
                pending,
                proved: _,
                changed_at: _,
                tested_at: _,
                cycle_at: _,
                failed_at: _,
            } = known;
            Some(Known { state, pending: pending.as_ref(), connection: connection.as_ref() })
        })
    }

    /// [`Footing::of_stored`] of a mailbox whose operations are found by `find`, each with its connection.
    pub fn of_operations<'o>(
        declared: &Mailbox,
        find: impl Fn(Operation) -> Option<Known<'o>>,
    ) -> Option<Self> {
        let bearing = |operation| find(operation).and_then(bearing);
        let [one, two, three] = Operation::ALL.map(bearing);
        Some(Self::of(declared, &[one?, two?, three?]))
    }
}

/// What a footing covers of a stored operation.
#[derive(Debug, Clone, Copy)]
pub struct Known<'o> {
    pub state: &'o OperationState,
    pub pending: Option<&'o Pending>,
    pub connection: Option<&'o ConnectionDigest>,
}

fn bearing(known: Known<'_>) -> Option<Bearing> {
    let Known { state, pending, connection } = known;
    match pending {
        None | Some(Pending::Waiting { awaiting: Awaiting::Test | Awaiting::NoIdentity, since: _ }) => {}
        Some(Pending::Waiting { awaiting: Awaiting::NoConnector, since: _ }) => {
            return Some(Bearing::NoConnector);
        }
        Some(Pending::Failed { .. }) => return None,
    }
    match state {
        OperationState::Off(reason) => Some(Bearing::Off(*reason)),
        OperationState::AwaitingTest(Awaiting::NoConnector) => Some(Bearing::NoConnector),
        OperationState::Enabled
        | OperationState::Retrying { .. }
        | OperationState::AwaitingTest(Awaiting::Test | Awaiting::NoIdentity)
        | OperationState::Testing => connection.map(|connection| Bearing::Connected(Mark::of(connection))),
        OperationState::Trying { .. } | OperationState::Disabled(_) => None,
    }
}

fn off(reason: OffReason) -> u8 {
    match reason {
        OffReason::MethodNone => 1,
        OffReason::NotApproved => 2,
        OffReason::MailboxInactive => 3,
        OffReason::ProfileInactive => 4,
        OffReason::NoProfile => 5,
        OffReason::ForwardMailbox => 6,
    }
}

/// Bytes in which no two mailboxes look alike: every text has its length before it.
struct Writing(Vec<u8>);

impl Writing {
    fn tags(&mut self, tags: &[u8]) {
        self.0.extend_from_slice(tags);
    }

    fn number(&mut self, number: i128) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// One byte for what nearly all texts are: there are many of them, and each block that is hashed costs.
    fn length(&mut self, length: usize) {
        match u8::try_from(length) {
            Ok(short) if short < u8::MAX => self.0.push(short),
            Ok(_) | Err(_) => {
                self.0.push(u8::MAX);
                self.0.extend_from_slice(&(length as u64).to_le_bytes());
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        self.tags(&[u8::from(text.is_some())]);
        text.into_iter().for_each(|text| self.text(text));
    }

    fn mailbox(&mut self, mailbox: &Mailbox) {
        let Mailbox {
            name,
            labels,
            kind,
            address,
            display_name,
            owner,
            active,
            approved,
            profile,
            incoming,
            forward_to,
            outgoing,
            appointments_contacts_tasks,
            accept,
            delete_after_processing,
            process_from,
            credentials,
            tracked_folders,
            claim_take_over_from,
            lifecycle,
        } = mailbox;
        let Lifecycle { prevent_destroy, previous_names } = lifecycle;
        self.text(name.as_str());
        self.text(address.as_str());
        self.tags(&[
            *kind as u8,
            u8::from(*active),
            *incoming as u8,
            *outgoing as u8,
            *appointments_contacts_tasks as u8,
            *accept as u8,
            u8::from(*delete_after_processing),
            u8::from(*prevent_destroy),
            u8::from(process_from.is_some()),
        ]);
        process_from.iter().for_each(|moment| self.number(moment.as_nanosecond()));
        self.optional(display_name.as_deref());
        self.optional(owner.as_ref().map(|owner| owner.as_str()));
        self.optional(approved.as_ref().map(|approved| approved.as_str()));
        self.optional(profile.as_ref().map(|profile| profile.as_str()));
        self.optional(claim_take_over_from.as_deref());
        self.optional(forward_to.as_ref().map(|to| to.as_str()));
        self.tags(&[u8::from(credentials.is_some())]);
        if let Some(MailboxCredentials { username, password }) = credentials {
            [username.as_str(), password.secret.as_str(), &password.key]
                .into_iter()
                .for_each(|it| self.text(it));
        }
        self.length(labels.len());
        labels.iter().for_each(|(key, value)| [key, value].into_iter().for_each(|it| self.text(it)));
        self.length(tracked_folders.len());
        tracked_folders.iter().for_each(|folder| self.text(folder));
        self.length(previous_names.len());
        previous_names.iter().for_each(|name| self.text(name.as_str()));
    }
}
