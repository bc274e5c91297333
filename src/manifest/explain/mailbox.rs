//! The sources of a mailbox's fields: its own values, its list's, its assignments', the organization's defaults.

use super::sources::Sources;
use crate::manifest::mirror::mailbox::Settings;
use crate::manifest::place::Place;
use crate::manifest::resolve::Resolved;
use crate::manifest::trace::{MailboxTrace, SettingsTrace, Within};
use crate::model::explanation::Why;
use crate::model::mailbox::Mailbox;

/// The settings that can be written at several places.
const SETTINGS: [&str; 11] = [
    "profile",
    "incoming",
    "forwardTo",
    "outgoing",
    "appointmentsContactsTasks",
    "accept",
    "owner",
    "active",
    "processFrom",
    "credentials",
    "trackedFolders",
];

pub fn complete(mailbox: &Mailbox, resolved: &Resolved, sources: &mut Sources<'_>) {
    let trace = sources.trace;
    if let Some(written) = trace.mailboxes.get(&mailbox.name) {
        itself(written, sources);
        if let Some(settings) = trace.settings.get(&mailbox.name) {
            for key in SETTINGS {
                setting(key, written, settings, sources);
            }
            credentials(settings, sources);
        }
        removed(mailbox, written, sources);
    }
    if let Some(place) = trace.approvals.get(&mailbox.name) {
        sources.add("approved", Why::ApprovalList, *place);
    }
    for key in SETTINGS {
        if let Some(words) = trace.impossible.get(&(mailbox.name.clone(), key)) {
            impossible(key, words, sources);
        }
    }
    left_out(mailbox, resolved, sources);
}

/// What a mailbox has that is no setting: its address, its labels, its approval.
fn itself(traced: &MailboxTrace, sources: &mut Sources<'_>) {
    let list = match &traced.within {
        Within::Document => None,
        Within::List { name, .. } | Within::Csv { name } => Some(name.clone()),
    };
    for (path, place) in &traced.shared {
        sources.add(path, Why::List(list.clone().unwrap_or_default()), *place);
    }
    let shared: Vec<(String, Place)> =
        traced.written.keys().filter_map(|path| Some((path.clone(), *traced.shared.get(path)?))).collect();
    sources.written(&traced.written);
    for (path, place) in shared {
        sources.hide(&path, Why::List(list.clone().unwrap_or_default()), place);
    }
    let tables: Vec<(String, Place)> = traced
        .written
        .iter()
        .filter(|(_, place)| sources.is_table(**place))
        .map(|(path, place)| (path.clone(), *place))
        .collect();
    for (path, place) in tables {
        sources.add(&path, Why::Csv(list.clone().unwrap_or_default()), place);
    }
}

/// The value that counts, and all that would count without it, in the order in which they would.
fn setting(key: &'static str, traced: &MailboxTrace, settings: &SettingsTrace, sources: &mut Sources<'_>) {
    let own = place(&traced.own, key);
    let own_why = match &traced.within {
        Within::Csv { name } if own.is_some_and(|place| sources.is_table(place)) => Why::Csv(name.clone()),
        Within::Document | Within::List { .. } | Within::Csv { .. } => Why::Own,
    };
    let list = match &traced.within {
        Within::Document => String::new(),
        Within::List { name, .. } | Within::Csv { name } => name.clone(),
    };
    let mut candidates: Vec<(Why, Option<Place>)> =
        vec![(own_why, own), (Why::List(list), place(&traced.common, key))];
    for (name, given) in &settings.assignments {
        candidates.push((Why::Assignment(name.to_string()), place(given, key)));
    }
    candidates.push((Why::OrganizationDefault, default(key, sources)));
    let candidates: Vec<(Why, Place)> =
        candidates.into_iter().filter_map(|(why, place)| Some((why, place?))).collect();
    // The resolution has decided; what it did not take is a default, which it applies last.
    let decided = place(&settings.given, key).or_else(|| default(key, sources));
    let counts = candidates.iter().position(|(_, place)| Some(*place) == decided);
    let Some((why, at)) = counts.and_then(|at| candidates.get(at)) else { return };
    sources.add(key, why.clone(), *at);
    for (why, place) in candidates.iter().filter(|(_, place)| Some(*place) != decided) {
        sources.hide(key, why.clone(), *place);
    }
}

/// Where the organization has its default.
fn default(key: &str, sources: &Sources<'_>) -> Option<Place> {
    let mut organizations = sources.trace.documents.iter().filter(|((kind, _), _)| *kind == "Organization");
    organizations.find_map(|(_, written)| written.get(&format!("defaults.{key}"))).copied()
}

fn place(settings: &Settings, key: &str) -> Option<Place> {
    match key {
        "profile" => settings.profile.as_ref().map(|it| it.place),
        "incoming" => settings.incoming.map(|it| it.place),
        "forwardTo" => settings.forward_to.as_ref().map(|it| it.place),
        "outgoing" => settings.outgoing.map(|it| it.place),
        "appointmentsContactsTasks" => settings.appointments_contacts_tasks.map(|it| it.place),
        "accept" => settings.accept.map(|it| it.place),
        "owner" => settings.owner.as_ref().map(|it| it.place),
        "active" => settings.active.map(|it| it.place),
        "processFrom" => settings.process_from.map(|it| it.place),
        "credentials" => settings.credentials.as_ref().map(|it| it.place),
        "trackedFolders" => settings.tracked_folders.as_ref().map(|it| it.place),
        _ => None,
    }
}

/// User name and password come from the same place; what is left out in it is computed.
fn credentials(settings: &SettingsTrace, sources: &mut Sources<'_>) {
    let (Some(written), Some(whole)) = (&settings.given.credentials, sources.found.remove("credentials"))
    else {
        return;
    };
    let why = whole.why.clone();
    sources.found.remove("credentials.password.secret");
    sources.found.remove("credentials.password.key");
    match &written.value.username {
        Some(username) => sources.add("credentials.username", why.clone(), username.place),
        None => {
            sources.without_place("credentials.username", Why::Computed("the mailbox's address".to_owned()))
        }
    }
    let password = &written.value.password;
    sources.add("credentials.password", why, password.secret.place);
    if let Some(source) = sources.found.get_mut("credentials.password") {
        source.hides.extend(whole.hides);
        if password.key.is_none()
            && let Why::Own | Why::List(_) | Why::Assignment(_) = source.why
        {
            let words = "the key is the mailbox's name".to_owned();
            sources.without_place("credentials.password.key", Why::Computed(words));
        }
    }
}

/// A default that the mailbox cannot have.
fn impossible(key: &str, words: &str, sources: &mut Sources<'_>) {
    let default = default(key, sources);
    sources.found.remove(key);
    sources.without_place(key, Why::Computed(words.to_owned()));
    if let Some(place) = default {
        sources.hide(key, Why::OrganizationDefault, place);
    }
}

/// What later layers have taken away.
fn removed(mailbox: &Mailbox, traced: &MailboxTrace, sources: &mut Sources<'_>) {
    let name = mailbox.name.as_str();
    match &traced.within {
        Within::Document => {
            sources.removed(("Mailbox", name), "spec.", &Why::Own);
            sources.removed(("Mailbox", name), "metadata.", &Why::Own);
        }
        Within::List { name: list, group } => {
            sources.removed(("MailboxList", list), &format!("spec.{group}.{name}."), &Why::Own);
            sources.removed(("MailboxList", list), "spec.common.", &Why::List(list.clone()));
        }
        Within::Csv { name: list } => {
            sources.removed(("MailboxList", list), "spec.common.", &Why::List(list.clone()));
        }
    }
}

/// What it means that something is left out.
fn left_out(mailbox: &Mailbox, resolved: &Resolved, sources: &mut Sources<'_>) {
    let mut meaning = |path: &str, is_missing: bool, words: String| {
        let counts = |source: &crate::model::explanation::Provenance| source.place.is_some();
        if is_missing && !sources.found.get(path).is_some_and(counts) {
            sources.without_place(path, Why::Default(None));
            if let Some(source) = sources.found.get_mut(path) {
                source.why = Why::Default(Some(words));
            }
        }
    };
    meaning("approved", mailbox.approved.is_none(), "nobody has approved this address".to_owned());
    meaning("profile", mailbox.profile.is_none(), "no profile".to_owned());
    let profile = mailbox.profile.as_ref().and_then(|name| resolved.profiles.get(name));
    let from = profile.and_then(|profile| profile.value.processing.from);
    let words = match (&mailbox.profile, from) {
        (Some(name), Some(from)) => format!("{from}, from profile {name}"),
        (Some(_) | None, _) => "the moment at which it is first enabled".to_owned(),
    };
    meaning("processFrom", mailbox.process_from.is_none(), words);
}
