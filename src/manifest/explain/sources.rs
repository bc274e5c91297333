//! The sources of one subject's fields, as they are found.

use std::collections::BTreeMap;

use crate::manifest::place::{Files, Place};
use crate::manifest::text;
use crate::manifest::trace::{Former, Removed, SECRET_KEYS, Trace, Written};
use crate::model::explanation::{Hidden, Provenance, Why, WrittenAt};
use crate::model::problem::SourceFile;

pub struct Sources<'s> {
    pub files: &'s Files<'s>,
    pub trace: &'s Trace,
    pub found: BTreeMap<String, Provenance>,
}

impl<'s> Sources<'s> {
    pub fn new(files: &'s Files<'s>, trace: &'s Trace) -> Self {
        Self { files, trace, found: BTreeMap::new() }
    }

    /// Everything that a document says, and what later layers take away from it.
    pub fn document(&mut self, (kind, name): (&'static str, &str)) {
        let trace = self.trace;
        if let Some(written) = trace.documents.get(&(kind, name.to_owned())) {
            self.written(written);
        }
        self.removed((kind, name), "spec.", &Why::Own);
        self.removed((kind, name), "metadata.", &Why::Own);
    }

    /// Values that stand on the thing itself.
    pub fn written(&mut self, written: &Written) {
        for (path, place) in written {
            self.add(path, Why::Own, *place);
            let latest = self.at(self.latest(written, path, *place));
            if let Some(source) = self.found.get_mut(path) {
                source.place = Some(latest);
            }
        }
    }

    /// The place of a value; of a map, that of what the latest layer says in it.
    fn latest(&self, written: &Written, path: &str, place: Place) -> Place {
        let below = format!("{path}.");
        let inside = written.range(below.clone()..).take_while(|(path, _)| path.starts_with(&below));
        let all = inside.map(|(_, place)| *place).chain([place]);
        // Of several in one layer, the map itself.
        all.max_by_key(|place| self.layer(*place)).unwrap_or(place)
    }

    pub fn layer(&self, place: Place) -> u16 {
        self.files.files.get(place.file as usize).map_or(0, SourceFile::layer_number)
    }

    /// A value at a place, with what it hides in earlier layers.
    pub fn add(&mut self, path: &str, why: Why, place: Place) {
        let hides = self.trace.hidden.get(&place).map(Vec::as_slice).unwrap_or_default();
        let hides = hides.iter().map(|former| self.former(path, former, why.clone())).collect();
        let place = Some(self.at(place));
        self.found.insert(path.to_owned(), Provenance { why, place, hides });
    }

    /// A value that nobody wrote, unless there is one.
    pub fn without_place(&mut self, path: &str, why: Why) {
        let provenance = Provenance { why, place: None, hides: Vec::new() };
        self.found.entry(path.to_owned()).or_insert(provenance);
    }

    /// A value that is taken from another path, unless it is written.
    pub fn inherited(&mut self, path: &str, from: &str, words: &str) {
        let place = self.found.get(from).and_then(|source| source.place.clone());
        let why = Why::Inherited(words.to_owned());
        self.found.entry(path.to_owned()).or_insert(Provenance { why, place, hides: Vec::new() });
    }

    /// Something that would count if the value of this path did not.
    pub fn hide(&mut self, path: &str, why: Why, place: Place) {
        let hidden = self.former(path, &Former { place, key: None }, why);
        if let Some(source) = self.found.get_mut(path) {
            source.hides.push(hidden);
        }
    }

    /// What later layers take away below a path of a document.
    pub fn removed(&mut self, (kind, name): (&str, &str), prefix: &str, why: &Why) {
        let trace = self.trace;
        for removed in trace.removed.iter().filter(|it| it.kind == kind && it.name == name) {
            if let Some(path) = removed.path.strip_prefix(prefix) {
                self.take_away(path, removed, why);
            }
        }
    }

    fn take_away(&mut self, path: &str, removed: &Removed, why: &Why) {
        let at = self.at(removed.at);
        let hides: Vec<Hidden> = removed
            .values
            .iter()
            .map(|former| Hidden { removed_at: Some(at.clone()), ..self.former(path, former, why.clone()) })
            .collect();
        self.without_place(path, Why::Default(None));
        if let Some(source) = self.found.get_mut(path) {
            source.hides.extend(hides);
        }
    }

    fn former(&self, path: &str, former: &Former, why: Why) -> Hidden {
        let value = self.text(path, former.place);
        let value = former.key.as_ref().map_or(value.clone(), |key| format!("{key}: {value}"));
        Hidden { value, why, place: self.at(former.place), removed_at: None }
    }

    pub fn at(&self, place: Place) -> WrittenAt {
        let layer = self.files.files.get(place.file as usize).and_then(|file| file.layer.as_ref());
        WrittenAt {
            origin: self.files.origin(place),
            layer: layer.map(|layer| layer.label.clone()),
            is_overlay: layer.is_some_and(|layer| layer.number > 0),
        }
    }

    /// Whether a place is in a CSV file.
    pub fn is_table(&self, place: Place) -> bool {
        self.files.files.get(place.file as usize).is_some_and(|file| !text::is_yaml(file))
    }

    /// What is written at a place, in a few words. What could be a secret is not shown.
    fn text(&self, path: &str, place: Place) -> String {
        const CHARACTERS_MAX: usize = 40;
        let file = self.files.files.get(place.file as usize);
        let bytes = file.and_then(|file| file.bytes.get(place.start as usize..place.end as usize));
        let written = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
        let is_secret = |key: &str| path.ends_with(key) || written.contains(key);
        if written.starts_with('{') || written.contains('\n') {
            "{…}".to_owned()
        } else if SECRET_KEYS.into_iter().any(is_secret) {
            "(not shown)".to_owned()
        } else if written.chars().count() > CHARACTERS_MAX {
            written.chars().take(CHARACTERS_MAX).chain(['…']).collect()
        } else {
            written.to_owned()
        }
    }
}
