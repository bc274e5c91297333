//! Lays a document of a later layer over one of an earlier layer, node by node, before anything is decoded, so that
//! every value keeps the place where it was written.
//!
//! Maps merge key by key; scalars and lists of the later layer replace the earlier ones; null removes a key; a choice of
//! another key replaces the former choice; the mailboxes of a `MailboxList` merge by name; a value of a `Secret` is
//! replaced as a whole. Merging is associative: what a layer removes or replaces is remembered, not forgotten.

mod merged;

use super::arena::{Kind, Node, Tree};
use super::place::Place;

pub use merged::{Hiding, Merged};

/// A node of a document of one layer.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    pub tree: &'a Tree<'a>,
    pub index: u32,
}

/// Whether a document stands alone, or over others: then null means "not here".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    First,
    Later,
}

/// A part of a document as the layers so far make it.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    content: Content<'a>,
    /// Nothing of what an earlier layer has here is left.
    cut: bool,
    /// The layer before it removed what it has anew.
    anew_after: Option<At<'a>>,
    /// What earlier layers have at its place, the latest first.
    hides: Vec<At<'a>>,
}

#[derive(Debug, Clone)]
enum Content<'a> {
    /// As one layer wrote it, with everything in it.
    Written(At<'a>, Rank),
    Map(At<'a>, Vec<Entry<'a>>),
    List(At<'a>, Vec<Entry<'a>>),
    /// A null; `hit`: it removed something.
    Removed {
        at: At<'a>,
        hit: bool,
    },
}

/// An entry of a map, or an item of a list with its name.
#[derive(Debug, Clone)]
struct Entry<'a> {
    name: &'a str,
    key: At<'a>,
    part: Part<'a>,
}

impl<'a> At<'a> {
    pub fn node(self) -> Option<&'a Node<'a>> {
        self.tree.node(self.index)
    }

    pub fn place(self) -> Place {
        self.tree.place(self.index)
    }

    fn is(self, kind: Kind) -> bool {
        self.node().is_some_and(|node| node.kind == kind)
    }

    fn text(self) -> &'a str {
        self.node().map_or("", |node| node.text.as_ref())
    }

    fn to(self, index: u32) -> Self {
        Self { index, ..self }
    }
}

impl<'a> Part<'a> {
    pub fn new(at: At<'a>, rank: Rank) -> Self {
        let is_null = rank == Rank::Later && at.node().is_some_and(Node::is_null);
        let content = if is_null { Content::Removed { at, hit: false } } else { Content::Written(at, rank) };
        Self { content, cut: false, anew_after: None, hides: Vec::new() }
    }

    fn at(&self) -> At<'a> {
        match self.content {
            Content::Written(at, _) | Content::Map(at, _) | Content::List(at, _) => at,
            Content::Removed { at, .. } => at,
        }
    }

    fn is_removed(&self) -> bool {
        matches!(self.content, Content::Removed { .. })
    }

    /// The entries of a map, of whatever form.
    fn entries(&self) -> Option<Vec<Entry<'a>>> {
        match &self.content {
            Content::Map(_, entries) => Some(entries.clone()),
            Content::Written(at, rank) if at.is(Kind::Map) => {
                let pairs = at.tree.pairs(at.index).into_iter();
                let entry = |(key, value)| Entry {
                    name: at.to(key).text(),
                    key: at.to(key),
                    part: Part::new(at.to(value), *rank),
                };
                Some(pairs.map(entry).collect())
            }
            Content::Written(..) | Content::List(..) | Content::Removed { .. } => None,
        }
    }

    /// The items of a list, each with the name that is written in it.
    fn items(&self) -> Option<Vec<Entry<'a>>> {
        match &self.content {
            Content::List(_, items) => Some(items.clone()),
            Content::Written(at, rank) if at.is(Kind::List) => {
                let item = |index| {
                    let at = at.to(index);
                    let mut part = Part::new(at, *rank);
                    if *rank == Rank::Later && is_removal(at) {
                        part.content = Content::Removed { at, hit: false };
                    }
                    Entry { name: at.tree.text(index, "name").unwrap_or_default(), key: at, part }
                };
                Some(at.tree.children(at.index).map(item).collect())
            }
            Content::Written(..) | Content::Map(..) | Content::Removed { .. } => None,
        }
    }

    fn hiding(mut self, earlier: Part<'a>) -> Self {
        if !earlier.is_removed() {
            self.hides.push(earlier.at());
        }
        self.hides.extend(earlier.hides);
        self
    }
}

/// `{ name: x, remove: true }` and nothing else.
fn is_removal(at: At<'_>) -> bool {
    let pairs = at.tree.pairs(at.index);
    pairs.len() == 2 && at.tree.text(at.index, "name").is_some() && removal(at.tree, at.index).is_some()
}

/// Where a map says `remove: true`.
pub fn removal(tree: &Tree<'_>, map: u32) -> Option<u32> {
    let (key, value) = tree.entry(map, "remove")?;
    tree.node(value).is_some_and(|node| node.kind == Kind::Plain && node.text == "true").then_some(key)
}

/// Lays parts of a document of this kind over each other.
#[derive(Debug, Clone, Copy)]
pub struct Merge<'k> {
    pub kind: &'k str,
}

impl Merge<'_> {
    /// The earlier part with the later one over it; `path` leads from the document to both.
    pub fn over<'a>(self, earlier: Part<'a>, later: Part<'a>, path: &mut Vec<&'a str>) -> Part<'a> {
        if let Content::Removed { at, hit } = later.content {
            let hit = hit
                || match earlier.content {
                    Content::Removed { hit, .. } => hit,
                    Content::Written(..) | Content::Map(..) | Content::List(..) => true,
                };
            let content = Content::Removed { at, hit };
            let removed = Part { content, cut: false, anew_after: None, hides: later.hides };
            return removed.hiding(earlier);
        }
        if later.cut || is_whole(self.kind, path) {
            return later.hiding(earlier);
        }
        // A document, or a mailbox of a list, is declared where its name is written first.
        if path.last() == Some(&"name") && earlier.at().text() == later.at().text() {
            return earlier;
        }
        if let (Some(below), Some(above)) = (earlier.entries(), later.entries()) {
            let content = Content::Map(earlier.at(), self.entries(below, above, path));
            return Part { content, ..earlier };
        }
        if is_by_name(self.kind, path)
            && let (Some(below), Some(above)) = (earlier.items(), later.items())
        {
            let content = Content::List(earlier.at(), self.items(below, above, path));
            return Part { content, ..earlier };
        }
        let anew_after = match earlier.content {
            Content::Removed { at, .. } => Some(at),
            Content::Written(..) | Content::Map(..) | Content::List(..) => None,
        };
        Part { cut: true, anew_after, ..later }.hiding(earlier)
    }

    fn entries<'a>(
        self,
        below: Vec<Entry<'a>>,
        above: Vec<Entry<'a>>,
        path: &mut Vec<&'a str>,
    ) -> Vec<Entry<'a>> {
        let mut entries = below;
        let choices = choices(self.kind, path);
        let chosen: Vec<&str> = above.iter().filter(|it| !it.part.is_removed()).map(|it| it.name).collect();
        for mut entry in above {
            if choices.contains(&entry.name) {
                choose(&mut entries, &mut entry, choices, &chosen);
            }
            path.push(entry.name);
            let at = entries.iter().position(|earlier| earlier.name == entry.name);
            match at.and_then(|at| entries.get_mut(at)) {
                Some(earlier) => {
                    let merged = self.over(earlier.part.clone(), entry.part, path);
                    // A map keeps the key it had; what is replaced stands where it is written now.
                    let is_kept = merged.at().place() == earlier.part.at().place();
                    earlier.key = if is_kept { earlier.key } else { entry.key };
                    earlier.part = merged;
                }
                None => entries.push(entry),
            }
            path.pop();
        }
        entries
    }

    fn items<'a>(
        self,
        below: Vec<Entry<'a>>,
        above: Vec<Entry<'a>>,
        path: &mut Vec<&'a str>,
    ) -> Vec<Entry<'a>> {
        let mut items = below;
        let mut places: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
        for (at, item) in items.iter().enumerate().filter(|(_, item)| !item.name.is_empty()) {
            places.entry(item.name).or_insert(at);
        }
        for item in above {
            // Each earlier mailbox is changed once by one layer; a second one is found as a duplicate later on.
            let at = places.remove(item.name);
            match at.and_then(|at| items.get_mut(at)) {
                Some(earlier) => {
                    path.push(item.name);
                    earlier.part = self.over(earlier.part.clone(), item.part, path);
                    path.pop();
                }
                None => items.push(item),
            }
        }
        items
    }
}

/// A choice of another key takes the place of the former choice; one that is taken back leaves none.
fn choose<'a>(
    entries: &mut Vec<Entry<'a>>,
    entry: &mut Entry<'a>,
    choices: &[&'static str],
    chosen: &[&str],
) {
    let others = |name: &str| choices.contains(&name) && name != entry.name && !chosen.contains(&name);
    if !entry.part.is_removed() {
        for other in entries.iter_mut().filter(|it| others(it.name) && !it.part.is_removed()) {
            let removed = Content::Removed { at: entry.key, hit: true };
            let former = std::mem::replace(
                &mut other.part,
                Part { content: removed, cut: false, anew_after: None, hides: Vec::new() },
            );
            entry.part = entry.part.clone().hiding(former);
            entry.part.cut = true;
        }
        return;
    }
    let is_taken_back = entries.iter().any(|it| it.name == entry.name && !it.part.is_removed());
    for name in choices.iter().filter(|name| is_taken_back && others(name)) {
        if !entries.iter().any(|it| it.name == *name) {
            let content = Content::Removed { at: entry.key, hit: true };
            entries.push(Entry {
                name,
                key: entry.key,
                part: Part { content, cut: false, anew_after: None, hides: Vec::new() },
            });
        }
    }
}

/// The keys of which a map at this place has one.
fn choices(kind: &str, path: &[&str]) -> &'static [&'static str] {
    match (kind, path) {
        ("EmailServerProfile", ["spec"]) => &["exchange", "exchangeOnline", "pop3Smtp", "imapSmtp"],
        ("EmailServerProfile", ["spec", .., "credentials"]) => {
            &["mailbox", "profile", "windowsIntegrated", "anonymous", "oauth2"]
        }
        ("EmailServerProfile", ["spec", "exchange", "location"]) => &["fixed", "autodiscover"],
        ("EmailServerProfile", ["spec", "exchangeOnline", "serverToServer"]) => {
            &["clientSecret", "certificate"]
        }
        ("Mailbox", ["spec"]) => &["user", "queue", "forward"],
        ("Secret", ["spec"]) => &["values", "bundle"],
        _ => &[],
    }
}

/// What is one thing although it is a map: a value of a `Secret` with those that can open it.
fn is_whole(kind: &str, path: &[&str]) -> bool {
    kind == "Secret" && matches!(path, ["spec", "values", _] | ["spec", "bundle"])
}

/// Lists whose items are told apart by their names.
fn is_by_name(kind: &str, path: &[&str]) -> bool {
    kind == "MailboxList" && matches!(path, ["spec", "users" | "queues" | "forwards"])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::super::arena;
    use super::super::place::Files;
    use super::super::report::Report;
    use super::*;

    fn tree(text: &str) -> Tree<'_> {
        let mut report = Report::new(Files::new(&[]));
        arena::parse(text, 0, 0, &mut report).remove(0)
    }

    /// What is left of a part, for comparison: keys in any order.
    fn value(nodes: &Tree<'_>, index: u32) -> Value {
        let node = nodes.node(index).unwrap();
        match node.kind {
            Kind::Map => {
                let pairs = nodes.pairs(index).into_iter();
                let pairs =
                    pairs.map(|(key, of)| (nodes.node(key).unwrap().text.to_string(), value(nodes, of)));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
            Kind::List => nodes.children(index).map(|child| value(nodes, child)).collect(),
            Kind::Plain | Kind::Text | Kind::Refused => Value::String(node.text.to_string()),
        }
    }

    fn finished(part: &Part<'_>) -> Value {
        value(&Merged::of(part).into_tree(0), 0)
    }

    /// Parts of a document, as a base and as layers over it.
    fn part(depth: u32) -> BoxedStrategy<Value> {
        let leaf = prop_oneof![Just(Value::Null), (1..4).prop_map(|number| json!(number))];
        if depth == 0 {
            return leaf.boxed();
        }
        let keys = prop::sample::select(vec![
            "imapSmtp",
            "pop3Smtp",
            "exchange",
            "credentials",
            "mailbox",
            "profile",
        ]);
        let map = prop::collection::btree_map(keys, part(depth - 1), 0..4);
        prop_oneof![1 => leaf, 4 => map.prop_map(|map| json!(chosen(map)))].boxed()
    }

    /// A choice that names two keys is refused wherever it stands, so no law is about it. One that names a key takes the
    /// others away already; if it also says so of one, what is laid over it cannot tell that the others were there.
    fn chosen(mut map: BTreeMap<&'static str, Value>) -> BTreeMap<&'static str, Value> {
        for choice in [["exchange", "imapSmtp", "pop3Smtp"].as_slice(), &["mailbox", "profile"]] {
            let mut named = false;
            map.retain(|key, value| {
                let is_kept = value.is_null() || !choice.contains(key) || !named;
                named |= choice.contains(key) && !value.is_null();
                is_kept
            });
            map.retain(|key, value| !(named && choice.contains(key) && value.is_null()));
        }
        map
    }

    fn users() -> impl Strategy<Value = Value> {
        let user = (prop::sample::select(vec!["a", "b", "c"]), part(1), any::<bool>());
        let user = user.prop_map(|(name, x, remove)| {
            if remove { json!({ "name": name, "remove": true }) } else { json!({ "name": name, "x": x }) }
        });
        prop::collection::vec(user, 0..3).prop_map(|mut users| {
            users.sort_by_key(|user| user["name"].to_string());
            users.dedup_by_key(|user| user["name"].to_string());
            Value::Array(users)
        })
    }

    /// A base has neither nulls nor removals.
    fn base(value: Value) -> Value {
        match value {
            Value::Object(map) => {
                let kept = map.into_iter().filter(|(_, value)| !value.is_null());
                Value::Object(kept.map(|(key, value)| (key, base(value))).collect())
            }
            Value::Array(items) => {
                items.into_iter().filter(|item| item.get("remove").is_none()).map(base).collect()
            }
            scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => scalar,
        }
    }

    fn both_ways(kind: &str, texts: [&Value; 3]) -> (Value, Value) {
        let texts = texts.map(|text| json!({ "spec": text }).to_string());
        let trees = texts.each_ref().map(|text| tree(text));
        let ranks = [Rank::First, Rank::Later, Rank::Later];
        let at = |index: usize| Part::new(At { tree: &trees[index], index: 0 }, ranks[index]);
        let over = |one, other| Merge { kind }.over(one, other, &mut Vec::new());
        (finished(&over(over(at(0), at(1)), at(2))), finished(&over(at(0), over(at(1), at(2)))))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn merging_is_associative(one in part(3), two in part(3), three in part(3)) {
            let one = if one.is_object() { base(one) } else { json!({}) };
            let (left, right) = both_ways("EmailServerProfile", [&one, &two, &three]);
            prop_assert_eq!(left, right);
        }

        #[test]
        fn merging_lists_by_name_is_associative(one in users(), two in users(), three in users()) {
            let [one, two, three] = [base(one), two, three].map(|users| json!({ "users": users }));
            let (left, right) = both_ways("MailboxList", [&one, &two, &three]);
            prop_assert_eq!(left, right);
        }
    }

    #[test]
    fn a_choice_of_another_key_replaces_and_of_the_same_key_merges() {
        let merged = |kind: &str, one: Value, other: Value| {
            both_ways(kind, [&one, &other, &json!({})]).0["spec"].clone()
        };
        let pop = json!({ "owner": "x", "pop3Smtp": { "trust": "a" } });
        let other = merged("EmailServerProfile", pop.clone(), json!({ "imapSmtp": { "trust": "b" } }));
        assert_eq!(other, json!({ "owner": "x", "imapSmtp": { "trust": "b" } }));
        let same = merged("EmailServerProfile", pop, json!({ "pop3Smtp": { "timeout": "5s" } }));
        assert_eq!(same, json!({ "owner": "x", "pop3Smtp": { "trust": "a", "timeout": "5s" } }));
        let values = |value: Value| json!({ "values": { "a": value } });
        let secret =
            merged("Secret", values(json!({ "age": "x", "expires": "y" })), values(json!({ "env": "Z" })));
        assert_eq!(secret, values(json!({ "env": "Z" })));
        let removed = merged("Secret", values(json!({ "env": "Z" })), json!({ "values": { "a": null } }));
        assert_eq!(removed, json!({ "values": {} }));
    }
}
