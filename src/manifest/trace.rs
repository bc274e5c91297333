//! What one reading remembers for `explain`: which values were written where for the wanted subjects, and what they
//! won over. Without wanted subjects nothing is remembered.

use std::collections::{BTreeMap, BTreeSet};

use super::arena::{Kind, Tree};
use super::merge::{At, Hiding};
use super::mirror::mailbox::Settings;
use super::place::Place;
use crate::model::name::{Address, Name};

/// What is remembered.
#[derive(Debug, Default)]
pub struct Trace {
    /// Names, and addresses in lower case.
    wanted: BTreeSet<String>,
    /// Where the organization, and each wanted profile, has its values; by kind and name.
    pub documents: BTreeMap<(&'static str, String), Written>,
    pub mailboxes: BTreeMap<Name, MailboxTrace>,
    pub settings: BTreeMap<Name, SettingsTrace>,
    /// Why a setting of a mailbox is `none` although a default says otherwise.
    pub impossible: BTreeMap<(Name, &'static str), String>,
    /// Where a mailbox is approved.
    pub approvals: BTreeMap<Name, Place>,
    /// By the place of the value that counts: what earlier layers have there.
    pub hidden: BTreeMap<Place, Vec<Former>>,
    pub removed: Vec<Removed>,
}

/// The places of all values of a document or of an entry of a list, by dotted path.
pub type Written = BTreeMap<String, Place>;

/// Where a mailbox is written.
#[derive(Debug)]
pub struct MailboxTrace {
    pub written: Written,
    pub within: Within,
    /// Its own settings, without those of a list.
    pub own: Settings,
    /// `common` of its list.
    pub common: Settings,
    /// What else it has from its list: labels, and whether mail is deleted.
    pub shared: Written,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Within {
    Document,
    List { name: String, group: &'static str },
    Csv { name: String },
}

/// How the settings of a mailbox were completed.
#[derive(Debug)]
pub struct SettingsTrace {
    /// What counts, except for the organization's defaults.
    pub given: Settings,
    /// Those that select it.
    pub assignments: Vec<(Name, Settings)>,
}

/// Something that a later layer takes away.
#[derive(Debug)]
pub struct Removed {
    pub kind: String,
    pub name: String,
    pub path: String,
    pub at: Place,
    pub values: Vec<Former>,
}

/// A value of an earlier layer that does not count.
#[derive(Debug, Clone)]
pub struct Former {
    pub place: Place,
    /// Its key, where that is another one than that of what counts now.
    pub key: Option<String>,
}

impl Trace {
    pub fn new(wanted: impl IntoIterator<Item = String>) -> Self {
        Self { wanted: wanted.into_iter().map(|word| word.to_lowercase()).collect(), ..Self::default() }
    }

    pub fn wants(&self, name: &str) -> bool {
        self.wanted.contains(name)
    }

    pub fn wants_mailbox(&self, name: &Name, address: &Address) -> bool {
        self.wants(name.as_str()) || self.wanted.contains(&address.key())
    }

    /// Remembers what the layers of a document hide and remove.
    pub fn layers(&mut self, (kind, name): (&str, &str), hidings: &[Hiding<'_>]) {
        for hiding in hidings {
            let values = hiding.values.iter().map(|at| former(&hiding.path, *at));
            match hiding.removed {
                false => self.hidden.entry(hiding.place).or_default().extend(values),
                true => self.removed.push(Removed {
                    kind: kind.to_owned(),
                    name: name.to_owned(),
                    path: hiding.path.clone(),
                    at: hiding.place,
                    values: values.collect(),
                }),
            }
        }
    }
}

fn former(path: &str, at: At<'_>) -> Former {
    // The key of a value stands right before it.
    let key = at.index.checked_sub(1).and_then(|key| at.tree.node(key)).map_or("", |key| key.text.as_ref());
    let is_other =
        path.rsplit('.').next() != Some(key) && at.node().is_some_and(|node| node.kind == Kind::Map);
    Former { place: at.place(), key: is_other.then(|| key.to_owned()) }
}

/// The values of `metadata` and `spec`, which the manifest's paths do not name.
pub fn document(tree: &Tree<'_>) -> Written {
    let mut written = Written::new();
    for part in ["metadata", "spec"] {
        if let Some((_, value)) = tree.entry(0, part) {
            walk(tree, value, "", &mut written);
        }
    }
    written
}

/// The values of an entry of a list, spelled as those of a `Mailbox` of this type.
pub fn entry(tree: &Tree<'_>, index: u32, kind: &str) -> Written {
    let mut written = Written::new();
    walk(tree, index, "", &mut written);
    for key in ["address", "displayName", "deleteAfterProcessing"] {
        if let Some(place) = written.remove(key) {
            written.insert(format!("{kind}.{key}"), place);
        }
    }
    written
}

/// Every value below a map, the maps among them too.
fn walk(tree: &Tree<'_>, index: u32, path: &str, written: &mut Written) {
    for (key, value) in tree.pairs(index) {
        let Some(name) = tree.node(key).map(|node| node.text.as_ref()) else { continue };
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match tree.node(value).map(|node| node.kind) {
            Some(Kind::Map) => {
                written.insert(path.clone(), tree.place(value));
                walk(tree, value, &path, written);
            }
            Some(Kind::Plain | Kind::Text | Kind::List | Kind::Refused) => {
                written.insert(path, tree.place(value));
            }
            None => {}
        }
    }
}

/// Keys whose value is a reference to a secret, and below which a text would be one in plain text.
pub const SECRET_KEYS: [&str; 3] = ["password", "clientSecret", "privateKey"];

/// Secrets in plain text among what a layer hides: they stand in the history of a file, whether they count or not.
pub fn plaintext(kind: &str, path: &str, at: At<'_>) -> Vec<Place> {
    let mut found = Vec::new();
    look(at, path.rsplit('.').next().unwrap_or_default(), is_value(kind, path), &mut found);
    found
}

/// Whether a path is that of a value of a `Secret`.
fn is_value(kind: &str, path: &str) -> bool {
    let depth = path.split('.').count();
    kind == "Secret" && path.starts_with("spec.values.") && depth == 3
}

fn look(at: At<'_>, key: &str, is_value: bool, found: &mut Vec<Place>) {
    let Some(node) = at.node() else { return };
    if (is_value || SECRET_KEYS.contains(&key))
        && matches!(node.kind, Kind::Plain | Kind::Text)
        && !node.is_null()
    {
        found.push(at.place());
    }
    for (key, value) in at.tree.pairs(at.index) {
        let name = at.tree.node(key).map_or("", |node| node.text.as_ref());
        look(At { tree: at.tree, index: value }, name, false, found);
    }
}
