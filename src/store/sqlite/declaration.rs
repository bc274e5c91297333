//! A mailbox's declaration as it is stored: without what nearly all mailboxes have in common, because there are very many.
//!
//! What is left out here means the same for ever: a row is read with the values below, whatever the defaults of a manifest are.
//! Rows of former versions, which left nothing out, read as well.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::columns::damaged;
use crate::model::mailbox::{
    Accept, ActMethod, IncomingMethod, Lifecycle, Mailbox, MailboxCredentials, MailboxKind, OutgoingMethod,
};
use crate::model::name::{Address, Labels, Name};
use crate::store::StoreError;

/// The columns `address`, `profile` and `credentials` are looked into by statements, so they are never renamed.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Mailbox", rename_all = "camelCase", deny_unknown_fields)]
struct Declaration {
    name: Name,
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    labels: Labels,
    #[serde(default = "user", skip_serializing_if = "is_user")]
    kind: MailboxKind,
    address: Address,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<Address>,
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    active: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approved: Option<Address>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<Name>,
    #[serde(default = "read", skip_serializing_if = "is_read")]
    incoming: IncomingMethod,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forward_to: Option<Address>,
    #[serde(default = "sent", skip_serializing_if = "is_sent")]
    outgoing: OutgoingMethod,
    #[serde(default = "no_act", skip_serializing_if = "is_no_act")]
    appointments_contacts_tasks: ActMethod,
    #[serde(default = "all", skip_serializing_if = "is_all")]
    accept: Accept,
    #[serde(default, skip_serializing_if = "is_no")]
    delete_after_processing: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process_from: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    credentials: Option<MailboxCredentials>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tracked_folders: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim_take_over_from: Option<String>,
    #[serde(default, skip_serializing_if = "is_without_lifecycle")]
    lifecycle: Lifecycle,
}

fn user() -> MailboxKind {
    MailboxKind::User
}

fn is_user(kind: &MailboxKind) -> bool {
    *kind == user()
}

fn yes() -> bool {
    true
}

fn is_yes(flag: &bool) -> bool {
    *flag
}

fn is_no(flag: &bool) -> bool {
    !*flag
}

fn read() -> IncomingMethod {
    IncomingMethod::ServerSideSync
}

fn is_read(method: &IncomingMethod) -> bool {
    *method == read()
}

fn sent() -> OutgoingMethod {
    OutgoingMethod::ServerSideSync
}

fn is_sent(method: &OutgoingMethod) -> bool {
    *method == sent()
}

fn no_act() -> ActMethod {
    ActMethod::None
}

fn is_no_act(method: &ActMethod) -> bool {
    *method == no_act()
}

fn all() -> Accept {
    Accept::All
}

fn is_all(accept: &Accept) -> bool {
    *accept == all()
}

fn is_without_lifecycle(lifecycle: &Lifecycle) -> bool {
    let Lifecycle { prevent_destroy, previous_names } = lifecycle;
    !*prevent_destroy && previous_names.is_empty()
}

pub(super) fn to_text(mailbox: &Mailbox) -> Result<String, StoreError> {
    let unwritten = |error: &dyn std::fmt::Display| StoreError::Failed(format!("cannot be written: {error}"));
    let mut bytes = Vec::with_capacity(192);
    Declaration::serialize(mailbox, &mut serde_json::Serializer::new(&mut bytes))
        .map_err(|error| unwritten(&error))?;
    String::from_utf8(bytes).map_err(|error| unwritten(&error))
}

pub(super) fn parse(text: &str) -> Result<Mailbox, StoreError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let mailbox = Declaration::deserialize(&mut reader).and_then(|mailbox| reader.end().map(|()| mailbox));
    mailbox.map_err(|error| damaged("a mailbox", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Mailbox {
        Mailbox {
            name: Name::parse("anna").unwrap(),
            labels: Labels::new(),
            kind: user(),
            address: Address::parse("anna@a.example").unwrap(),
            display_name: None,
            owner: None,
            active: true,
            approved: None,
            profile: None,
            incoming: read(),
            forward_to: None,
            outgoing: sent(),
            appointments_contacts_tasks: no_act(),
            accept: all(),
            delete_after_processing: false,
            process_from: None,
            credentials: None,
            tracked_folders: Vec::new(),
            claim_take_over_from: None,
            lifecycle: Lifecycle::default(),
        }
    }

    /// In nothing the same as the plain one but in name and address.
    fn other() -> Mailbox {
        let address = Address::parse("b@a.example").unwrap();
        Mailbox {
            labels: [("team".to_owned(), "sales".to_owned())].into(),
            kind: MailboxKind::Queue,
            display_name: Some("Anna".to_owned()),
            owner: Some(address.clone()),
            active: false,
            approved: Some(address),
            profile: Some(Name::parse("hq").unwrap()),
            incoming: IncomingMethod::None,
            forward_to: None,
            outgoing: OutgoingMethod::None,
            appointments_contacts_tasks: ActMethod::ServerSideSync,
            accept: Accept::Replies,
            delete_after_processing: true,
            process_from: Some(Timestamp::UNIX_EPOCH),
            credentials: Some(MailboxCredentials {
                username: "anna".to_owned(),
                password: crate::model::secret::SecretRef {
                    secret: Name::parse("team").unwrap(),
                    key: "anna".to_owned(),
                },
            }),
            tracked_folders: vec!["Inbox".to_owned()],
            claim_take_over_from: Some("other".to_owned()),
            lifecycle: Lifecycle { prevent_destroy: true, previous_names: vec![Name::parse("ann").unwrap()] },
            ..plain()
        }
    }

    #[test]
    fn a_declaration_reads_back_whatever_was_left_out() {
        assert_eq!(to_text(&plain()).unwrap(), r#"{"name":"anna","address":"anna@a.example"}"#);
        for mailbox in [plain(), other()] {
            assert_eq!(parse(&to_text(&mailbox).unwrap()).unwrap(), mailbox);
        }
    }

    #[test]
    fn a_declaration_of_a_former_version_reads_the_same() {
        for mailbox in [plain(), other()] {
            let written = serde_json::to_string(&mailbox).unwrap();
            assert_eq!(parse(&written).unwrap(), mailbox);
        }
    }

    #[test]
    fn what_follows_a_declaration_is_damage() {
        let text = to_text(&plain()).unwrap();
        assert!(matches!(parse(&format!("{text}x")), Err(StoreError::Damaged(_))));
        assert!(matches!(parse(&text[1..]), Err(StoreError::Damaged(_))));
    }
}
