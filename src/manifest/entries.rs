//! Mailboxes from single documents, from lists and from CSV files, in one shape.

use super::arena::Tree;
use super::codes;
use super::csv;
use super::decode::decode;
use super::decode::spanned::{Raw, Spanned};
use super::mirror::Metadata;
use super::mirror::mailbox::{
    Claim, Lifecycle, ListCommon, MailboxListSpec, MailboxSpec, MailboxType, Settings, SharedEntry,
    SharedMailbox, UserEntry,
};
use super::place::Place;
use super::report::{Draft, Report};
use crate::model::mailbox::MailboxKind;
use crate::model::name::{Address, Labels, Name};

/// A mailbox as it is written, whatever it is written in. Its own settings include those of `common`.
#[derive(Debug)]
pub struct Entry {
    pub name: Spanned<Name>,
    pub labels: Labels,
    pub kind: MailboxKind,
    pub address: Spanned<Address>,
    pub display_name: Option<Spanned<String>>,
    pub delete_after_processing: bool,
    pub approved: Option<Spanned<Address>>,
    pub own: Settings,
    pub claim: Option<Spanned<Claim>>,
    pub lifecycle: Lifecycle,
}

impl From<MailboxType> for MailboxKind {
    fn from(kind: MailboxType) -> Self {
        match kind {
            MailboxType::User => Self::User,
            MailboxType::Queue => Self::Queue,
            MailboxType::Forward => Self::Forward,
        }
    }
}

/// A `Mailbox` document.
pub fn mailbox(metadata: Metadata, spec: Spanned<MailboxSpec>, report: &mut Report<'_>) -> Option<Entry> {
    let own = spec.value.settings();
    let place = spec.place;
    let MailboxSpec { user, queue, forward, approved, claim, lifecycle, .. } = spec.value;
    let shared = |kind, shared: SharedMailbox| {
        let delete = shared.delete_after_processing.is_some_and(|delete| delete.value);
        (kind, shared.address, shared.display_name, delete)
    };
    let (kind, address, display_name, delete_after_processing) = match (user, queue, forward) {
        (Some(user), None, None) => (MailboxKind::User, user.value.address, user.value.display_name, false),
        (None, Some(queue), None) => shared(MailboxKind::Queue, queue.value),
        (None, None, Some(forward)) => shared(MailboxKind::Forward, forward.value),
        (user, queue, forward) => {
            let mut draft = Draft::error(
                codes::CHOICE,
                place,
                "a mailbox is either of a `user` or of a `queue`, or a `forward` mailbox",
            )
            .label("expected exactly one of `user`, `queue`, `forward`");
            let places = [user.map(|it| it.place), queue.map(|it| it.place), forward.map(|it| it.place)];
            for place in places.into_iter().flatten() {
                draft = draft.related(place, "one of them");
            }
            report.add(draft);
            return None;
        }
    };
    Some(Entry {
        name: metadata.name,
        labels: metadata.labels,
        kind,
        address,
        display_name,
        delete_after_processing,
        approved,
        own,
        claim,
        lifecycle: lifecycle.unwrap_or_default(),
    })
}

/// What the mailboxes of one list share.
#[derive(Debug)]
pub struct Shared {
    labels: Labels,
    settings: Settings,
    delete_after_processing: Option<Spanned<bool>>,
}

/// A `MailboxList`: its mailboxes, and whether all of them could be read.
pub fn list(
    metadata: Metadata,
    spec: MailboxListSpec,
    tree: &Tree<'_>,
    report: &mut Report<'_>,
) -> (Vec<Entry>, bool) {
    let shared = Shared {
        labels: metadata.labels,
        settings: spec.common.as_ref().map(ListCommon::settings).unwrap_or_default(),
        delete_after_processing: spec.common.and_then(|common| common.delete_after_processing),
    };
    let mut entries = Vec::new();
    let mut complete = true;
    let groups = [
        (MailboxKind::User, spec.users),
        (MailboxKind::Queue, spec.queues),
        (MailboxKind::Forward, spec.forwards),
    ];
    for (kind, group) in groups {
        for Raw(index) in group {
            let entry = entry(kind, &shared, tree, index, report);
            complete &= entry.is_some();
            entries.extend(entry);
        }
    }
    if let Some(list) = spec.csv {
        let rows = csv::read(&list.value.file, report);
        complete &= rows.is_some();
        for row in rows.unwrap_or_default() {
            let entry = entry(list.value.kind.into(), &shared, &row, 0, report);
            complete &= entry.is_some();
            entries.extend(entry);
        }
    }
    (entries, complete)
}

/// One mailbox of a list.
fn entry(
    kind: MailboxKind,
    shared: &Shared,
    tree: &Tree<'_>,
    index: u32,
    report: &mut Report<'_>,
) -> Option<Entry> {
    match kind {
        MailboxKind::User => {
            let entry: UserEntry = decode(tree, index, report)?;
            if let Some(delete) = shared.delete_after_processing {
                report.add(never_deleted(delete.place));
            }
            Some(Entry {
                own: entry.settings().or(&shared.settings),
                labels: merged(&shared.labels, entry.labels),
                kind,
                name: entry.name,
                address: entry.address,
                display_name: entry.display_name,
                delete_after_processing: false,
                approved: entry.approved,
                claim: entry.claim,
                lifecycle: entry.lifecycle.unwrap_or_default(),
            })
        }
        MailboxKind::Queue | MailboxKind::Forward => {
            let entry: SharedEntry = decode(tree, index, report)?;
            let delete = entry.delete_after_processing.or(shared.delete_after_processing);
            Some(Entry {
                own: entry.settings().or(&shared.settings),
                labels: merged(&shared.labels, entry.labels),
                kind,
                name: entry.name,
                address: entry.address,
                display_name: entry.display_name,
                delete_after_processing: delete.is_some_and(|delete| delete.value),
                approved: entry.approved,
                claim: entry.claim,
                lifecycle: entry.lifecycle.unwrap_or_default(),
            })
        }
    }
}

fn never_deleted(place: Place) -> Draft {
    Draft::error(codes::DELETE_AFTER_PROCESSING, place, "mail of users is never deleted after processing")
        .label("this list has users")
        .hint("put queues and forward mailboxes into a list of their own")
}

fn merged(list: &Labels, own: Labels) -> Labels {
    let mut labels = list.clone();
    labels.extend(own);
    labels
}
