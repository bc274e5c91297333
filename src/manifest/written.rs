//! The secrets of a manifest as they are written, also of one with errors: what is listed, edited and encrypted anew.

use jiff::civil::Date;

use super::arena::{self, Tree};
use super::attached;
use super::place::Files;
use super::report::Report;
use super::resolve::ciphertext;
use super::text;
use crate::model::name::Name;
use crate::model::problem::{Origin, SourceFile};
use crate::model::secret::SecretRef;

/// A value, or a bundle with all of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenSecret {
    pub secret: Name,
    /// The index of the file that declares it.
    pub file: usize,
    pub origin: Origin,
    pub sealed_to: Vec<String>,
    pub expires: Option<Date>,
    pub content: WrittenContent,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WrittenContent {
    Value {
        key: String,
        value: WrittenValue,
    },
    Bundle {
        /// As it is written.
        file: String,
        /// The index of the file; `None`: it is not part of the manifest.
        found: Option<usize>,
        keys: Vec<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WrittenValue {
    /// What stands under `age`, whatever it is.
    Age(String),
    File(String),
    Env(String),
    /// A text where `age`, `file` or `env` should be. It is not kept.
    Plaintext,
    /// Something else, or nothing.
    Unreadable,
}

impl WrittenSecret {
    /// How many recipients can read the ciphertext, as far as its header shows; `None`: there is none, or it is damaged.
    pub fn readers(&self, files: &[SourceFile]) -> Option<usize> {
        match &self.content {
            WrittenContent::Value { value: WrittenValue::Age(armoured), .. } => {
                ciphertext::readers(armoured.as_bytes())
            }
            WrittenContent::Bundle { found, .. } => {
                found.and_then(|index| files.get(index)).and_then(|file| ciphertext::readers(&file.bytes))
            }
            WrittenContent::Value { .. } => None,
        }
    }

    /// The value's name. A bundle has none.
    pub fn reference(&self) -> Option<SecretRef> {
        match &self.content {
            WrittenContent::Value { key, .. } => {
                Some(SecretRef { secret: self.secret.clone(), key: key.clone() })
            }
            WrittenContent::Bundle { .. } => None,
        }
    }
}

/// Every secret of every document that can be read, in the order in which they are written.
pub fn secrets(files: &[SourceFile]) -> Vec<WrittenSecret> {
    let mut found = Vec::new();
    let mut report = Report::new(Files::new(files));
    for (index, file) in files.iter().enumerate() {
        if !(file.name.ends_with(".yaml") || file.name.ends_with(".yml")) {
            continue;
        }
        let number = text::offset(index);
        let Some(written) = text::decode(file, number, &mut report) else { continue };
        for range in text::documents(written) {
            let (base, content) = (text::offset(range.start), written.get(range).unwrap_or_default());
            for tree in arena::parse(content, base, number, &mut report) {
                found.extend(Document { files, tree: &tree, index, report: &report }.secrets());
            }
        }
    }
    found
}

struct Document<'d> {
    files: &'d [SourceFile],
    tree: &'d Tree<'d>,
    index: usize,
    report: &'d Report<'d>,
}

impl Document<'_> {
    fn secrets(&self) -> Vec<WrittenSecret> {
        let tree = self.tree;
        let is_secret = self.text_at(0, "kind").as_deref() == Some("Secret");
        let name = tree.entry(0, "metadata").and_then(|(_, metadata)| self.text_at(metadata, "name"));
        let name = name.filter(|_| is_secret).and_then(|name| Name::parse(&name).ok());
        let (Some(secret), Some((_, spec))) = (name, tree.entry(0, "spec")) else { return Vec::new() };
        let mut found = Vec::new();
        if let Some((key, bundle)) = tree.entry(spec, "bundle") {
            found.push(self.one(&secret, key, bundle, self.bundle(bundle)));
        }
        let values = tree.entry(spec, "values").map(|(_, values)| tree.pairs(values)).unwrap_or_default();
        for (key, value) in values {
            let name = tree.node(key).map(|node| node.text.to_string()).unwrap_or_default();
            let content = WrittenContent::Value { key: name, value: self.value(value) };
            found.push(self.one(&secret, key, value, content));
        }
        found
    }

    fn one(&self, secret: &Name, key: u32, at: u32, content: WrittenContent) -> WrittenSecret {
        WrittenSecret {
            secret: secret.clone(),
            file: self.index,
            origin: self.report.files.origin(self.tree.place(key)),
            sealed_to: self.list_at(at, "sealedTo"),
            expires: self.text_at(at, "expires").and_then(|day| day.parse().ok()),
            content,
        }
    }

    fn bundle(&self, at: u32) -> WrittenContent {
        let file = self.text_at(at, "file").unwrap_or_default();
        let from = self.files.get(self.index);
        let found = from.and_then(|from| attached::index_of(from, &file, self.files));
        WrittenContent::Bundle { found, file, keys: self.list_at(at, "keys") }
    }

    fn value(&self, at: u32) -> WrittenValue {
        let text = |name: &str| self.text_at(at, name);
        match (text("age"), text("file"), text("env")) {
            (Some(age), None, None) => WrittenValue::Age(age),
            (None, Some(file), None) => WrittenValue::File(file),
            (None, None, Some(env)) => WrittenValue::Env(env),
            (None, None, None) if self.is_text(at) => WrittenValue::Plaintext,
            _ => WrittenValue::Unreadable,
        }
    }

    fn is_text(&self, at: u32) -> bool {
        self.tree.node(at).is_some_and(|node| {
            matches!(node.kind, arena::Kind::Plain | arena::Kind::Text) && !node.is_null()
        })
    }

    fn text_at(&self, at: u32, name: &str) -> Option<String> {
        let (_, value) = self.tree.entry(at, name)?;
        self.is_text(value).then(|| self.tree.node(value).map(|node| node.text.to_string()))?
    }

    fn list_at(&self, at: u32, name: &str) -> Vec<String> {
        let Some((_, list)) = self.tree.entry(at, name) else { return Vec::new() };
        let items = self.tree.children(list).filter_map(|item| self.tree.node(item));
        items.map(|node| node.text.to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> SourceFile {
        SourceFile {
            name: name.into(),
            path: name.into(),
            bytes: text.as_bytes().into(),
            layer: None,
            fault: None,
        }
    }

    #[test]
    fn secrets_of_a_manifest_with_errors_are_found() {
        let text = "kind: [broken\n---\nkind: Secret\nmetadata: { name: mail }\nspec:\n  values:\n    \
                    anna: hunter2\n    ben: { file: /run/ben }\n    carl:\n    dora: { sealedTo: [ops], expires: 2027-05-01, age: x }\n\
                    ---\nkind: Secret\nmetadata: { name: team }\nspec: { bundle: { file: ../b.age, sealedTo: [ops, ci], keys: [x, y] } }\n";
        let files = [file("sub/a.yaml", text), file("b.age", "age")];
        let found = secrets(&files);
        let values: Vec<_> = found.iter().map(|it| &it.content).collect();
        let value = |key: &str, value| WrittenContent::Value { key: key.to_owned(), value };
        assert_eq!(*values[0], value("anna", WrittenValue::Plaintext));
        assert_eq!(*values[1], value("ben", WrittenValue::File("/run/ben".to_owned())));
        assert_eq!(*values[2], value("carl", WrittenValue::Unreadable));
        assert_eq!(*values[3], value("dora", WrittenValue::Age("x".to_owned())));
        let keys = vec!["x".to_owned(), "y".to_owned()];
        assert_eq!(*values[4], WrittenContent::Bundle { file: "../b.age".to_owned(), found: Some(1), keys });
        assert_eq!(
            (found[3].origin.line, found[3].expires.unwrap().to_string()),
            (10, "2027-05-01".to_owned())
        );
        assert_eq!(found[4].sealed_to, ["ops", "ci"]);
        assert!(!format!("{found:?}").contains("hunter2"));
    }
}
