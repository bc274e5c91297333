//! Which methods a mailbox can have on its profile (P-11, P-16).

use crate::manifest::codes;
use crate::manifest::entries::Entry;
use crate::manifest::place::Place;
use crate::manifest::report::{Draft, Report};
use crate::model::mailbox::{ActMethod, IncomingMethod, MailboxKind, OutgoingMethod};
use crate::model::profile::{Profile, Server};

/// A method if it is possible. A default that is not becomes `none`, with a note; a written one is an error.
pub fn possible<M: PartialEq + Copy>(
    entry: &Entry,
    method: (M, Option<Place>),
    none: M,
    obstacle: Option<Obstacle>,
    report: &mut Report<'_>,
) -> M {
    let Some(obstacle) = obstacle.filter(|_| method.0 != none) else { return method.0 };
    match method.1 {
        Some(place) => {
            report.add(Draft::error(obstacle.code, place, obstacle.words).label("expected `none`"))
        }
        None => {
            let message = format!(
                "{} is `none` instead of the organization's default: {}",
                obstacle.setting, obstacle.words
            );
            report.note(format!("mailbox/{}", entry.name.value), entry.name.place, message);
            if let Some(trace) = &mut report.trace {
                trace.impossible.insert((entry.name.value.clone(), obstacle.setting), obstacle.words);
            }
        }
    }
    none
}

/// Why a method is impossible.
#[derive(Debug)]
pub struct Obstacle {
    setting: &'static str,
    code: codes::Code,
    words: String,
}

pub fn cannot_receive(entry: &Entry, method: IncomingMethod) -> Option<Obstacle> {
    let forwarded = entry.kind == MailboxKind::Forward && method == IncomingMethod::ForwardMailbox;
    let words = "a forward mailbox cannot be served by a forward mailbox".to_owned();
    forwarded.then_some(Obstacle { setting: "incoming", code: codes::INCOMING_IMPOSSIBLE, words })
}

pub fn cannot_send(entry: &Entry, profile: Option<&Profile>, method: OutgoingMethod) -> Option<Obstacle> {
    let words = match (method, entry.kind, profile.map(|profile| &profile.server)) {
        (OutgoingMethod::None, _, _) => return None,
        (OutgoingMethod::ServerSideSync, MailboxKind::Forward, _) => {
            "a forward mailbox sends nothing".to_owned()
        }
        (OutgoingMethod::ServerSideSync, _, Some(Server::Pop3Smtp(servers) | Server::ImapSmtp(servers)))
            if servers.outgoing.is_none() =>
        {
            format!(
                "profile `{}` has no `outgoing` server",
                profile.map_or("", |profile| profile.name.as_str())
            )
        }
        (OutgoingMethod::ServerSideSync, MailboxKind::User | MailboxKind::Queue, _) => return None,
    };
    Some(Obstacle { setting: "outgoing", code: codes::OUTGOING_IMPOSSIBLE, words })
}

pub fn cannot_sync(entry: &Entry, profile: Option<&Profile>, method: ActMethod) -> Option<Obstacle> {
    let kind = profile.map(|profile| profile.server.kind());
    let words = match (method, entry.kind, kind) {
        (ActMethod::None, _, _) => return None,
        (ActMethod::ServerSideSync, MailboxKind::Forward, _) => {
            "a forward mailbox has no appointments, contacts and tasks".to_owned()
        }
        (ActMethod::ServerSideSync, MailboxKind::User | MailboxKind::Queue, Some(kind))
            if !kind.has_calendar() =>
        {
            format!("appointments, contacts and tasks need an Exchange type, not `{}`", kind.key())
        }
        (ActMethod::ServerSideSync, MailboxKind::User | MailboxKind::Queue, _) => return None,
    };
    Some(Obstacle { setting: "appointmentsContactsTasks", code: codes::ACT_IMPOSSIBLE, words })
}
