//! What can be told of a manifest that is not finished yet: setting a secret must work while others are still missing.

use std::collections::BTreeMap;

use super::arena::{self, Tree};
use super::place::Files;
use super::report::Report;
use super::text;
use crate::model::name::Name;
use crate::model::problem::SourceFile;
use crate::model::secret::SecretRef;

/// The organization's recipients, by name. Problems of the manifest do not matter here.
pub fn recipients(files: &[SourceFile]) -> BTreeMap<String, String> {
    let mut recipients = BTreeMap::new();
    for file in files {
        look(file, |tree| {
            let declared = tree.entry(0, "spec").and_then(|(_, spec)| tree.entry(spec, "recipients"));
            if let (true, Some((_, declared))) = (is_kind(tree, "Organization"), declared) {
                for (name, recipient) in tree.pairs(declared) {
                    match (tree.node(name), tree.node(recipient)) {
                        // A later layer takes it away.
                        (Some(name), Some(recipient)) if recipient.is_null() => {
                            recipients.remove(name.text.as_ref());
                        }
                        (Some(name), Some(recipient)) => {
                            recipients.insert(name.text.to_string(), recipient.text.to_string());
                        }
                        (None, _) | (_, None) => {}
                    }
                }
            }
        });
    }
    recipients
}

/// The file that holds the `Secret` document of this name; where several layers have one, that of the last of them.
pub fn declaring_file<'f>(files: &'f [SourceFile], secret: &Name) -> Option<&'f SourceFile> {
    last_holder(files, |tree| is_secret(tree, secret))
}

/// The file that holds this value; where several layers have it, the one whose value counts.
pub fn value_file<'f>(files: &'f [SourceFile], value: &SecretRef) -> Option<&'f SourceFile> {
    last_holder(files, |tree| {
        let values = tree.entry(0, "spec").and_then(|(_, spec)| tree.entry(spec, "values"));
        is_secret(tree, &value.secret) && values.is_some_and(|(_, it)| tree.entry(it, &value.key).is_some())
    })
}

fn is_secret(tree: &Tree<'_>, name: &Name) -> bool {
    is_kind(tree, "Secret") && name_of(tree) == Some(name.as_str())
}

/// Later layers follow earlier ones, so that the last file that fits is the one that counts.
fn last_holder(files: &[SourceFile], fits: impl Fn(&Tree<'_>) -> bool) -> Option<&SourceFile> {
    files.iter().rev().find(|file| {
        let mut found = false;
        look(file, |tree| found |= fits(tree));
        found
    })
}

/// Shows every document of a YAML file that can be read.
fn look(file: &SourceFile, mut visit: impl FnMut(&Tree<'_>)) {
    if !(file.name.ends_with(".yaml") || file.name.ends_with(".yml")) {
        return;
    }
    let mut report = Report::new(Files::new(std::slice::from_ref(file)));
    let Some(written) = text::decode(file, 0, &mut report) else { return };
    for range in text::documents(written) {
        let (base, content) = (text::offset(range.start), written.get(range).unwrap_or_default());
        for tree in arena::parse(content, base, 0, &mut report) {
            visit(&tree);
        }
    }
}

fn is_kind(tree: &Tree<'_>, kind: &str) -> bool {
    tree.entry(0, "kind")
        .and_then(|(_, value)| tree.node(value))
        .is_some_and(|node| node.text.as_ref() == kind)
}

fn name_of<'t>(tree: &'t Tree<'_>) -> Option<&'t str> {
    let (_, metadata) = tree.entry(0, "metadata")?;
    let (_, name) = tree.entry(metadata, "name")?;
    tree.node(name).map(|node| node.text.as_ref())
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

    const ORGANIZATION: &str =
        "kind: Organization\nmetadata: { name: o }\nspec: { recipients: { ops: age1x } }\n";

    #[test]
    fn recipients_are_found_in_a_manifest_with_errors() {
        let files = [file("a.yaml", &format!("kind: [broken\n---\n{ORGANIZATION}---\nkind: Mailbox\n"))];
        assert_eq!(recipients(&files), BTreeMap::from([("ops".to_owned(), "age1x".to_owned())]));
    }

    #[test]
    fn a_secret_is_found_by_its_name_and_only_in_yaml() {
        let secret = "kind: Secret\nmetadata: { name: provider }\nspec: { values: {} }\n";
        let files = [file("a.crt", secret), file("b.yaml", ORGANIZATION), file("c.yml", secret)];
        let provider = Name::parse("provider").unwrap();
        assert_eq!(declaring_file(&files, &provider).map(|file| file.name.as_ref()), Some("c.yml"));
        assert!(declaring_file(&files, &Name::parse("other").unwrap()).is_none());
    }
}
