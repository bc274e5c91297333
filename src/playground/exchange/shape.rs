//! Which properties a request wants of an item.

use std::collections::BTreeSet;

use super::node::Node;

/// `item:Subject` and its like, in lower case.
pub(super) struct Shape {
    everything: bool,
    pub mime: bool,
    fields: BTreeSet<String>,
    /// Names of properties in the set `PublicStrings`.
    pub named: BTreeSet<String>,
}

impl Shape {
    pub fn of(node: Option<&Node>) -> Self {
        let text = |name: &str| node.and_then(|node| node.text_at(&[name]));
        let fields = node.map(|node| node.all("FieldURI")).unwrap_or_default();
        let named = node.map(|node| node.all("ExtendedFieldURI")).unwrap_or_default();
        let field = |node: &&Node| node.attribute("FieldURI").map(str::to_ascii_lowercase);
        let fields: BTreeSet<String> = fields.iter().filter_map(field).collect();
        Self {
            everything: matches!(text("BaseShape"), Some("AllProperties" | "Default")),
            mime: matches!(text("IncludeMimeContent"), Some("true" | "1"))
                || fields.contains("item:mimecontent"),
            fields,
            named: named
                .iter()
                .filter_map(|node| node.attribute("PropertyName"))
                .map(str::to_owned)
                .collect(),
        }
    }

    pub fn wants(&self, field: &str) -> bool {
        self.everything || self.fields.contains(&field.to_ascii_lowercase())
    }
}
