//! The documents as they are written: the serde mirror, and the source of the JSON Schema.
//!
//! The doc comments are what editors show, so each names the vendor's label for people who come from the vendor's
//! forms. Nothing here is used outside this room: `resolve` turns it into the nouns.

pub mod mailbox;
pub mod organization;
pub mod profile;
pub mod secret;
pub mod values;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::decode::spanned::Spanned;
use crate::model::name::Name;

/// The value of `apiVersion`.
pub const API_VERSION: &str = "mailplumb/v1";

/// What names a document.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// A slug, unique among the documents of its kind: lower-case letters, digits, `-` and `.`.
    pub name: Spanned<Name>,
    /// Free keys and values, used by selectors.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// Nothing to say but that it is chosen: `{}`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Empty {}
