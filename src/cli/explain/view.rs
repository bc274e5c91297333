//! An explanation as both forms show it: one row per field.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::listing::FORMAT_VERSION;
use crate::model::explanation::{Explained, Explanation, Hidden, Provenance, Why, WrittenAt};
use crate::plan::fields;

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Explain")]
pub struct Document<'d> {
    format_version: &'static str,
    /// What the codes of problems mean that were asked for.
    codes: &'d [Meaning],
    subjects: &'d [View],
}

/// What the code of a problem means.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Meaning {
    pub code: String,
    pub meaning: &'static str,
}

/// One subject.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// `mailbox/anna`
    pub subject: String,
    pub declared_at: At,
    pub fields: Vec<Row>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// In the manifest's spelling: `imapSmtp.incoming.port`.
    pub field: String,
    /// Null: left out.
    pub value: Option<String>,
    #[serde(flatten)]
    pub reason: Reason,
    pub at: Option<At>,
    /// What else there is to know.
    pub note: Option<String>,
    pub hides: Vec<Loser>,
}

impl Row {
    /// Whether nobody says anything, and there is nothing to add.
    pub fn is_plain_default(&self) -> bool {
        self.reason.text == "default" && self.at.is_none() && self.hides.is_empty()
    }
}

/// Why a value counts, or would count.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// Stable, for scripts: `assignment`.
    pub reason: &'static str,
    /// The name of the list or the assignment.
    pub of: Option<String>,
    /// For people.
    pub text: String,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct At {
    pub file: String,
    pub line: u32,
    pub column: u32,
    /// The layer, where there are several.
    pub layer: Option<String>,
    #[serde(skip)]
    pub is_overlay: bool,
}

/// A value that is written but does not count.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Loser {
    pub value: String,
    #[serde(flatten)]
    pub reason: Reason,
    pub at: At,
    /// Where a later layer takes it away.
    pub removed_at: Option<At>,
}

pub fn document<'d>(codes: &'d [Meaning], subjects: &'d [View]) -> Document<'d> {
    Document { format_version: FORMAT_VERSION, codes, subjects }
}

impl View {
    pub fn new(explanation: &Explanation) -> Self {
        let values = match &explanation.value {
            Explained::Organization(organization) => fields::organization(organization),
            Explained::Profile(profile) => fields::profile(profile),
            Explained::Mailbox(mailbox) => fields::mailbox(mailbox),
        };
        Self {
            subject: explanation.subject.clone(),
            declared_at: at(&explanation.declared),
            fields: rows(&values, &explanation.sources),
        }
    }
}

/// A row for each field, and for each thing that is left out and about which there is something to say.
fn rows(values: &fields::Fields, sources: &BTreeMap<String, Provenance>) -> Vec<Row> {
    // The name is the subject, and of the mail of users nothing is ever deleted.
    let worth_a_row = |field: &str| field != "name" && field != "user.deleteAfterProcessing";
    let of_values = values.iter().filter(|(field, _)| worth_a_row(field)).map(|(field, value)| {
        let value = value.strip_suffix(" (computed)").unwrap_or(value).to_owned();
        let mut row = row(field, Some(value), source(field, sources));
        if field == "credentials.password"
            && let Some(Provenance { why: Why::Computed(words), .. }) =
                sources.get("credentials.password.key")
        {
            row.note = Some(words.clone());
        }
        row
    });
    let has_something_to_say = |source: &Provenance| match &source.why {
        Why::Default(words) => words.is_some() || !source.hides.is_empty(),
        Why::Computed(_) => true,
        Why::Own | Why::List(_) | Why::Csv(_) | Why::Assignment(_) => !source.hides.is_empty(),
        Why::OrganizationDefault | Why::ApprovalList | Why::Inherited(_) => !source.hides.is_empty(),
    };
    let without_value = |field: &str| {
        let below = format!("{field}.");
        let is_part = field == "credentials.password.key";
        !is_part && !values.contains_key(field) && !values.keys().any(|it| it.starts_with(&below))
    };
    let further = sources.iter().filter(|(field, source)| {
        let hides = !source.hides.is_empty() && !values.contains_key(*field);
        has_something_to_say(source) && (without_value(field) || hides)
    });
    let further = further.map(|(field, source)| row(field, None, Some(source)));
    let mut rows: Vec<Row> = of_values.chain(further).collect();
    rows.sort_by(|one, other| one.field.cmp(&other.field));
    rows
}

/// The source of a field: its own, or that of a whole that is not written but taken from elsewhere.
fn source<'s>(field: &str, sources: &'s BTreeMap<String, Provenance>) -> Option<&'s Provenance> {
    if let Some(source) = sources.get(field) {
        return Some(source);
    }
    let mut path = field;
    while let Some((above, _)) = path.rsplit_once('.') {
        path = above;
        if let Some(source @ Provenance { why: Why::Inherited(_), .. }) = sources.get(path) {
            return Some(source);
        }
    }
    None
}

fn row(field: &str, value: Option<String>, source: Option<&Provenance>) -> Row {
    let source =
        source.cloned().unwrap_or(Provenance { why: Why::Default(None), place: None, hides: Vec::new() });
    Row {
        field: field.to_owned(),
        value: value.map(without_user),
        reason: reason(&source.why),
        at: source.place.as_ref().map(at),
        note: None,
        hides: source.hides.iter().map(loser).collect(),
    }
}

/// A URL with a user and a password in it is a mistake, and is shown without them.
fn without_user(value: String) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value };
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rfind('@') {
        Some(at) => format!("{scheme}://********{}", &rest[at..]),
        None => value,
    }
}

fn loser(hidden: &Hidden) -> Loser {
    Loser {
        value: without_user(hidden.value.clone()),
        reason: reason(&hidden.why),
        at: at(&hidden.place),
        removed_at: hidden.removed_at.as_ref().map(at),
    }
}

fn at(written: &WrittenAt) -> At {
    At {
        file: written.origin.file.to_string(),
        line: written.origin.line,
        column: written.origin.column,
        layer: written.layer.as_ref().map(ToString::to_string),
        is_overlay: written.is_overlay,
    }
}

fn reason(why: &Why) -> Reason {
    let of = |name: &String| Some(name.clone());
    let (reason, of, text) = match why {
        Why::Own => ("own", None, "own".to_owned()),
        Why::List(list) => ("list", of(list), format!("list {list}")),
        Why::Csv(list) => ("csv-row", of(list), format!("CSV row of list {list}")),
        Why::Assignment(name) => ("assignment", of(name), format!("assignment {name}")),
        Why::OrganizationDefault => ("organization-default", None, "organization default".to_owned()),
        Why::ApprovalList => ("approval-list", None, "approval list".to_owned()),
        Why::Inherited(words) => ("inherited", None, words.clone()),
        Why::Computed(words) => ("computed", None, format!("computed: {words}")),
        Why::Default(words) => (
            "default",
            None,
            words.as_ref().map_or_else(|| "default".to_owned(), |words| format!("default: {words}")),
        ),
    };
    Reason { reason, of, text }
}
