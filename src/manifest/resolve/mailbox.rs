//! Mailboxes: effective settings, and the rules that need profile, approval and credentials together.

use std::collections::{BTreeMap, BTreeSet};

use super::approval::Approved;
use super::effective::Assignments;
use super::forward::{self, Collectors};
use super::methods::{cannot_receive, cannot_send, cannot_sync, possible};
use super::organization;
use super::profile::Profiles;
use super::secret::Secrets;
use super::{Existence, at_most, check_username, distinct, unique};
use crate::manifest::codes;
use crate::manifest::decode::Reading;
use crate::manifest::decode::spanned::Spanned;
use crate::manifest::documents::Document;
use crate::manifest::entries::{Entry, Naming};
use crate::manifest::memory::MailboxMemory;
use crate::manifest::mirror::mailbox::{
    AssignmentSpec, Lifecycle as WrittenLifecycle, MailboxCredentials as WrittenCredentials, Settings,
};
use crate::manifest::mirror::organization::ApprovalListSpec;
use crate::manifest::not_yet;
use crate::manifest::recall::Recall;
use crate::manifest::report::{Draft, Report};
use crate::manifest::sieve::Sifting;
use crate::model::desired::Declared;
use crate::model::limits;
use crate::model::mailbox::{
    Accept, ActMethod, IncomingMethod, Lifecycle, Mailbox, MailboxCredentials, OutgoingMethod,
};
use crate::model::name::Name;
use crate::model::organization::Defaults;
use crate::model::profile::{Credentials, Profile, Server, Transport};

/// The documents that declare mailboxes or say something about them.
#[derive(Debug)]
pub struct Written {
    pub entries: Vec<Entry>,
    pub assignments: Vec<Document<AssignmentSpec>>,
    pub approvals: Vec<Document<ApprovalListSpec>>,
}

/// What mailboxes are resolved with.
#[derive(Debug)]
pub struct Mailboxes<'m> {
    pub organization: Option<&'m organization::Resolved>,
    pub profiles: &'m Profiles<'m>,
    pub secrets: &'m Secrets<'m>,
    pub existence: Existence<'m>,
}

/// The three methods of a mailbox.
struct Methods {
    incoming: IncomingMethod,
    outgoing: OutgoingMethod,
    act: ActMethod,
}

impl Methods {
    /// Whether somebody logs in with the mailbox's incoming server: to read, or to write the rule that forwards.
    fn enter(&self, given: &Settings) -> bool {
        let by_incoming = match self.incoming {
            IncomingMethod::ServerSideSync => true,
            IncomingMethod::ForwardMailbox => given.forward_to.is_some(),
            IncomingMethod::None => false,
        };
        by_incoming || self.act == ActMethod::ServerSideSync
    }
}

impl Mailboxes<'_> {
    pub fn resolve(
        &self,
        written: Written,
        mut sifting: Box<dyn Sifting + '_>,
        recall: &mut Recall<'_>,
        report: &mut Report<'_>,
    ) -> BTreeMap<Name, Declared<Mailbox>> {
        let Written { entries, assignments, approvals } = written;
        let assignments = unique(assignments, "MailboxAssignment", report);
        for assignment in &assignments {
            let subject = format!("assignment/{}", assignment.name.value);
            not_yet::settings(&subject, &assignment.spec.clone().take_settings(), report);
        }
        let mut assignments = Assignments::new(assignments);
        let approved = self.approved(unique(approvals, "ApprovalList", report), &entries, recall, report);
        let entries = distinct::check(entries, recall, report);
        let collectors = Collectors::among(&entries);
        let mut mailboxes = BTreeMap::new();
        for mut entry in entries {
            let (heard, reading) = (report.heard(), entry.reading);
            report.looks_at(reading);
            not_yet::entry(&entry, report);
            let given = assignments.complete(&mut entry, report);
            let (document, place) = (entry.document, entry.name.place);
            let mailbox = self.mailbox(entry, given, (approved.as_ref(), &collectors), report);
            report.looks_at(Reading::Whole);
            if reading == Reading::Broken {
                continue;
            }
            let outlook = sifting.outlook(&mailbox);
            let quiet = report.heard() == heard && !forward::is_concerned(&mailbox);
            let name = mailbox.name.as_str();
            if let (Some(outlook), Some(selected), true) = (outlook, assignments.last_selected(), quiet) {
                let address = mailbox.address.key();
                recall.remember(document, |digest| {
                    MailboxMemory::new(digest, name, &address, outlook, selected)
                });
            }
            if sifting.leaves_out(name, outlook.as_ref()) {
                continue;
            }
            let declared = report.declared(mailbox, place);
            mailboxes.entry(declared.value.name.clone()).or_insert(declared);
        }
        let known_are_left_out = recall.known().fold(true, |fine, known| {
            assignments.note_used(known.selected);
            fine & sifting.leaves_out(known.name(), Some(&known.outlook))
        });
        if !known_are_left_out {
            recall.doubt();
        }
        if self.existence.all_read("Mailbox") {
            assignments.report_selectors(report);
        }
        mailboxes
    }

    fn mailbox(
        &self,
        entry: Entry,
        given: Settings,
        (list, collectors): (Option<&Approved>, &Collectors),
        report: &mut Report<'_>,
    ) -> Mailbox {
        let profile = self.profile(&given, report);
        let methods = self.methods(&entry, &given, profile.as_ref(), report);
        let profile_value = profile.as_ref().and_then(|(_, profile)| *profile);
        self.folders(&given, profile_value, report);
        if profile_value.is_some_and(|profile| by_graph(&profile.server)) {
            not_yet::by_graph(&entry, report);
        }
        let forward_to = self.forward_to(&given, (methods.incoming, profile_value), collectors, report);
        let credentials = self.credentials(&entry, &given, profile_value, &methods, report);
        let accept = given.accept.map(|accept| accept.value.into()).or(self.defaults().accept);
        Mailbox {
            approved: self.approval(&entry, list, report),
            credentials,
            profile: profile.map(|(name, _)| name),
            incoming: methods.incoming,
            forward_to,
            outgoing: methods.outgoing,
            appointments_contacts_tasks: methods.act,
            accept: accept.unwrap_or(Accept::All),
            delete_after_processing: entry.delete_after_processing,
            process_from: given.process_from.map(|moment| moment.value.0),
            owner: given.owner.map(|owner| owner.value),
            active: given.active.is_none_or(|active| active.value),
            tracked_folders: given.tracked_folders.map(|folders| folders.value).unwrap_or_default(),
            claim_take_over_from: entry.claim.map(|claim| claim.value.take_over_from),
            lifecycle: lifecycle(entry.lifecycle),
            display_name: at_most(entry.display_name, limits::DISPLAY_NAME_CHARACTERS_MAX, report),
            kind: entry.kind,
            address: entry.address.value,
            labels: entry.labels,
            name: entry.name.value,
        }
    }

    fn defaults(&self) -> &Defaults {
        const NONE: Defaults = Defaults {
            profile: None,
            incoming: None,
            outgoing: None,
            appointments_contacts_tasks: None,
            accept: None,
        };
        self.organization.map_or(&NONE, |organization| &organization.declared.value.defaults)
    }

    /// The name of the effective profile, and the profile if it could be resolved.
    fn profile(&self, given: &Settings, report: &mut Report<'_>) -> Option<(Name, Option<&Profile>)> {
        let organization = self.organization.and_then(|organization| organization.default_profile.as_ref());
        let name = given.profile.as_ref().or(organization)?;
        Some((name.value.clone(), self.profiles.find(name, report)))
    }

    fn methods(
        &self,
        entry: &Entry,
        given: &Settings,
        profile: Option<&(Name, Option<&Profile>)>,
        report: &mut Report<'_>,
    ) -> Methods {
        let defaults = self.defaults();
        let server = profile.and_then(|(_, profile)| *profile);
        let incoming = match &given.incoming {
            Some(method) => (IncomingMethod::from(method.value), Some(method.place)),
            None => (defaults.incoming.unwrap_or(IncomingMethod::None), None),
        };
        let outgoing = match &given.outgoing {
            Some(method) => (OutgoingMethod::from(method.value), Some(method.place)),
            None => (defaults.outgoing.unwrap_or(OutgoingMethod::None), None),
        };
        let act = match &given.appointments_contacts_tasks {
            Some(method) => (ActMethod::from(method.value), Some(method.place)),
            None => (defaults.appointments_contacts_tasks.unwrap_or(ActMethod::None), None),
        };
        let methods = Methods {
            incoming: possible(
                entry,
                incoming,
                IncomingMethod::None,
                cannot_receive(entry, incoming.0),
                report,
            ),
            outgoing: possible(
                entry,
                outgoing,
                OutgoingMethod::None,
                cannot_send(entry, server, outgoing.0),
                report,
            ),
            act: possible(entry, act, ActMethod::None, cannot_sync(entry, server, act.0), report),
        };
        let synchronised = methods.enter(given) || methods.outgoing == OutgoingMethod::ServerSideSync;
        if synchronised && profile.is_none() {
            let place =
                [incoming.1, outgoing.1, act.1].into_iter().flatten().next().unwrap_or(entry.name.place);
            report.add(
                Draft::error(codes::NO_PROFILE, place, "a method other than `none` needs a profile")
                    .related(entry.name.place, "this mailbox has no profile")
                    .hint("write `profile:` here, on an assignment or in the organization's defaults"),
            );
        }
        if methods.act == ActMethod::ServerSideSync
            && let Some(delegation) = profile.and_then(|(name, _)| self.profiles.delegations.get(name))
        {
            report.add(
                Draft::error(
                    codes::ACCESS,
                    *delegation,
                    "appointments, contacts and tasks need impersonation",
                )
                .related(act.1.unwrap_or(entry.name.place), "a mailbox that synchronises them"),
            );
        }
        methods
    }

    /// P-12.
    fn folders(&self, given: &Settings, profile: Option<&Profile>, report: &mut Report<'_>) {
        if let (Some(folders), Some(profile)) = (&given.tracked_folders, profile)
            && !folders.value.is_empty()
            && !profile.server.kind().has_calendar()
        {
            let message =
                format!("tracked folders exist for Exchange only, not for `{}`", profile.server.kind().key());
            report.add(Draft::error(codes::FOLDERS_IMPOSSIBLE, folders.place, message));
        }
        if let Some(folders) = &given.tracked_folders
            && folders.value.len() > limits::TRACKED_FOLDERS_MAX
        {
            let (count, limit) = (folders.value.len(), limits::TRACKED_FOLDERS_MAX);
            let message = format!("at most {limit} folders of a mailbox are tracked, not {count}");
            report.add(Draft::error(codes::FOLDERS_IMPOSSIBLE, folders.place, message));
        }
        given.tracked_folders.iter().for_each(|folders| check_paths(folders, report));
    }

    fn credentials(
        &self,
        entry: &Entry,
        given: &Settings,
        profile: Option<&Profile>,
        methods: &Methods,
        report: &mut Report<'_>,
    ) -> Option<MailboxCredentials> {
        let needed = profile.is_some_and(|profile| needs_credentials(&profile.server, methods, given));
        let Some(written) = &given.credentials else {
            if let (true, Some(profile)) = (needed, profile) {
                let message = format!(
                    "profile `{}` takes the credentials of each mailbox, and this one has none",
                    profile.name
                );
                report.add(Draft::error(codes::NO_CREDENTIALS, entry.name.place, message).hint(
                    "write `credentials: { password: { secret: NAME } }`; the key is the mailbox's name",
                ));
            }
            return None;
        };
        if let Some(profile) = profile
            && !takes_credentials(&profile.server)
        {
            let message = format!("profile `{}` does not use the credentials of mailboxes", profile.name);
            report.add(Draft::warning(codes::UNUSED_CREDENTIALS, written.place, message));
        }
        self.login(&written.value, entry, report)
    }

    fn login(
        &self,
        written: &WrittenCredentials,
        entry: &Entry,
        report: &mut Report<'_>,
    ) -> Option<MailboxCredentials> {
        written.username.iter().for_each(|username| check_username(username, report));
        let username = written.username.as_ref().map_or(entry.address.value.as_str(), |name| &name.value);
        let secret = &written.password.secret;
        if entry.naming == Naming::Unreadable && written.password.key.is_none() {
            return None;
        }
        let by_name = Spanned { value: entry.name.value.to_string(), place: secret.place };
        let key = written.password.key.as_ref().unwrap_or(&by_name);
        let password = self.secrets.find(secret, key, report)?;
        Some(MailboxCredentials { username: username.to_owned(), password })
    }
}

/// The credentials of each direction of a server.
fn directions(server: &Server) -> [Option<&Credentials>; 2] {
    match server {
        Server::Exchange(exchange) => {
            [Some(&exchange.incoming.credentials), Some(&exchange.outgoing.credentials)]
        }
        Server::ExchangeOnline(_) => [None, None],
        Server::Pop3Smtp(servers) | Server::ImapSmtp(servers) => [
            Some(&servers.incoming.credentials),
            servers.outgoing.as_ref().map(|outgoing| &outgoing.credentials),
        ],
    }
}

fn by_graph(server: &Server) -> bool {
    match server {
        Server::ExchangeOnline(online) => online.transport == Transport::Graph,
        Server::Exchange(_) | Server::Pop3Smtp(_) | Server::ImapSmtp(_) => false,
    }
}

fn takes_credentials(server: &Server) -> bool {
    directions(server).contains(&Some(&Credentials::Mailbox))
}

fn needs_credentials(server: &Server, methods: &Methods, given: &Settings) -> bool {
    let [incoming, outgoing] =
        directions(server).map(|credentials| credentials == Some(&Credentials::Mailbox));
    (incoming && methods.enter(given)) || (outgoing && methods.outgoing == OutgoingMethod::ServerSideSync)
}

fn lifecycle(written: WrittenLifecycle) -> Lifecycle {
    Lifecycle {
        prevent_destroy: written.prevent_destroy.unwrap_or(false),
        previous_names: written.previous_names.into_iter().map(|name| name.value).collect(),
    }
}

/// A path has no empty parts, and none is given twice (folders of Exchange are named without regard to case).
fn check_paths(folders: &Spanned<Vec<String>>, report: &mut Report<'_>) {
    let mut seen = BTreeSet::new();
    for path in &folders.value {
        let message = if path.split('/').any(|part| part.trim().is_empty()) {
            format!("`{}` is not the path of a folder", path.escape_debug())
        } else if !seen.insert(path.to_lowercase()) {
            format!("the folder `{}` is given twice", path.escape_debug())
        } else {
            continue;
        };
        let draft = Draft::error(codes::FOLDER_PATH, folders.place, message);
        report.add(draft.label("expected paths below the inbox, like `Customers/Contoso`"));
    }
}
