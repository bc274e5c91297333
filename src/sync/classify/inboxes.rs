//! Words about what a server tells of a mailbox, and of mail that went to it.

use super::{Setting, said};
use crate::model::name::Name;

pub(super) fn went_back(mailbox: &Name) -> (String, String) {
    said(
        format!(
            "the inbox of mailbox `{mailbox}` is an older copy of the one that was read, or its messages were numbered anew; nothing \
             is read, so that no message is passed over"
        ),
        "a copy that lags behind catches up by itself; if the inbox was restored from a backup, give it a new UIDVALIDITY at the \
         server (Dovecot: `doveadm mailbox update -u USER --uid-validity NUMBER INBOX`): what is recorded is recognised then",
    )
}

pub(super) fn not_back(mailbox: &Name) -> (String, String) {
    said(
        "the server took the test message and did not deliver it yet",
        format!("look for the message in mailbox `{mailbox}` and in the server's queue"),
    )
}

pub(super) fn outside_protocol(Setting { host, port, .. }: Setting<'_>) -> (String, String) {
    said(
        "the server answers outside of its protocol",
        format!("check that `{host}:{port}` is the mail server and that no proxy stands in between"),
    )
}
