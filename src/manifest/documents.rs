//! The documents of all files, each read as what its `kind` says, not yet looked at together.

mod header;
mod names;
mod unread;

use std::collections::BTreeSet;
use std::ops::Range;

use serde::de::DeserializeOwned;

use super::arena::{self, Kind as NodeKind, Tree};
use super::codes;
use super::decode::spanned::Spanned;
use super::decode::{Decoded, Reading, decode, decode_rest};
use super::entries::{self, Entry, Naming};
use super::layers;
use super::mirror::Metadata;
use super::mirror::mailbox::{AssignmentSpec, MailboxListSpec, MailboxSpec};
use super::mirror::organization::{ApprovalListSpec, OrganizationSpec};
use super::mirror::profile::ProfileSpec;
use super::mirror::secret::{Bundle, SecretSpec, SecretValue};
use super::place::Place;
use super::recall::Recall;
use super::report::{Draft, Report};
use super::text;
use super::trace;
use crate::model::limits;
use crate::model::name::{Labels, Name};
use crate::model::problem::SourceFile;

/// The kinds, as `kind` names them.
pub const KINDS: [&str; 7] = [
    "Organization",
    "EmailServerProfile",
    "Mailbox",
    "MailboxAssignment",
    "MailboxList",
    "Secret",
    "ApprovalList",
];

/// One document.
#[derive(Debug)]
pub struct Document<T> {
    pub name: Spanned<Name>,
    pub labels: Labels,
    pub spec: T,
}

/// A `Secret`, its values read one by one.
#[derive(Debug)]
pub enum SecretContent {
    /// Each with its value, or without one where that could not be read.
    Values(Vec<(Spanned<String>, Option<SecretValue>)>),
    Bundle(Bundle),
}

/// Everything that could be read.
#[derive(Debug, Default)]
pub struct Documents {
    pub organizations: Vec<Document<OrganizationSpec>>,
    pub profiles: Vec<Document<Spanned<ProfileSpec>>>,
    /// What is left of those of which something could not be read: looked at for further mistakes, and never used.
    pub broken_profiles: Vec<Document<Spanned<ProfileSpec>>>,
    pub mailboxes: Vec<Entry>,
    /// How many lists they come from.
    lists: usize,
    /// How many documents were met, empty ones among them.
    met: usize,
    pub assignments: Vec<Document<AssignmentSpec>>,
    pub secrets: Vec<Document<SecretContent>>,
    pub approvals: Vec<Document<ApprovalListSpec>>,
    /// Kind and name of documents that exist but could not be read: references to them are no mistakes.
    pub broken: BTreeSet<(&'static str, String)>,
    /// Something could not be read so far that its name is unknown: what seems to be missing may be there.
    pub unread: bool,
}

/// Reads every YAML file; where they are of several layers, a document of a later layer is merged into the one of the same
/// kind and name.
///
/// Documents that are remembered are left out.
pub fn read(files: &[SourceFile], recall: &mut Recall<'_>, report: &mut Report<'_>) -> Documents {
    let mut documents = Documents::default();
    if files.iter().any(|file| file.layer_number() > 0) {
        layers::read(files, &mut documents, report);
        return documents;
    }
    for (file, index) in files.iter().zip(0u32..) {
        documents.read_new(file, index, recall, report);
    }
    documents
}

/// What becomes of each document of a file.
type Visit<'v, 't, 'r> = &'v mut dyn FnMut(&mut Documents, Tree<'t>, bool, &mut Report<'r>);

/// What has been read so far, to tell what one document was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    /// Documents that mailboxes depend on.
    behind: usize,
    lists: usize,
    mailboxes: usize,
    heard: usize,
}

impl Documents {
    /// Reads the documents of a file that are not remembered.
    fn read_new(&mut self, file: &SourceFile, index: u32, recall: &mut Recall<'_>, report: &mut Report<'_>) {
        if self.is_refused(file, index, report) {
            return;
        }
        if !text::is_yaml(file) {
            return recall.attached(index, file);
        }
        if recall.begin(index) {
            return;
        }
        let Some(text) = text::decode(file, index, report) else {
            return self.not_decoded(file);
        };
        for range in self.ranges(text, index, report) {
            let (base, content) = (text::offset(range.start), text.get(range).unwrap_or_default());
            let Some(met) = recall.meet(index, content) else { continue };
            let before = self.counts(report);
            let (trees, complete) = self.parse(content, base, index, report);
            for tree in trees {
                self.take(&tree, complete, report);
            }
            let after = self.counts(report);
            if after.behind != before.behind {
                recall.is_behind(file, content);
            } else if after == before {
                recall.is_blank(&met);
            } else if after == (Counts { mailboxes: before.mailboxes + 1, ..before })
                && let Some(entry) = self.mailboxes.last_mut()
            {
                entry.document = recall.is_mailbox(&met);
            }
        }
    }

    /// The documents of a text, unless the manifest has too many of them, which is said.
    fn ranges(&mut self, text: &str, index: u32, report: &mut Report<'_>) -> Vec<Range<usize>> {
        let ranges = text::documents(text);
        self.met += ranges.len();
        if self.met <= limits::MANIFEST_DOCUMENTS_MAX {
            return ranges;
        }
        let message = format!("a manifest has at most {} documents", limits::MANIFEST_DOCUMENTS_MAX);
        let draft = Draft::error(codes::TOO_LARGE, Place { file: index, start: 0, end: 0 }, message);
        report.add(draft.hint("put mailboxes of one kind into a MailboxList or a CSV file"));
        self.unread = true;
        Vec::new()
    }

    /// Whether a file could not be read, which is said.
    fn is_refused(&mut self, file: &SourceFile, index: u32, report: &mut Report<'_>) -> bool {
        let Some(fault) = &file.fault else { return false };
        let place = Place { file: index, start: 0, end: 0 };
        let draft = Draft::error(codes::UNREADABLE, place, format!("this file cannot be read: {fault}"));
        report.add(draft.hint("correct it, or move it out of the manifest's directory"));
        self.unread = true;
        true
    }

    fn counts(&self, report: &Report<'_>) -> Counts {
        let behind = self.organizations.len()
            + self.profiles.len()
            + self.assignments.len()
            + self.secrets.len()
            + self.approvals.len();
        Counts { behind, lists: self.lists, mailboxes: self.mailboxes.len(), heard: report.heard() }
    }

    /// Parses the documents of a YAML file, and hands each on, with whether all of it could be read.
    pub fn read_file<'t, 'r>(
        &mut self,
        file: &'t SourceFile,
        index: u32,
        report: &mut Report<'r>,
        visit: Visit<'_, 't, 'r>,
    ) {
        if self.is_refused(file, index, report) || !text::is_yaml(file) {
            return;
        }
        let Some(text) = text::decode(file, index, report) else {
            return self.not_decoded(file);
        };
        for range in self.ranges(text, index, report) {
            let (base, content) = (text::offset(range.start), text.get(range).unwrap_or_default());
            let (trees, complete) = self.parse(content, base, index, report);
            for tree in trees {
                visit(self, tree, complete, report);
            }
        }
    }

    fn parse<'t>(
        &mut self,
        text: &'t str,
        base: u32,
        file: u32,
        report: &mut Report<'_>,
    ) -> (Vec<Tree<'t>>, bool) {
        if let Some((at, character)) = text::forbidden_character(text) {
            let start = base + text::offset(at);
            let place = Place { file, start, end: start + text::offset(character.len_utf8()) };
            let message = format!("the character U+{:04X} cannot stand in a manifest", u32::from(character));
            report.add(Draft::error(codes::CONTROL_CHARACTER, place, message).hint("remove it"));
            self.not_parsed(text);
            return (Vec::new(), false);
        }
        let before = report.problems.len();
        let trees = arena::parse(text, base, file, report);
        let complete = report.problems.len() == before;
        if trees.is_empty() && !complete {
            self.not_parsed(text);
        }
        (trees, complete)
    }

    /// Reads a document. `complete`: nothing of it has been left out because it could not be parsed.
    pub fn take(&mut self, tree: &Tree<'_>, complete: bool, report: &mut Report<'_>) {
        let Some(root) = tree.node(0).filter(|root| !root.is_null()) else { return };
        if root.kind != NodeKind::Map {
            let draft = Draft::error(
                codes::NOT_A_MAP,
                tree.place(0),
                "a document is a map with `apiVersion`, `kind`, `metadata` and `spec`",
            );
            report.add(draft);
            self.unread = true;
            return;
        }
        let Some(kind) = header::read(tree, report) else {
            self.unread = true;
            return;
        };
        let named = self.read_kind(kind, tree, report);
        if named.is_none() || !complete {
            match written_name(tree) {
                Some(name) => {
                    self.broken.insert((kind, name));
                }
                None => self.unread = true,
            }
        }
    }

    /// Reads `metadata` and `spec`. `None`: something in them could not be read.
    fn read_kind(&mut self, kind: &'static str, tree: &Tree<'_>, report: &mut Report<'_>) -> Option<()> {
        let metadata = part::<Metadata>("metadata", tree, report);
        match kind {
            "Organization" => {
                let spec = match tree.entry(0, "spec") {
                    Some(_) => part("spec", tree, report),
                    None => Some(OrganizationSpec::default()),
                };
                self.organizations.push(document(metadata?, spec?, (kind, tree), report));
            }
            "EmailServerProfile" => {
                let spec = rest("spec", tree, report).map(Decoded::into_parts);
                let (metadata, (spec, reading)) = (metadata?, spec?);
                let profile = document(metadata, spec, (kind, tree), report);
                match reading {
                    Reading::Whole => self.profiles.push(profile),
                    Reading::Broken => {
                        self.broken_profiles.push(profile);
                        return None;
                    }
                }
            }
            "Mailbox" => {
                return self.read_mailbox(metadata, tree, report);
            }
            "MailboxAssignment" => {
                let spec = part("spec", tree, report);
                self.assignments.push(document(metadata?, spec?, (kind, tree), report));
            }
            "MailboxList" => {
                let spec = part::<MailboxListSpec>("spec", tree, report);
                let (list, complete) = entries::list(metadata?, spec?, tree, report);
                self.mailboxes.extend(list);
                self.lists += 1;
                if !complete {
                    // Only mailboxes stand in it, and of some of them not even the names may be known.
                    self.broken.insert(("Mailbox", String::new()));
                }
            }
            "Secret" => {
                let spec = part::<Spanned<SecretSpec>>("spec", tree, report);
                let metadata = metadata?;
                let content = secret(spec?, tree, report)?;
                self.secrets.push(document(metadata, content, (kind, tree), report));
            }
            _ => {
                let spec = part("spec", tree, report);
                self.approvals.push(document(metadata?, spec?, (kind, tree), report));
            }
        }
        Some(())
    }

    /// A `Mailbox`. One whose name cannot be read is looked at without it.
    fn read_mailbox(
        &mut self,
        metadata: Option<Metadata>,
        tree: &Tree<'_>,
        report: &mut Report<'_>,
    ) -> Option<()> {
        let (spec, read) = rest::<Spanned<MailboxSpec>>("spec", tree, report)?.into_parts();
        let (metadata, naming, reading) = match metadata {
            Some(metadata) => (metadata, Naming::Written, read),
            None => (unread::nameless(tree)?, Naming::Unreadable, Reading::Broken),
        };
        report.looks_at(reading);
        let entry = entries::mailbox(metadata, (spec, reading), tree, report);
        report.looks_at(Reading::Whole);
        self.mailboxes.push(Entry { naming, ..entry? });
        (reading == Reading::Whole).then_some(())
    }
}

fn document<T>(
    metadata: Metadata,
    spec: T,
    (kind, tree): (&'static str, &Tree<'_>),
    report: &mut Report<'_>,
) -> Document<T> {
    let name = metadata.name.value.as_str();
    if let Some(trace) = report.trace.as_mut().filter(|it| kind == "Organization" || it.wants(name)) {
        trace.documents.insert((kind, name.to_owned()), trace::document(tree));
    }
    Document { name: metadata.name, labels: metadata.labels, spec }
}

fn part<T: DeserializeOwned>(name: &'static str, tree: &Tree<'_>, report: &mut Report<'_>) -> Option<T> {
    match rest(name, tree, report)? {
        Decoded::Whole(value) => Some(value),
        Decoded::Rest(_) => None,
    }
}

/// The same, also where something of it could not be read.
fn rest<T: DeserializeOwned>(
    name: &'static str,
    tree: &Tree<'_>,
    report: &mut Report<'_>,
) -> Option<Decoded<T>> {
    if let Some((_, value)) = tree.entry(0, name) {
        return decode_rest(tree, value, report);
    }
    let place = tree.pairs(0).first().map_or(tree.place(0), |(key, _)| tree.place(*key));
    let missing = Draft::error(codes::MISSING_KEY, place, format!("`{name}` is missing"))
        .label(format!("this document needs the key `{name}`"));
    report.add(match tree.removed(0, name) {
        Some(place) => missing.related(place, "it is removed here"),
        None => missing,
    });
    None
}

/// `metadata.name` of a document that could not be read.
fn written_name(tree: &Tree<'_>) -> Option<String> {
    let (_, metadata) = tree.entry(0, "metadata")?;
    let (_, name) = tree.entry(metadata, "name")?;
    let node = tree.node(name)?;
    matches!(node.kind, NodeKind::Plain | NodeKind::Text).then(|| node.text.to_string())
}

fn secret(spec: Spanned<SecretSpec>, tree: &Tree<'_>, report: &mut Report<'_>) -> Option<SecretContent> {
    // Values are looked at in any case: one in plain text must be known, so that no line shows it.
    let values = spec.value.values.map(|values| {
        values.0.into_iter().map(|(key, raw)| (key, decode(tree, raw.0, report))).collect::<Vec<_>>()
    });
    match (values, spec.value.bundle) {
        (Some(values), None) => {
            if values.is_empty() {
                let draft = Draft::error(codes::EMPTY_SECRET, spec.place, "a Secret has at least one value");
                report.add(draft.hint("`mailplumb secrets set NAME/KEY` adds one"));
            }
            Some(SecretContent::Values(values))
        }
        (None, Some(bundle)) => Some(SecretContent::Bundle(bundle.value)),
        (Some(_), Some(_)) | (None, None) => {
            report.add(
                Draft::error(codes::CHOICE, spec.place, "a Secret has either `values` or a `bundle`")
                    .label("expected exactly one key: `values`, `bundle`"),
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::place::Files;
    use super::*;

    #[test]
    fn a_file_with_too_many_documents_is_refused_whole() {
        let text = "---\n".repeat(limits::MANIFEST_DOCUMENTS_MAX + 1);
        let mut report = Report::new(Files::new(&[]));
        let mut documents = Documents::default();
        assert!(documents.ranges(&text, 0, &mut report).is_empty() && documents.unread);
        assert!(report.has_errors());
        // Those of the next file are too many as well.
        assert!(documents.ranges("a: 1", 0, &mut report).is_empty());
    }
}
