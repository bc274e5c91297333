//! Where an inbox rule forwards the mail of a mailbox: whether that is possible there, and to whom.

use std::collections::BTreeSet;

use super::mailbox::Mailboxes;
use crate::manifest::codes;
use crate::manifest::entries::Entry;
use crate::manifest::mirror::mailbox::Settings;
use crate::manifest::report::{Draft, Report};
use crate::model::mailbox::{IncomingMethod, Mailbox, MailboxKind};
use crate::model::name::Address;
use crate::model::profile::{Access, Credentials, Profile, Server};

/// The addresses of the forward mailboxes, as addresses are compared.
#[derive(Debug)]
pub struct Collectors(BTreeSet<String>);

impl Collectors {
    pub fn among(entries: &[Entry]) -> Self {
        let forward = entries.iter().filter(|entry| entry.kind == MailboxKind::Forward);
        Self(forward.map(|entry| entry.address.value.key()).collect())
    }
}

/// Whether a mailbox refers to another one, or others may refer to it: both are read each time, so that no reference is in vain
/// unseen.
pub fn is_concerned(mailbox: &Mailbox) -> bool {
    match mailbox.kind {
        MailboxKind::Forward => true,
        MailboxKind::User | MailboxKind::Queue => mailbox.forward_to.is_some(),
    }
}

impl Mailboxes<'_> {
    /// Where the rule of this mailbox forwards to. A rule that leads nowhere, or astray, would lose mail, so it is an error.
    pub(super) fn forward_to(
        &self,
        given: &Settings,
        (incoming, profile): (IncomingMethod, Option<&Profile>),
        collectors: &Collectors,
        report: &mut Report<'_>,
    ) -> Option<Address> {
        let to = given.forward_to.as_ref()?;
        if incoming != IncomingMethod::ForwardMailbox {
            let message = "`forwardTo` is for mailboxes that are served by a forward mailbox";
            let draft = Draft::error(codes::FORWARD_TO, to.place, message);
            let draft = match &given.incoming {
                Some(written) => draft.related(written.place, "this is how its mail comes in"),
                None => draft,
            };
            report.add(draft.hint("write `incoming: forward-mailbox`, or leave `forwardTo` out"));
            return None;
        }
        if let Some(words) = profile.and_then(|profile| obstacle(&profile.server)) {
            let draft = Draft::error(codes::FORWARD_TO, to.place, format!("no rule can be made: {words}"));
            report.add(draft.hint(
                "leave `forwardTo` out, and have the rule made by hand: every message, forwarded as an attachment",
            ));
        }
        if !collectors.0.contains(&to.value.key()) && self.existence.all_read("Mailbox") {
            let message = format!("no forward mailbox has the address `{}`", to.value);
            let draft = Draft::error(codes::FORWARD_TO, to.place, message);
            report.add(
                draft.hint("declare it as a mailbox with `forward: { address: … }`, or correct the address"),
            );
        }
        Some(to.value.clone())
    }
}

/// Why this program cannot write inbox rules there.
fn obstacle(server: &Server) -> Option<String> {
    match server {
        Server::Pop3Smtp(_) | Server::ImapSmtp(_) => {
            Some(format!("`{}` has no inbox rules, only Exchange does", server.kind().key()))
        }
        Server::ExchangeOnline(_) => None,
        Server::Exchange(exchange) => match &exchange.incoming.credentials {
            Credentials::Profile { access: Some(Access::Delegation), .. }
            | Credentials::WindowsIntegrated { access: Some(Access::Delegation) } => {
                Some("with `access: delegation` Exchange shows nobody the rules of somebody else".to_owned())
            }
            Credentials::Profile { .. }
            | Credentials::WindowsIntegrated { .. }
            | Credentials::Mailbox
            | Credentials::Anonymous
            | Credentials::Oauth2 { .. } => None,
        },
    }
}
