//! The one `Organization`.

use std::collections::BTreeMap;

use super::{Existence, at_most, in_range, profile::Profiles, secret};
use crate::manifest::codes;
use crate::manifest::decode::spanned::Spanned;
use crate::manifest::documents::Document;
use crate::manifest::mirror::organization as mirror;
use crate::manifest::not_yet;
use crate::manifest::place::Place;
use crate::manifest::report::{Draft, Report, did_you_mean};
use crate::model::desired::Declared;
use crate::model::limits;
use crate::model::name::Name;
use crate::model::organization::{
    AlertSettings, Approval, ApprovalSource, Defaults, GuardAction, Guards, InternalMail, Organization,
    Requirement, Retry, Tracking, TrackingToken, UnresolvedRecipients,
};

/// The organization with the places that later rules point at.
#[derive(Debug)]
pub struct Resolved {
    pub declared: Declared<Organization>,
    pub place: Place,
    pub default_profile: Option<Spanned<Name>>,
    pub approval_source: Option<Place>,
}

const MINIMAL: &str = "\
add one to any file:
apiVersion: mailplumb/v1
kind: Organization
metadata: { name: my-organization }";

pub fn resolve(
    documents: Vec<Document<mirror::OrganizationSpec>>,
    existence: Existence<'_>,
    report: &mut Report<'_>,
) -> Option<Resolved> {
    let mut documents = documents.into_iter();
    let Some(document) = documents.next() else {
        if existence.all_read("Organization") {
            report.add(Draft::nowhere(codes::ORGANIZATION, "the manifest has no Organization").hint(MINIMAL));
        }
        return None;
    };
    for other in documents {
        report.add(
            Draft::error(codes::ORGANIZATION, other.name.place, "a manifest has exactly one Organization")
                .label("a second one")
                .related(document.name.place, "the first one"),
        );
    }
    not_yet::organization(&document.spec, report);
    Some(organization(document, report))
}

fn organization(document: Document<mirror::OrganizationSpec>, report: &mut Report<'_>) -> Resolved {
    let spec = document.spec;
    let defaults = spec.defaults;
    let default_profile = defaults.as_ref().and_then(|defaults| defaults.profile.clone());
    let source = spec.approval.as_ref().and_then(|approval| approval.source.as_ref());
    let approval_source = source.map(|source| source.place);
    let value = Organization {
        name: document.name.value.clone(),
        display_name: at_most(spec.display_name, limits::DISPLAY_NAME_CHARACTERS_MAX, report),
        defaults: defaults.map(self::defaults).unwrap_or_default(),
        approval: spec.approval.map(approval).unwrap_or_default(),
        tracking: spec.tracking.map(|tracking| self::tracking(tracking.value, report)).unwrap_or_default(),
        alerts: spec.alerts.map(alerts).unwrap_or_default(),
        retry: spec.retry.map(|retry| self::retry(&retry, report)).unwrap_or_default(),
        guards: spec.guards.map(|guards| self::guards(&guards, report)).unwrap_or_default(),
        recipients: recipients(spec.recipients.map(|entries| entries.0).unwrap_or_default(), report),
    };
    let declared = report.declared(value, document.name.place);
    Resolved { declared, place: document.name.place, default_profile, approval_source }
}

/// The default profile exists.
pub fn check_default_profile(
    organization: Option<&Resolved>,
    profiles: &Profiles<'_>,
    report: &mut Report<'_>,
) {
    if let Some(profile) = organization.and_then(|organization| organization.default_profile.as_ref()) {
        profiles.find(profile, report);
    }
}

fn defaults(written: mirror::Defaults) -> Defaults {
    Defaults {
        profile: written.profile.map(|profile| profile.value),
        incoming: written.incoming.map(|method| method.value.into()),
        outgoing: written.outgoing.map(|method| method.value.into()),
        appointments_contacts_tasks: written.appointments_contacts_tasks.map(|method| method.value.into()),
        accept: written.accept.map(|accept| accept.value.into()),
    }
}

fn approval(written: mirror::Approval) -> Approval {
    let requirement = |given: Option<mirror::Requirement>| match given {
        None | Some(mirror::Requirement::Required) => Requirement::Required,
        Some(mirror::Requirement::NotRequired) => Requirement::NotRequired,
    };
    let source = match written.source.map(|source| source.value) {
        None | Some(mirror::ApprovalSource::Manifest) => ApprovalSource::Manifest,
        Some(mirror::ApprovalSource::Command) => ApprovalSource::Command,
    };
    Approval {
        source,
        users: requirement(written.users),
        queues: requirement(written.queues),
        forward: requirement(written.forward),
    }
}

fn tracking(written: mirror::Tracking, report: &mut Report<'_>) -> Tracking {
    let default = Tracking::default();
    let attachments = written.attachments;
    let size_max = attachments.as_ref().and_then(|attachments| attachments.size_max);
    Tracking {
        correlation: written.correlation.unwrap_or(default.correlation),
        token: written.token.map_or(default.token, |token| self::token(token, report)),
        smart_matching: written.smart_matching.unwrap_or(default.smart_matching),
        internal_mail: written.internal_mail.map_or(default.internal_mail, |choice| match choice {
            mirror::InternalMail::OneActivity => InternalMail::OneActivity,
            mirror::InternalMail::TwoActivities => InternalMail::TwoActivities,
        }),
        unresolved_recipients: written.unresolved_recipients.map_or(
            default.unresolved_recipients,
            |choice| match choice {
                mirror::UnresolvedRecipients::Refuse => UnresolvedRecipients::Refuse,
                mirror::UnresolvedRecipients::Send => UnresolvedRecipients::Send,
            },
        ),
        attachment_bytes_max: size_max.map_or(default.attachment_bytes_max, |size| size.0),
        attachment_blocked_types: attachments
            .map(|attachments| attachments.blocked_types)
            .unwrap_or_default(),
    }
}

fn token(written: mirror::TrackingToken, report: &mut Report<'_>) -> Option<TrackingToken> {
    const CHARACTERS_MAX: usize = 20;
    if written.enabled == Some(false) {
        return None;
    }
    if let Some(prefix) = &written.prefix
        && prefix.value.is_empty()
    {
        report.add(super::out_of_range(prefix.place, format!("1 to {CHARACTERS_MAX} characters")));
    }
    let prefix = at_most(written.prefix, CHARACTERS_MAX, report).unwrap_or_else(|| "CRM:".to_owned());
    Some(TrackingToken { prefix, former_prefixes: written.former_prefixes })
}

fn alerts(written: mirror::Alerts) -> AlertSettings {
    let default = AlertSettings::default();
    let has = |level, otherwise| written.levels.as_ref().map_or(otherwise, |levels| levels.contains(&level));
    AlertSettings {
        errors: has(mirror::AlertLevel::Error, default.errors),
        warnings: has(mirror::AlertLevel::Warning, default.warnings),
        information: has(mirror::AlertLevel::Information, default.information),
        notify_mailbox_owner: written
            .notify_mailbox_owner
            .map_or(default.notify_mailbox_owner, |notify| notify.value),
        keep: written.keep.map_or(default.keep, |keep| keep.value.0),
    }
}

fn retry(written: &mirror::Retry, report: &mut Report<'_>) -> Retry {
    let default = Retry::default();
    let mut count = |number: Option<&Spanned<u32>>, otherwise: u16| {
        in_range(number, 1..=1000, report).and_then(|number| u16::try_from(number).ok()).unwrap_or(otherwise)
    };
    Retry {
        attempts: count(written.attempts.as_ref(), default.attempts),
        wait: written.wait.map_or(default.wait, |wait| wait.0),
        attempts_per_message: count(written.attempts_per_message.as_ref(), default.attempts_per_message),
    }
}

fn guards(written: &mirror::Guards, report: &mut Report<'_>) -> Guards {
    let default = Guards::default();
    let mut percent = |number: Option<&Spanned<u32>>, otherwise: u8| {
        in_range(number, 0..=100, report).and_then(|number| u8::try_from(number).ok()).unwrap_or(otherwise)
    };
    let deletions = written.deletions.as_ref();
    let updates = written.updates.as_ref();
    let action = |action: Option<mirror::GuardAction>, otherwise| match action {
        None => otherwise,
        Some(mirror::GuardAction::Refuse) => GuardAction::Refuse,
        Some(mirror::GuardAction::Allow) => GuardAction::Allow,
    };
    Guards {
        deletions_count: deletions.and_then(|guard| guard.count).unwrap_or(default.deletions_count),
        deletions_percent: percent(
            deletions.and_then(|guard| guard.percent.as_ref()),
            default.deletions_percent,
        ),
        updates_percent: percent(updates.and_then(|guard| guard.percent.as_ref()), default.updates_percent),
        empty_manifest: action(written.empty_manifest, default.empty_manifest),
        claim_take_over: action(written.claim_take_over, default.claim_take_over),
    }
}

fn recipients(
    written: Vec<(Spanned<String>, Spanned<String>)>,
    report: &mut Report<'_>,
) -> BTreeMap<String, String> {
    let mut recipients = BTreeMap::new();
    for (name, recipient) in written {
        if let Some(draft) = secret::check_recipient(&recipient) {
            report.add(draft);
        }
        recipients.insert(name.value, recipient.value);
    }
    recipients
}

/// Every name is one of the organization's recipients.
pub fn check_sealed_to(names: &[Spanned<String>], organization: Option<&Resolved>, report: &mut Report<'_>) {
    let Some(organization) = organization else { return };
    let recipients = &organization.declared.value.recipients;
    for name in names.iter().filter(|name| !recipients.contains_key(&name.value)) {
        let message = format!("the organization has no recipient `{}`", name.value.escape_debug());
        report.add(
            Draft::error(codes::UNKNOWN_RECIPIENT, name.place, message)
                .label("expected a name of the organization's `recipients`")
                .related(organization.place, "the organization")
                .hint_if(did_you_mean(&name.value, recipients.keys().map(String::as_str)))
                .or_hint(
                    "where one has left, `mailplumb secrets rekey` encrypts to those that are named there",
                ),
        );
    }
}
