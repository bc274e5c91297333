//! Mailboxes from single documents, from lists and from CSV files, in one shape.

use std::collections::{BTreeMap, BTreeSet};

use super::arena::Tree;
use super::codes;
use super::csv;
use super::decode::spanned::{Raw, Spanned};
use super::decode::{Reading, decode_rest};
use super::layers;
use super::merge;
use super::mirror::Metadata;
use super::mirror::mailbox::{
    Claim, CsvList, Lifecycle, ListCommon, MailboxListSpec, MailboxSpec, MailboxType, Settings, SharedEntry,
    SharedMailbox, UserEntry,
};
use super::place::Place;
use super::report::{Draft, Report};
use super::text;
use super::trace::{self, MailboxTrace, Within};
use crate::model::mailbox::MailboxKind;
use crate::model::name::{Address, Labels, Name};
use crate::model::problem::SourceFile;

/// A mailbox as it is written, whatever it is written in. Its own settings include those of `common`.
#[derive(Debug)]
pub struct Entry {
    /// The number of its document in what is recalled; that of no document for mailboxes of lists.
    pub document: u32,
    pub reading: Reading,
    pub naming: Naming,
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

/// Whether the name of a mailbox is the one that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    Written,
    /// What is written can be no name: this one stands in its place.
    Unreadable,
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
pub fn mailbox(
    metadata: Metadata,
    (mut spec, reading): (Spanned<MailboxSpec>, Reading),
    tree: &Tree<'_>,
    report: &mut Report<'_>,
) -> Option<Entry> {
    let own = spec.value.take_settings();
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
    if let Some(trace) = &mut report.trace
        && trace.wants_mailbox(&metadata.name.value, &address.value)
    {
        let traced = MailboxTrace {
            written: trace::document(tree),
            within: Within::Document,
            own: own.clone(),
            common: Settings::default(),
            shared: trace::Written::new(),
        };
        trace.mailboxes.insert(metadata.name.value.clone(), traced);
    }
    Some(Entry {
        document: u32::MAX,
        reading,
        naming: Naming::Written,
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
    name: Name,
    labels: Labels,
    settings: Settings,
    delete_after_processing: Option<Spanned<bool>>,
    /// Where the labels are written, if something is to be explained.
    written: trace::Written,
}

/// A `MailboxList`: its mailboxes, and whether all of them could be read.
pub fn list(
    metadata: Metadata,
    spec: MailboxListSpec,
    tree: &Tree<'_>,
    report: &mut Report<'_>,
) -> (Vec<Entry>, bool) {
    let mut spec = spec;
    let shared = Shared {
        name: metadata.name.value,
        labels: metadata.labels,
        settings: spec.common.as_mut().map(ListCommon::take_settings).unwrap_or_default(),
        delete_after_processing: spec.common.and_then(|common| common.delete_after_processing),
        written: if report.trace.is_some() { trace::document(tree) } else { trace::Written::new() },
    };
    let groups = [
        (MailboxKind::User, spec.users),
        (MailboxKind::Queue, spec.queues),
        (MailboxKind::Forward, spec.forwards),
    ];
    let rows = spec.csv.as_ref().map(|list| csv::read(&list.value.file, report));
    let mut complete = !matches!(rows, Some(None));
    let rows = rows.flatten().unwrap_or_default();
    let over = spec.csv.as_ref().map(|list| over_rows(&rows, &list.value, &groups, (tree, report)));
    let over = over.unwrap_or_default();
    let mut entries = Vec::new();
    for (kind, group) in groups {
        let mut named: BTreeMap<&str, u32> = BTreeMap::new();
        for Raw(index) in group {
            if let Some(draft) = named_twice(tree, index, &mut named, report) {
                report.add(draft);
                continue;
            }
            if over.values().any(|over| *over == Over::Changes(index)) {
                continue;
            }
            if let Some(removal) = merge::removal(tree, index).filter(|_| tree.text(index, "name").is_some())
            {
                report.add(no_such_mailbox(tree, index, removal));
                continue;
            }
            let entry = entry(kind, &shared, (tree, index), report);
            complete &= is_whole(entry.as_ref());
            entries.extend(entry);
        }
    }
    let kind = spec.csv.map(|list| list.value.kind.into());
    for (kind, (at, row)) in kind.into_iter().cycle().zip(rows.iter().enumerate()) {
        let entry = match over.get(&at) {
            Some(Over::Replaces) => continue,
            Some(Over::Changes(removed)) if merge::removal(tree, *removed).is_some() => continue,
            Some(Over::Changes(later)) => {
                entry(kind, &shared, (&layers::over_row(row, tree, *later), 0), report)
            }
            None => entry(kind, &shared, (row, 0), report),
        };
        complete &= is_whole(entry.as_ref());
        entries.extend(entry);
    }
    (entries, complete)
}

fn is_whole(entry: Option<&Entry>) -> bool {
    entry.is_some_and(|entry| entry.reading == Reading::Whole)
}

/// What an entry of a later layer does to a line of a CSV file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// It changes or removes the mailbox: the node of the entry.
    Changes(u32),
    /// A later layer removed the mailbox; an entry of this name is another one.
    Replaces,
}

/// The lines of a CSV file that an entry of a later layer changes or removes.
fn over_rows(
    rows: &[Tree<'_>],
    list: &CsvList,
    groups: &[(MailboxKind, Vec<Raw>)],
    (tree, report): (&Tree<'_>, &Report<'_>),
) -> BTreeMap<usize, Over> {
    let mut over = BTreeMap::new();
    if tree.files.is_empty() {
        return over;
    }
    let layer = layers::layer_of(list.file.place, report);
    let same_kind = groups.iter().filter(|(kind, _)| *kind == list.kind.into());
    let later = same_kind
        .flat_map(|(_, group)| group)
        .filter(|raw| layers::layer_of(tree.place(raw.0), report) > layer);
    let named: BTreeMap<&str, u32> =
        later.filter_map(|raw| Some((tree.text(raw.0, "name")?, raw.0))).collect();
    let removed: BTreeSet<&str> = list_of(tree, list.kind.into())
        .into_iter()
        .flat_map(|index| tree.removed_from(index))
        .filter(|(_, place)| layers::layer_of(*place, report) > layer)
        .map(|(name, _)| name)
        .collect();
    for (at, row) in rows.iter().enumerate() {
        let Some(name) = row.text(0, "name") else { continue };
        if removed.contains(name) {
            over.insert(at, Over::Replaces);
        } else if let Some(entry) = named.get(name) {
            let removal = tree.removed_before(*entry).filter(|it| layers::layer_of(*it, report) > layer);
            over.insert(at, removal.map_or(Over::Changes(*entry), |_| Over::Replaces));
        }
    }
    over
}

/// The node of the list of mailboxes of this kind.
fn list_of(tree: &Tree<'_>, kind: MailboxKind) -> Option<u32> {
    let (_, group) = keys_of(kind);
    let (_, spec) = tree.entry(0, "spec")?;
    Some(tree.entry(spec, group)?.1)
}

/// The key of a document and that of a list for mailboxes of this kind.
fn keys_of(kind: MailboxKind) -> (&'static str, &'static str) {
    match kind {
        MailboxKind::User => ("user", "users"),
        MailboxKind::Queue => ("queue", "queues"),
        MailboxKind::Forward => ("forward", "forwards"),
    }
}

/// A mailbox that a later layer has twice in its list: only the first was laid over that of the earlier layer.
fn named_twice<'t>(
    tree: &'t Tree<'_>,
    index: u32,
    named: &mut BTreeMap<&'t str, u32>,
    report: &Report<'_>,
) -> Option<Draft> {
    if tree.files.is_empty() {
        return None;
    }
    let name = tree.text(index, "name")?;
    let first = named.insert(name, index)?;
    let place = tree.place(index);
    let layer = layers::layer_of(place, report);
    let end = tree.node(first).map_or(first, |node| node.next);
    let said = (first..end).map(|node| tree.place(node)).find(|it| layers::layer_of(*it, report) == layer);
    let said = said.unwrap_or_else(|| tree.place(first));
    (layer > 0).then(|| layers::twice(("mailbox of this list", name), place, said))
}

fn no_such_mailbox(tree: &Tree<'_>, index: u32, removal: u32) -> Draft {
    let name = tree.text(index, "name").unwrap_or_default();
    let draft = layers::nothing_to_remove(("mailbox of this list", name), tree.place(removal));
    draft.hint("`remove: true` stands in a later layer, beside the `name` and nothing else")
}

/// One mailbox of a list.
fn entry(
    kind: MailboxKind,
    shared: &Shared,
    (tree, index): (&Tree<'_>, u32),
    report: &mut Report<'_>,
) -> Option<Entry> {
    match kind {
        MailboxKind::User => {
            let (mut entry, reading): (UserEntry, _) = decode_rest(tree, index, report)?.into_parts();
            let own = entry.take_settings();
            remember((kind, &entry.name.value, &entry.address.value), &own, shared, (tree, index), report);
            if let Some(delete) = shared.delete_after_processing {
                report.add(never_deleted(delete.place));
            }
            Some(Entry {
                document: u32::MAX,
                reading,
                naming: Naming::Written,
                own: own.or(&shared.settings),
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
            let (mut entry, reading): (SharedEntry, _) = decode_rest(tree, index, report)?.into_parts();
            let own = entry.take_settings();
            remember((kind, &entry.name.value, &entry.address.value), &own, shared, (tree, index), report);
            let delete = entry.delete_after_processing.or(shared.delete_after_processing);
            Some(Entry {
                document: u32::MAX,
                reading,
                naming: Naming::Written,
                own: own.or(&shared.settings),
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

/// Where a mailbox of a list has its values, if that is to be explained.
fn remember(
    (kind, name, address): (MailboxKind, &Name, &Address),
    own: &Settings,
    shared: &Shared,
    (tree, index): (&Tree<'_>, u32),
    report: &mut Report<'_>,
) {
    let is_csv = |file: &SourceFile| !text::is_yaml(file);
    let from_csv = report.files.files.get(tree.place(index).file as usize).is_some_and(is_csv);
    let Some(trace) = report.trace.as_mut().filter(|it| it.wants_mailbox(name, address)) else { return };
    let (key, group) = keys_of(kind);
    let list = shared.name.to_string();
    let within = if from_csv { Within::Csv { name: list } } else { Within::List { name: list, group } };
    let written = trace::entry(tree, index, key);
    let common = shared.settings.clone();
    let labels = shared.written.iter().filter(|(path, _)| path.starts_with("labels."));
    let mut written_there: trace::Written = labels.map(|(path, place)| (path.clone(), *place)).collect();
    if let Some(delete) = shared.delete_after_processing {
        written_there.insert(format!("{key}.deleteAfterProcessing"), delete.place);
    }
    let traced = MailboxTrace { written, within, own: own.clone(), common, shared: written_there };
    trace.mailboxes.insert(name.clone(), traced);
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
