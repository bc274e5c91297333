//! Mail on its way into the mailboxes: what was submitted, and what rules forward, as an attachment, as Exchange does it.

use bytes::Bytes;
use jiff::Timestamp;

use super::{AccountId, Arrival, FolderName, Inner, Submission, Undeliverable};
use crate::model::limits::PLAYGROUND_STORE_BYTES_MAX;

impl Inner {
    /// Notes what SMTP took responsibility for, all of it or nothing. `trace` is put before the message where it is
    /// delivered.
    pub(in crate::playground) fn submit(
        &mut self,
        submission: &Submission,
        trace: &str,
        received: Timestamp,
    ) -> Result<(), Undeliverable> {
        let traced = Bytes::from([trace.as_bytes(), &submission.raw].concat());
        self.reserve(submission.raw.len())?;
        let (mut local, mut foreign) = (Vec::new(), Vec::new());
        for recipient in &submission.recipients {
            match self.resident(recipient) {
                // One copy for each mailbox, however many of its addresses are named.
                Ok(account) if local.contains(&account) => {}
                Ok(account) => local.push(account),
                Err(_) => foreign.push(recipient.clone()),
            }
        }
        if self.held_bytes.saturating_add(traced.len().saturating_mul(local.len()))
            > PLAYGROUND_STORE_BYTES_MAX
        {
            return Err(Undeliverable::Full);
        }
        for account in local {
            self.arrive(account, Arrival::new(traced.clone(), received))?;
        }
        if !foreign.is_empty() {
            self.elsewhere.push(Submission { recipients: foreign, ..submission.clone() });
        }
        self.accepted.push(submission.clone());
        Ok(())
    }

    /// To whom every message of an account goes from now on, as an attachment.
    pub(in crate::playground) fn forward_all(&mut self, account: AccountId, to: Vec<String>) {
        self.account_mut(account).forwards = to;
    }

    /// Puts a message into an inbox, and carries out what its owner's rules say. What was forwarded by a rule is forwarded by no
    /// other one: nothing goes round in circles.
    pub(in crate::playground) fn arrive(
        &mut self,
        account: AccountId,
        arrival: Arrival,
    ) -> Result<u32, Undeliverable> {
        let (raw, received) = (arrival.raw.clone(), arrival.received);
        let uid = self.append(account, FolderName::Inbox, arrival)?;
        let by = self.user(account).address.clone();
        for to in self.account_mut(account).forwards.clone() {
            if let Ok(collector) = self.resident(&to) {
                let wrapped = wrapped(&raw, (&by, &to), uid);
                self.append(collector, FolderName::Inbox, Arrival::new(wrapped, received))?;
            }
        }
        Ok(uid)
    }
}

/// A message with another one in it, whose octets are untouched (RFC 2046 section 5.2.1).
fn wrapped(raw: &[u8], (by, to): (&str, &str), number: u32) -> Bytes {
    let parsed = mail_parser::MessageParser::new().parse_headers(raw);
    let subject: String = parsed
        .and_then(|it| it.subject().map(|it| it.chars().filter(char::is_ascii).collect()))
        .unwrap_or_default();
    let boundary = format!("=_forwarded_{number}_{:x}", raw.len());
    let head = format!(
        "From: {by}\r\nTo: {to}\r\nSubject: FW: {subject}\r\nMessage-ID: <{boundary}.{by}>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed;\r\n\tboundary=\"{boundary}\"\r\nX-MS-Exchange-Inbox-Rules-Loop: {by}\r\n\r\n\
         --{boundary}\r\nContent-Type: text/plain; charset=\"us-ascii\"\r\n\r\n\r\n\
         --{boundary}\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n"
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    Bytes::from([head.as_bytes(), raw, tail.as_bytes()].concat())
}
