//! The keys at the root of a document, by which it is told what it is.

use super::KINDS;
use crate::manifest::arena::{Kind as NodeKind, Tree};
use crate::manifest::codes;
use crate::manifest::mirror::API_VERSION;
use crate::manifest::report::{Draft, Report, did_you_mean};

/// Checks `apiVersion` and the keys of the root; returns the kind.
pub(super) fn read(tree: &Tree<'_>, report: &mut Report<'_>) -> Option<&'static str> {
    let text = |index: u32| tree.node(index).map_or("", |node| &*node.text);
    let first = tree.each_pair(0).next().map_or(tree.place(0), |(key, _)| tree.place(key));
    for (key, _) in tree.each_pair(0) {
        let known = ["apiVersion", "kind", "metadata", "spec"];
        if !known.contains(&text(key))
            && tree.node(key).is_some_and(|node| matches!(node.kind, NodeKind::Plain | NodeKind::Text))
        {
            let meant = did_you_mean(text(key), known);
            let code = if meant.is_some() { codes::UNKNOWN_KEY } else { codes::UNKNOWN_KEY_HIDDEN };
            let message = format!("unknown key `{}`", text(key).escape_debug());
            let draft = Draft::error(code, tree.place(key), message);
            report.add(draft.label("expected `apiVersion`, `kind`, `metadata`, `spec`").hint_if(meant));
        }
    }
    match tree.entry(0, "apiVersion") {
        Some((_, value)) if text(value) == API_VERSION => {}
        Some((_, value)) => report.add(
            Draft::error(codes::API_VERSION, tree.place(value), "this `apiVersion` is not known")
                .label(format!("expected `{API_VERSION}`")),
        ),
        None => report.add(
            Draft::error(codes::API_VERSION, first, "`apiVersion` is missing")
                .hint(format!("every document begins with `apiVersion: {API_VERSION}`")),
        ),
    }
    let Some((_, value)) = tree.entry(0, "kind") else {
        report.add(
            Draft::error(codes::KIND, first, "`kind` is missing")
                .hint(format!("one of {}", KINDS.join(", "))),
        );
        return None;
    };
    let kind = KINDS.into_iter().find(|kind| *kind == text(value));
    if kind.is_none() {
        report.add(
            Draft::error(codes::KIND, tree.place(value), "this `kind` is not known")
                .label(format!("expected one of {}", KINDS.join(", ")))
                .hint_if(did_you_mean(text(value), KINDS)),
        );
    }
    kind
}
