//! `EmailServerProfile`: from the written to the resolved, with the rules that need no mailbox.

use std::collections::{BTreeMap, BTreeSet};

use super::endpoint::Endpoints;
use super::secret::Secrets;
use super::{Existence, at_most, exactly_one, in_range, lines_at_most, out_of_range, unique};
use crate::manifest::codes;
use crate::manifest::decode::Reading;
use crate::manifest::decode::spanned::Spanned;
use crate::manifest::documents::Document;
use crate::manifest::mirror::profile as mirror;
use crate::manifest::not_yet;
use crate::manifest::place::Place;
use crate::manifest::report::{Draft, Report, did_you_mean};
use crate::model::desired::Declared;
use crate::model::host::HostSettings;
use crate::model::limits;
use crate::model::name::Name;
use crate::model::profile::{ConnectionLimit, Processing, Profile, Protocol, Server};

/// The resolved profiles and what mailboxes need to know of them beside.
#[derive(Debug)]
pub struct Profiles<'d> {
    pub declared: BTreeMap<Name, Declared<Profile>>,
    /// Where delegation is written, which cannot synchronise calendars (P-09).
    pub delegations: BTreeMap<Name, Place>,
    /// Declared, but with a mistake that leaves nothing to resolve a mailbox against.
    unresolved: BTreeSet<Name>,
    existence: Existence<'d>,
}

impl Profiles<'_> {
    /// The profile of this name; a missing one is reported, a broken one not again.
    pub fn find(&self, name: &Spanned<Name>, report: &mut Report<'_>) -> Option<&Profile> {
        let found = self.declared.get(&name.value);
        let is_declared = found.is_some() || self.unresolved.contains(&name.value);
        if !is_declared && self.existence.surely_missing("EmailServerProfile", name.value.as_str()) {
            let message = format!("there is no EmailServerProfile `{}`", name.value);
            let broken = self.existence.names_of_broken("EmailServerProfile");
            let known = self.declared.keys().chain(&self.unresolved).map(Name::as_str).chain(broken);
            let hint = did_you_mean(name.value.as_str(), known);
            report.add(Draft::error(codes::UNKNOWN_PROFILE, name.place, message).hint_if(hint));
        }
        found.map(|declared| &declared.value)
    }
}

/// Looks for further mistakes in what is left of profiles of which something could not be read.
pub fn check_broken(
    documents: Vec<Document<Spanned<mirror::ProfileSpec>>>,
    secrets: &Secrets<'_>,
    host: &HostSettings,
    report: &mut Report<'_>,
) {
    report.looks_at(Reading::Broken);
    for document in documents {
        profile(document, secrets, host, report);
    }
    report.looks_at(Reading::Whole);
}

pub fn resolve<'d>(
    documents: Vec<Document<Spanned<mirror::ProfileSpec>>>,
    secrets: &Secrets<'_>,
    host: &HostSettings,
    existence: Existence<'d>,
    report: &mut Report<'_>,
) -> Profiles<'d> {
    let mut profiles = Profiles {
        declared: BTreeMap::new(),
        delegations: BTreeMap::new(),
        unresolved: BTreeSet::new(),
        existence,
    };
    for document in unique(documents, "EmailServerProfile", report) {
        not_yet::profile(&document.name, &document.spec.value, report);
        let name = document.name.clone();
        if let Some(delegation) = delegation(&document.spec.value) {
            profiles.delegations.insert(name.value.clone(), delegation);
        }
        if let Some(profile) = profile(document, secrets, host, report) {
            let declared = report.declared(profile, name.place);
            profiles.declared.insert(name.value, declared);
        } else {
            profiles.unresolved.insert(name.value);
        }
    }
    profiles
}

fn profile(
    document: Document<Spanned<mirror::ProfileSpec>>,
    secrets: &Secrets<'_>,
    host: &HostSettings,
    report: &mut Report<'_>,
) -> Option<Profile> {
    let Spanned { value: spec, place } = document.spec;
    let mut endpoints = Endpoints { secrets, host, report };
    let server = exactly_one(
        [
            ("exchange", spec.exchange.map(Written::Exchange)),
            ("exchangeOnline", spec.exchange_online.map(Written::ExchangeOnline)),
            ("pop3Smtp", spec.pop3_smtp.map(Written::Pop3Smtp)),
            ("imapSmtp", spec.imap_smtp.map(Written::ImapSmtp)),
        ],
        place,
        "the type of the mail server",
        endpoints.report,
    )?;
    let server = endpoints.server(server);
    let display_name = at_most(spec.display_name, limits::DISPLAY_NAME_CHARACTERS_MAX, report);
    let description = lines_at_most(spec.description, limits::DESCRIPTION_CHARACTERS_MAX, report);
    let processing = processing(&spec.processing.unwrap_or_default(), report);
    Some(Profile {
        name: document.name.value,
        labels: document.labels,
        display_name,
        description,
        owner: spec.owner,
        active: spec.active.unwrap_or(true),
        server: server?,
        processing,
        mass_failure_alert: spec
            .alerts
            .and_then(|alerts| alerts.mass_failure)
            .is_some_and(|alert| alert.value),
    })
}

/// The type of a server, as written.
#[derive(Debug)]
pub enum Written {
    Exchange(Spanned<mirror::Exchange>),
    ExchangeOnline(Spanned<mirror::ExchangeOnline>),
    Pop3Smtp(Spanned<mirror::Pop3Smtp>),
    ImapSmtp(Spanned<mirror::ImapSmtp>),
}

impl Endpoints<'_, '_, '_> {
    fn server(&mut self, written: Written) -> Option<Server> {
        match written {
            Written::Exchange(exchange) => self.exchange(exchange.value).map(Server::Exchange),
            Written::ExchangeOnline(online) => self.exchange_online(online.value).map(Server::ExchangeOnline),
            Written::Pop3Smtp(Spanned { value, .. }) => self
                .mail_servers(Protocol::Pop3, value.trust, value.incoming, value.outgoing)
                .map(Server::Pop3Smtp),
            Written::ImapSmtp(Spanned { value, .. }) => self
                .mail_servers(Protocol::Imap, value.trust, value.incoming, value.outgoing)
                .map(Server::ImapSmtp),
        }
    }
}

fn processing(written: &mirror::Processing, report: &mut Report<'_>) -> Processing {
    let default = Processing::default();
    let connections =
        in_range(written.max_concurrent_connections.as_ref(), 1..=u32::from(limits::CONNECTIONS_MAX), report);
    let connections = connections.and_then(|count| u16::try_from(count).ok());
    let limit = connections.and_then(|count| ConnectionLimit::try_from(count).ok());
    let interval = written.min_polling_interval.and_then(|interval| {
        let seconds = interval.value.0.as_secs();
        let minutes = u16::try_from(seconds / 60)
            .ok()
            .filter(|minutes| seconds.is_multiple_of(60) && *minutes <= limits::POLLING_INTERVAL_MINUTES_MAX);
        if minutes.is_none() {
            let expected = format!(
                "whole minutes up to {} (`5m`, `0` sets no floor)",
                limits::POLLING_INTERVAL_MINUTES_MAX
            );
            report.add(out_of_range(interval.place, expected));
        }
        minutes
    });
    Processing {
        from: written.from.map(|moment| moment.0),
        max_concurrent_connections: limit.unwrap_or(default.max_concurrent_connections),
        min_polling_interval_minutes: interval.unwrap_or(default.min_polling_interval_minutes),
    }
}

/// Where an Exchange profile says that it reads by delegation.
fn delegation(spec: &mirror::ProfileSpec) -> Option<Place> {
    let exchange = &spec.exchange.as_ref()?.value;
    let outgoing = exchange.outgoing.as_ref().and_then(|outgoing| outgoing.credentials.as_ref());
    [Some(&exchange.incoming.credentials), outgoing].into_iter().flatten().find_map(|credentials| {
        let credentials = &credentials.value;
        let profile = credentials.profile.as_ref().and_then(|profile| profile.access);
        let windows = credentials.windows_integrated.as_ref().and_then(|windows| windows.access);
        let access = profile.or(windows)?;
        (access.value == mirror::Access::Delegation).then_some(access.place)
    })
}
