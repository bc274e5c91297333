//! The nodes of a document, side by side.

use std::borrow::Cow;

use crate::manifest::place::Place;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A scalar without quotes: the only one that can be null, true, false or a number.
    Plain,
    /// A quoted or block scalar: always a text.
    Text,
    List,
    Map,
    /// Something that has been reported already and has no value.
    Refused,
}

#[derive(Debug, Clone)]
pub struct Node<'t> {
    pub kind: Kind,
    pub start: u32,
    pub end: u32,
    /// The index behind this node and everything in it.
    pub next: u32,
    pub text: Cow<'t, str>,
}

impl Node<'_> {
    pub fn is_null(&self) -> bool {
        self.kind == Kind::Plain && matches!(&*self.text, "" | "~" | "null" | "Null" | "NULL")
    }
}

/// A document. `nodes[0]` is its root; an empty document has no node.
#[derive(Debug)]
pub struct Tree<'t> {
    pub nodes: Vec<Node<'t>>,
    pub file: u32,
    /// The file of each node, where they come from several layers; empty where all are of `file`.
    pub files: Vec<u32>,
    /// Keys of maps, and names of mailboxes in lists, that an earlier layer has and a later one removes.
    pub removed: Vec<RemovedKey<'t>>,
    /// Mailboxes of lists that one layer removes and a later one has anew, each with where it is removed.
    pub anew: Vec<(u32, Place)>,
}

/// A key that a map would have, had no later layer removed it.
#[derive(Debug, Clone, Copy)]
pub struct RemovedKey<'t> {
    pub map: u32,
    pub key: &'t str,
    /// Where it is removed.
    pub place: Place,
}

impl<'t> Tree<'t> {
    /// Where a later layer removes this key of a map.
    pub fn removed(&self, map: u32, key: &str) -> Option<Place> {
        self.removed
            .iter()
            .find(|removed| removed.map == map && removed.key == key)
            .map(|removed| removed.place)
    }

    /// The mailboxes of this list that a later layer removes, by name, each with where.
    pub fn removed_from(&self, list: u32) -> impl Iterator<Item = (&'t str, Place)> {
        self.removed.iter().filter(move |removed| removed.map == list).map(|it| (it.key, it.place))
    }

    /// Where a mailbox of this list is removed before a later layer, which wrote this item, has it anew.
    pub fn removed_before(&self, item: u32) -> Option<Place> {
        self.anew.iter().find(|(anew, _)| *anew == item).map(|(_, place)| *place)
    }

    pub fn node(&self, index: u32) -> Option<&Node<'t>> {
        self.nodes.get(index as usize)
    }

    pub fn place(&self, index: u32) -> Place {
        let (start, end) = self.node(index).map_or((0, 0), |node| (node.start, node.end));
        Place { file: self.files.get(index as usize).copied().unwrap_or(self.file), start, end }
    }

    /// The text of the scalar under a name in a map.
    pub fn text(&self, index: u32, name: &str) -> Option<&str> {
        let node = self.node(self.entry(index, name)?.1)?;
        matches!(node.kind, Kind::Plain | Kind::Text).then(|| node.text.as_ref())
    }

    /// The direct children of a node: elements of a list, keys and values of a map by turns.
    pub fn children(&self, index: u32) -> impl Iterator<Item = u32> {
        let end = self.node(index).map_or(0, |node| node.next);
        let mut at = index + 1;
        std::iter::from_fn(move || {
            let child = at;
            if child >= end {
                return None;
            }
            at = self.node(child)?.next;
            Some(child)
        })
    }

    /// Keys and values of a map; nothing for other nodes.
    pub fn pairs(&self, index: u32) -> Vec<(u32, u32)> {
        self.each_pair(index).collect()
    }

    /// [`Tree::pairs`], one by one.
    pub fn each_pair(&self, index: u32) -> impl Iterator<Item = (u32, u32)> {
        let is_map = self.node(index).is_some_and(|node| node.kind == Kind::Map);
        let mut children = self.children(index);
        std::iter::from_fn(move || if is_map { Some((children.next()?, children.next()?)) } else { None })
    }

    /// The key and the value that stand under a name in a map.
    pub fn entry(&self, index: u32, name: &str) -> Option<(u32, u32)> {
        self.each_pair(index).find(|(key, _)| self.node(*key).is_some_and(|node| node.text == name))
    }
}
