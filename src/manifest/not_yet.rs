//! Settings that can be declared but that this version does not act on. This is the only list of them; it shrinks.
//!
//! Each is a warning of `validate` and a note in the plan, never silent.

use super::codes;
use super::decode::spanned::Spanned;
use super::entries::Entry;
use super::mirror::mailbox::{Accept, IncomingMethod, Settings};
use super::mirror::organization::OrganizationSpec;
use super::mirror::profile::{ExchangeOnline, ProfileSpec, Transport};
use super::place::Place;
use super::report::{Draft, Report};

use crate::model::name::Name;

fn say(subject: &str, place: Place, what: &str, report: &mut Report<'_>) {
    let message = format!("this version does not act on {what}");
    report.add(Draft::warning(codes::NOT_YET, place, message.clone()));
    report.note(subject, place, message);
}

pub fn organization(spec: &OrganizationSpec, report: &mut Report<'_>) {
    if let Some(tracking) = &spec.tracking {
        say("organization", tracking.place, "`tracking`: mail is recorded, but not correlated", report);
    }
    if let Some(defaults) = &spec.defaults {
        if let Some(accept) = defaults.accept {
            accept_filter("organization", accept, report);
        }
        if let Some(incoming) = defaults.incoming {
            forwarded("organization", incoming, report);
        }
    }
}

pub fn profile(name: &Spanned<Name>, spec: &ProfileSpec, report: &mut Report<'_>) {
    let subject = format!("profile/{}", name.value);
    if let Some(online) = &spec.exchange_online {
        exchange_online(&subject, &online.value, report);
    }
}

/// Over Exchange Web Services all of it works.
fn exchange_online(subject: &str, online: &ExchangeOnline, report: &mut Report<'_>) {
    match online.transport {
        Some(Transport::Ews) => return,
        Some(Transport::Graph) | None => {}
    }
    if let Some(sent) = online.track_sent_items.filter(|sent| sent.value) {
        say(subject, sent.place, "`trackSentItems` by Microsoft Graph: Sent Items are not read", report);
    }
}

/// A mailbox: its own settings.
pub fn entry(entry: &Entry, report: &mut Report<'_>) {
    let subject = format!("mailbox/{}", entry.name.value);
    settings(&subject, &entry.own, report);
}

/// Settings wherever they are written.
pub fn settings(subject: &str, settings: &Settings, report: &mut Report<'_>) {
    if let Some(accept) = settings.accept {
        accept_filter(subject, accept, report);
    }
    if let Some(incoming) = settings.incoming.filter(|_| settings.forward_to.is_none()) {
        forwarded(subject, incoming, report);
    }
}

/// What Microsoft Graph could do and this version does over Exchange Web Services only.
pub fn by_graph(entry: &Entry, report: &mut Report<'_>) {
    let subject = format!("mailbox/{}", entry.name.value);
    if let Some(claim) = &entry.claim {
        say(&subject, claim.place, "`claim` by Microsoft Graph: no marker is kept in the mailbox", report);
    }
}

fn accept_filter(subject: &str, accept: Spanned<Accept>, report: &mut Report<'_>) {
    let what = match accept.value {
        Accept::All | Accept::None => return,
        Accept::Replies => "`accept: replies`",
        Accept::KnownParties => "`accept: known-parties`",
        Accept::AnyRecord => "`accept: any-record`",
    };
    say(subject, accept.place, what, report);
}

/// What a person has to do where no rule is declared.
fn forwarded(subject: &str, incoming: Spanned<IncomingMethod>, report: &mut Report<'_>) {
    match incoming.value {
        IncomingMethod::None | IncomingMethod::ServerSideSync => {}
        IncomingMethod::ForwardMailbox => report.note(
            subject,
            incoming.place,
            "without `forwardTo` the rule that forwards each message, as an attachment, to a forward mailbox is made by hand",
        ),
    }
}
