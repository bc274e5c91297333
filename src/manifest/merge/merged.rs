//! What came of merging, as the nodes of one document, and what there is to say about it.

use super::{At, Content, Entry, Part, Rank};
use crate::manifest::arena::{Kind, Node, RemovedKey, Tree};
use crate::manifest::place::Place;
use crate::manifest::text;

/// What came of merging.
#[derive(Debug, Default)]
pub struct Merged<'a> {
    pub nodes: Vec<Node<'a>>,
    pub files: Vec<u32>,
    /// What counts no longer, in the order of the document.
    pub hidings: Vec<Hiding<'a>>,
    /// Keys that are removed but that no earlier layer has.
    pub missed: Vec<At<'a>>,
    /// Keys that are removed.
    pub removed: Vec<RemovedKey<'a>>,
    /// Items of lists that were removed before, each with where.
    pub anew: Vec<(u32, Place)>,
    path: Vec<&'a str>,
}

/// A value of a later layer, or a null, and what it hides in earlier ones.
#[derive(Debug)]
pub struct Hiding<'a> {
    /// From the document to the value, dotted.
    pub path: String,
    pub place: Place,
    pub removed: bool,
    pub values: Vec<At<'a>>,
}

impl<'a> Merged<'a> {
    /// The nodes of a part, in the order of an arena.
    pub fn of(part: &Part<'a>) -> Self {
        let mut merged = Self::default();
        merged.part(part);
        merged
    }

    /// A document that begins in this file.
    pub fn into_tree(self, file: u32) -> Tree<'a> {
        let Self { nodes, files, removed, anew, .. } = self;
        Tree { nodes, file, files, removed, anew }
    }

    fn part(&mut self, part: &Part<'a>) {
        if !part.hides.is_empty() {
            self.hidings.push(Hiding {
                path: self.path.join("."),
                place: part.at().place(),
                removed: part.is_removed(),
                values: part.hides.clone(),
            });
        }
        match &part.content {
            // A mailbox that no list has may be in a CSV file; whoever reads that decides.
            Content::Removed { at, hit: false } if at.is(Kind::Map) => self.copy(*at),
            Content::Removed { at, hit: false } => self.missed.push(*at),
            Content::Removed { hit: true, .. } => {}
            Content::Written(at, Rank::First) => self.copy(*at),
            Content::Written(at, Rank::Later) => match part.entries().or_else(|| part.items()) {
                Some(children) => self.collection(*at, &children),
                None => self.copy(*at),
            },
            Content::Map(at, children) | Content::List(at, children) => self.collection(*at, children),
        }
    }

    fn collection(&mut self, at: At<'a>, children: &[Entry<'a>]) {
        let Some(node) = at.node() else { return };
        let index = self.nodes.len();
        self.push(node.clone(), at.place().file);
        for child in children {
            if node.kind == Kind::Map && !child.part.is_removed() {
                self.copy(child.key);
            } else if node.kind == Kind::Map {
                let (map, place) = (text::offset(index), child.part.at().place());
                self.removed.push(RemovedKey { map, key: child.name, place });
            } else if let Content::Removed { at, hit: true } = child.part.content {
                let map = text::offset(index);
                self.removed.push(RemovedKey { map, key: child.name, place: at.place() });
            } else if let Some(removal) = child.part.anew_after {
                self.anew.push((text::offset(self.nodes.len()), removal.place()));
            }
            self.path.push(child.name);
            self.part(&child.part);
            self.path.pop();
        }
        let next = text::offset(self.nodes.len());
        if let Some(node) = self.nodes.get_mut(index) {
            node.next = next;
        }
    }

    /// A node with everything in it, as it stands.
    fn copy(&mut self, at: At<'a>) {
        let base = text::offset(self.nodes.len());
        let end = at.node().map_or(at.index, |node| node.next);
        for index in at.index..end {
            let Some(node) = at.to(index).node() else { return };
            let next = node.next - at.index + base;
            self.push(Node { next, ..node.clone() }, at.to(index).place().file);
        }
    }

    fn push(&mut self, node: Node<'a>, file: u32) {
        self.nodes.push(node);
        self.files.push(file);
    }
}
