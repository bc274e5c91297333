//! Writing what stands beside a bundle's file: to whom it is encrypted, and which keys are in it.

use super::{Edit, Splice, cannot, document, first, in_its_form, names_list, spliced};
use crate::manifest::arena::Tree;
use crate::manifest::place::Files;
use crate::manifest::report::{Draft, Report};
use crate::manifest::text;
use crate::model::name::Name;
use crate::model::problem::{Problem, SourceFile};
use crate::model::secret::SecretRef;

/// The text of the file with these recipients and keys at the bundle of this secret. A list that is the same stays as it
/// is written.
#[expect(
    clippy::result_large_err,
    reason = "it happens once per command, and a problem is what callers show"
)]
pub fn put_bundle(
    file: &SourceFile,
    secret: &Name,
    sealed_to: &[String],
    keys: &[String],
) -> Result<String, Problem> {
    let files = std::slice::from_ref(file);
    let mut report = Report::new(Files::new(files));
    let Some(written) = text::decode(file, 0, &mut report) else { return Err(first(report)) };
    let reference = SecretRef { secret: secret.clone(), key: String::new() };
    let Some(tree) = document(written, &reference, &mut report) else { return Err(first(report)) };
    let edit = Edit { source: written, tree: &tree };
    let changed = edit.put_lists(sealed_to, keys).map(|splices| in_its_form(file, spliced(written, splices)));
    let result = changed.and_then(|text| {
        let holds = holds(file, &text, &reference, [sealed_to, keys]);
        holds.then_some(text).ok_or(cannot(tree.place(0), "the changed file would not be readable"))
    });
    result.map_err(|draft: Box<Draft>| {
        report.add(*draft);
        first(report)
    })
}

fn lists(tree: &Tree<'_>, bundle: u32) -> [Option<(u32, u32)>; 2] {
    ["sealedTo", "keys"].map(|name| tree.entry(bundle, name))
}

fn texts(tree: &Tree<'_>, list: u32) -> Vec<String> {
    tree.children(list).filter_map(|item| Some(tree.node(item)?.text.to_string())).collect()
}

impl Edit<'_> {
    fn put_lists(&self, sealed_to: &[String], keys: &[String]) -> Result<Vec<Splice>, Box<Draft>> {
        let tree = self.tree;
        let bundle = tree.entry(0, "spec").and_then(|(_, spec)| tree.entry(spec, "bundle"));
        let Some((_, bundle)) = bundle else {
            return Err(cannot(tree.place(0), "the Secret has no `bundle`"));
        };
        let mut splices = Vec::new();
        for ((found, items), name) in
            lists(tree, bundle).into_iter().zip([sealed_to, keys]).zip(["sealedTo", "keys"])
        {
            match found {
                Some((_, list)) if texts(tree, list) == items => {}
                Some((key, list)) => splices.push(self.over_items(key, list, items)),
                None => splices.push(self.before_first(bundle, name, items)),
            }
        }
        Ok(splices)
    }

    /// In the style in which the list is written now.
    fn over_items(&self, key: u32, list: u32, items: &[String]) -> Splice {
        let first = self.tree.children(list).next();
        let is_flow = self.source.as_bytes().get(self.tree.place(list).start as usize) == Some(&b'[');
        let Some(first) = first.filter(|_| !is_flow) else {
            return self.over_list(key, list, &names_list(items));
        };
        // The dash stands before the item, with at least one blank between them.
        let start = self.tree.place(first).start as usize;
        let line_start =
            self.source.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let dash = self.source.get(line_start..start).and_then(|before| before.find('-')).unwrap_or(0);
        let line = self.line_end();
        let text: String =
            items.iter().map(|item| format!("{line}{}- {}", " ".repeat(dash), super::quoted(item))).collect();
        let mut splice = self.over_list(key, list, "");
        splice.text = text;
        splice
    }

    fn before_first(&self, bundle: u32, name: &str, items: &[String]) -> Splice {
        let list = names_list(items);
        let Some((key, _)) = self.tree.pairs(bundle).first().copied() else {
            let start = self.tree.place(bundle).end as usize;
            return Splice { start, end: start, text: String::new() };
        };
        let at = self.tree.place(key).start as usize;
        let text = if self.is_flow(bundle) {
            format!("{name}: {list}, ")
        } else {
            format!("{name}: {list}{}{}", self.line_end(), " ".repeat(self.column(key)))
        };
        Splice { start: at, end: at, text }
    }
}

fn holds(file: &SourceFile, text: &str, secret: &SecretRef, expected: [&[String]; 2]) -> bool {
    let changed = SourceFile { bytes: text.as_bytes().into(), ..file.clone() };
    let mut report = Report::new(Files::new(std::slice::from_ref(&changed)));
    let Some(tree) = document(text, secret, &mut report) else { return false };
    let bundle = tree.entry(0, "spec").and_then(|(_, spec)| tree.entry(spec, "bundle"));
    let Some((_, bundle)) = bundle else { return false };
    let found = lists(&tree, bundle).map(|list| list.map(|(_, list)| texts(&tree, list)).unwrap_or_default());
    found.iter().zip(expected).all(|(found, expected)| found == expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(text: &str, sealed_to: &[&str], keys: &[&str]) -> String {
        let file = SourceFile {
            name: "a.yaml".into(),
            path: "a.yaml".into(),
            bytes: text.as_bytes().into(),
            layer: None,
            fault: None,
        };
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        put_bundle(&file, &Name::parse("team").unwrap(), &owned(sealed_to), &owned(keys)).unwrap()
    }

    const BLOCK: &str = "kind: Secret\nmetadata: { name: team }\nspec:\n  bundle: # ours\n    file: team.age\n    sealedTo: [ops] # one\n    keys:\n      - anna # hers\n      - ben\n---\nkind: Other\n";

    #[test]
    fn lists_that_are_the_same_stay_as_they_are_written() {
        assert_eq!(put(BLOCK, &["ops"], &["anna", "ben"]), BLOCK);
    }

    #[test]
    fn a_list_is_written_in_its_own_style() {
        let expected = BLOCK
            .replace("[ops] # one", "[ci, ops] # one")
            .replace("      - anna # hers\n      - ben\n", "      - anna\n      - ben\n      - \"7\"\n");
        assert_eq!(put(BLOCK, &["ci", "ops"], &["anna", "ben", "7"]), expected);
        let flow =
            "kind: Secret\nmetadata: { name: team }\nspec: { bundle: { file: team.age, keys: [anna] } }\n";
        let expected = "kind: Secret\nmetadata: { name: team }\nspec: { bundle: { file: team.age, sealedTo: [ops], keys: [anna, b] } }\n";
        assert_eq!(put(flow, &["ops"], &["anna", "b"]), expected);
    }

    #[test]
    fn a_canonical_file_stays_canonical() {
        let long: Vec<String> = (0..40).map(|n| format!("user-{n}")).collect();
        let keys: Vec<&str> = long.iter().map(String::as_str).collect();
        let file = |text: &str| SourceFile {
            name: "a.yaml".into(),
            path: "a.yaml".into(),
            bytes: text.as_bytes().into(),
            layer: None,
            fault: None,
        };
        let canonical = |text: &str| {
            crate::manifest::format::format(&file(text), &crate::manifest::format::Order::of_manifest())
                .unwrap()
        };
        for text in [
            BLOCK,
            "kind: Secret\nmetadata: { name: team }\nspec:\n  bundle: { file: team.age, keys: [anna] }\n",
            "kind: Secret\nmetadata: { name: team }\nspec:\n  bundle:\n    file: team.age\n    keys: [anna]\n",
        ] {
            let before = canonical(text);
            let after = put(&before, &["ci", "no"], &keys);
            assert_eq!(canonical(&after), after);
        }
    }

    #[test]
    fn a_missing_list_stands_before_the_others() {
        let text = BLOCK.replace("    sealedTo: [ops] # one\n", "");
        let expected = text.replace("    file: team.age\n", "    sealedTo: [ops]\n    file: team.age\n");
        assert_eq!(put(&text, &["ops"], &["anna", "ben"]), expected);
    }
}
