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

pub(super) fn rule_in_error(mailbox: &Name) -> (String, String) {
    said(
        "the mail of this mailbox is not forwarded; mostly the address in `forwardTo` is gone, or may not be forwarded to",
        format!(
            "see that the address in `forwardTo` exists and may be forwarded to (for one outside of the organization an administrator \
             decides), then `mailplumb test {mailbox}`: it writes the rule anew"
        ),
    )
}

pub(super) fn rule_overtaken(by: &str, mailbox: &Name) -> (String, String) {
    said(
        format!("what the rule `{by}` is about is not forwarded"),
        format!(
            "have the owner of mailbox `{mailbox}` put that rule behind the one that forwards, or take \"stop processing more rules\" from it; \
             then `mailplumb test {mailbox}`"
        ),
    )
}

pub(super) fn outside_protocol(Setting { host, port, .. }: Setting<'_>) -> (String, String) {
    said(
        "the server answers outside of its protocol",
        format!("check that `{host}:{port}` is the mail server and that no proxy stands in between"),
    )
}
