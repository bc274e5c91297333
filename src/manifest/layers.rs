//! Several layers as one set of documents: a document of a later layer is merged into the one of the same kind and name,
//! others are added, and `metadata: { name: x, remove: true }` takes one away.
//!
//! Documents of the first layer that no other layer mentions are read as they come, as if they stood alone.

use std::collections::HashMap;

use super::arena::Tree;
use super::codes;
use super::decode::plaintext;
use super::documents::Documents;
use super::merge::{At, Merge, Merged, Part, Rank, removal};
use super::place::Place;
use super::report::{Draft, Report, did_you_mean};
use super::trace;
use crate::model::limits;
use crate::model::problem::SourceFile;

/// A document and whether all of it could be parsed.
struct Parsed<'t> {
    tree: Tree<'t>,
    complete: bool,
}

/// Kind and name, as written.
type Key<'a> = (&'a str, &'a str);

/// A document as the layers so far make it.
struct Composed<'a> {
    key: Key<'a>,
    /// None: removed.
    part: Option<Part<'a>>,
    /// The last layer that said something about it, and where.
    layer: u16,
    place: Place,
    complete: bool,
    /// No earlier layer has it: it is a new one, or its name is misspelt.
    is_new: bool,
}

/// Reads all layers; the files of one follow those of the layer before it.
pub fn read(files: &[SourceFile], documents: &mut Documents, report: &mut Report<'_>) {
    let mut above: Vec<Parsed<'_>> = Vec::new();
    for (file, index) in files.iter().zip(0u32..).filter(|(file, _)| file.layer_number() > 0) {
        documents.read_file(file, index, report, &mut |_, tree, complete, _| {
            above.push(Parsed { tree, complete });
        });
    }
    let mentioned: std::collections::HashSet<(String, String)> = above
        .iter()
        .filter_map(|parsed| key(&parsed.tree))
        .map(|(kind, name)| (kind.to_owned(), name.to_owned()))
        .collect();
    let mut below: Vec<Parsed<'_>> = Vec::new();
    for (file, index) in files.iter().zip(0u32..).filter(|(file, _)| file.layer_number() == 0) {
        documents.read_file(file, index, report, &mut |documents, tree, complete, report| {
            let is_mentioned = key(&tree)
                .is_some_and(|(kind, name)| mentioned.contains(&(kind.to_owned(), name.to_owned())));
            if is_mentioned {
                below.push(Parsed { tree, complete });
            } else {
                documents.take(&tree, complete, report);
            }
        });
    }
    let mut composition = Composition { documents: Vec::new(), known: HashMap::new() };
    for parsed in &below {
        composition.first(parsed, documents, report);
    }
    for parsed in &above {
        composition.later(parsed, documents, report);
    }
    composition.take(documents, report);
}

/// Kind and name of a document, if both are written.
fn key<'a>(tree: &'a Tree<'_>) -> Option<Key<'a>> {
    let (_, metadata) = tree.entry(0, "metadata")?;
    Some((tree.text(0, "kind")?, tree.text(metadata, "name")?))
}

fn name_place(tree: &Tree<'_>) -> Place {
    let name = tree.entry(0, "metadata").and_then(|(_, metadata)| tree.entry(metadata, "name"));
    tree.place(name.map_or(0, |(_, name)| name))
}

struct Composition<'a> {
    documents: Vec<Composed<'a>>,
    known: HashMap<Key<'a>, usize>,
}

impl<'a> Composition<'a> {
    /// A document of the first layer. A second one of the same name is read on its own, and reported as what it is.
    fn first(&mut self, parsed: &'a Parsed<'_>, documents: &mut Documents, report: &mut Report<'_>) {
        let tree = &parsed.tree;
        match key(tree) {
            Some(key) if !self.known.contains_key(&key) => self.add(key, parsed, Rank::First, report),
            Some(_) | None => documents.take(tree, parsed.complete, report),
        }
    }

    fn later(&mut self, parsed: &'a Parsed<'_>, documents: &mut Documents, report: &mut Report<'_>) {
        let tree = &parsed.tree;
        let Some(key) = key(tree) else {
            documents.take(tree, parsed.complete, report);
            return;
        };
        let layer = layer_of(tree.place(0), report);
        let removal = tree.entry(0, "metadata").and_then(|(_, metadata)| removal(tree, metadata));
        let known = self.known.get(&key).and_then(|at| self.documents.get_mut(*at));
        match (known, removal) {
            (Some(known), _) if known.layer == layer => {
                report.add(twice(key, name_place(tree), known.place));
            }
            (Some(known), Some(removal)) if known.part.is_some() => {
                check_removal(tree, removal, report);
                *known = Composed { part: None, layer, place: name_place(tree), ..*known };
            }
            (_, Some(removal)) => {
                let hint = self.likest(key, documents);
                report.add(nothing_to_remove(key, tree.place(removal)).hint_if(hint));
            }
            (Some(known), None) => {
                known.part = Some(match known.part.take() {
                    Some(part) => Merge { kind: key.0 }.over(part, whole(tree, Rank::Later), &mut Vec::new()),
                    None => whole(tree, Rank::Later),
                });
                known.layer = layer;
                known.place = name_place(tree);
                known.complete &= parsed.complete;
            }
            // Without the key of every document it was meant for an earlier one: what else it lacks is not worth a word.
            (None, None) if tree.entry(0, "apiVersion").is_none() => {
                let hint = self.likest(key, documents);
                report.add(unlike_any(key, name_place(tree)).hint_if(hint));
                documents.unread = true;
            }
            (None, None) => self.add(key, parsed, Rank::Later, report),
        }
    }

    fn add(&mut self, key: Key<'a>, parsed: &'a Parsed<'_>, rank: Rank, report: &Report<'_>) {
        let tree = &parsed.tree;
        self.known.insert(key, self.documents.len());
        self.documents.push(Composed {
            key,
            part: Some(whole(tree, rank)),
            layer: layer_of(tree.place(0), report),
            place: name_place(tree),
            complete: parsed.complete,
            is_new: rank == Rank::Later,
        });
    }

    /// What a name that no earlier layer has was perhaps meant for, as a hint.
    fn likest(&self, key: Key<'_>, documents: &Documents) -> Option<String> {
        let merged = self.documents.iter().filter(|it| it.key.0 == key.0 && it.part.is_some() && !it.is_new);
        let is_new = |name: &str| {
            self.known.get(&(key.0, name)).and_then(|at| self.documents.get(*at)).is_some_and(|it| it.is_new)
        };
        let alone = documents.names(key.0).filter(|name| *name != key.1 && !is_new(name));
        did_you_mean(key.1, merged.map(|it| it.key.1).chain(alone))
    }

    fn take(self, documents: &mut Documents, report: &mut Report<'_>) {
        for composed in &self.documents {
            let Some(part) = &composed.part else { continue };
            let merged = Merged::of(part);
            said_of_layers(composed.key, &merged, report);
            if merged.nodes.len() > limits::MANIFEST_NODES_MAX {
                let message = format!(
                    "the layers of this document together have more than {} nodes",
                    limits::MANIFEST_NODES_MAX
                );
                report.add(Draft::error(codes::TOO_LARGE, composed.place, message));
                documents.unread = true;
                continue;
            }
            let file = merged.files.first().copied().unwrap_or_default();
            let tree = merged.into_tree(file);
            let before = report.problems.len();
            documents.take(&tree, composed.complete, report);
            if composed.is_new
                && report.lacks_keys(before)
                && let Some(hint) = self.likest(composed.key, documents)
            {
                report.hint_at_missing_keys(before, &lone(composed.key, &hint));
            }
        }
    }
}

/// What there is to say about what later layers remove and hide.
fn said_of_layers(key: Key<'_>, merged: &Merged<'_>, report: &mut Report<'_>) {
    for missed in &merged.missed {
        report.add(no_effect(missed.place()));
    }
    for hiding in &merged.hidings {
        for at in &hiding.values {
            for place in trace::plaintext(key.0, &hiding.path, *at) {
                report.add(plaintext(place));
            }
        }
    }
    if let Some(trace) = &mut report.trace {
        trace.layers(key, &merged.hidings);
    }
}

/// A line of a CSV file with an entry of a later layer over it.
pub fn over_row<'a>(row: &'a Tree<'a>, tree: &'a Tree<'a>, entry: u32) -> Tree<'a> {
    let later = Part::new(At { tree, index: entry }, Rank::First);
    let part = Merge { kind: "" }.over(whole(row, Rank::First), later, &mut Vec::new());
    Merged::of(&part).into_tree(row.file)
}

fn whole<'a>(tree: &'a Tree<'_>, rank: Rank) -> Part<'a> {
    Part::new(At { tree, index: 0 }, rank)
}

/// The number of the layer that a place is in.
pub fn layer_of(place: Place, report: &Report<'_>) -> u16 {
    report.files.files.get(place.file as usize).map_or(0, SourceFile::layer_number)
}

fn check_removal(tree: &Tree<'_>, removal: u32, report: &mut Report<'_>) {
    let allowed = ["apiVersion", "kind", "metadata"];
    let content = tree
        .pairs(0)
        .into_iter()
        .find(|(key, _)| tree.node(*key).is_some_and(|node| !allowed.contains(&node.text.as_ref())));
    if let Some((key, _)) = content {
        report.add(
            Draft::error(
                codes::REMOVAL_WITH_CONTENT,
                tree.place(key),
                "a document that is removed has no content",
            )
            .related(tree.place(removal), "removed here")
            .hint("leave out one of the two"),
        );
    }
}

pub fn twice(key: Key<'_>, place: Place, first: Place) -> Draft {
    let (kind, name) = key;
    let message = format!("this layer already has a {} `{}`", kind.escape_debug(), name.escape_debug());
    Draft::error(codes::LAYER_DUPLICATE, place, message)
        .related(first, "first here")
        .hint("write what one layer says about a document in one document")
}

pub fn nothing_to_remove(key: Key<'_>, place: Place) -> Draft {
    let (kind, name) = key;
    let message = format!(
        "there is no {} `{}` to remove in an earlier layer",
        kind.escape_debug(),
        name.escape_debug()
    );
    Draft::error(codes::NOTHING_TO_REMOVE, place, message)
}

fn unlike_any(key: Key<'_>, place: Place) -> Draft {
    let (kind, name) = key;
    let message = format!(
        "no earlier layer has a {} document named `{}`, and a new one needs `apiVersion`",
        kind.escape_debug(),
        name.escape_debug()
    );
    Draft::error(codes::API_VERSION, place, message)
        .hint("a mailbox of a list is changed in its list: `users: [{ name: …, … }]`")
}

/// Where a new document lacks something, it was perhaps meant for an earlier one.
fn lone((kind, name): Key<'_>, hint: &str) -> String {
    let name = name.escape_debug();
    format!("no earlier layer has the {kind} `{name}`; {hint}")
}

fn no_effect(place: Place) -> Draft {
    Draft::warning(
        codes::NOTHING_TO_REMOVE,
        place,
        "this null removes nothing: no earlier layer has this key",
    )
    .hint("look at the spelling of the key, or remove the line")
}
