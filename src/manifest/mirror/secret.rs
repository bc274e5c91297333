//! `Secret` and references to its values, as they are written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::values::Day;
use crate::manifest::decode::spanned::{Entries, Raw, Spanned};
use crate::model::name::Name;

/// Named secret values: `values`, or a whole-file `bundle`. Exactly one key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct SecretSpec {
    /// Values by their keys.
    #[schemars(with = "Option<std::collections::BTreeMap<String, SecretValue>>")]
    pub values: Option<Entries<Raw>>,
    /// A whole file with many values.
    pub bundle: Option<Spanned<Bundle>>,
}

/// One value: exactly one of `age`, `file` and `env`. Never the value itself; `mailplumb secrets set` writes it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["age"] }, { "required": ["file"] }, { "required": ["env"] }]))]
pub struct SecretValue {
    /// Names of the organization's recipients that it is encrypted to.
    #[serde(default)]
    pub sealed_to: Vec<Spanned<String>>,
    /// The day on which the value stops working at the server.
    pub expires: Option<Spanned<Day>>,
    /// An armoured age ciphertext.
    pub age: Option<Spanned<String>>,
    /// A file on the machine that makes the connection; one line end at its end is not part of the value.
    pub file: Option<Spanned<String>>,
    /// An environment variable of the process that makes the connection.
    pub env: Option<Spanned<String>>,
}

/// A whole file that is one age ciphertext.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bundle {
    /// The `.age` file, relative to this one.
    pub file: Spanned<String>,
    /// Names of the organization's recipients that it is encrypted to.
    #[serde(default)]
    pub sealed_to: Vec<Spanned<String>>,
    /// The keys of the values inside.
    #[schemars(length(min = 1))]
    pub keys: Vec<Spanned<String>>,
    /// The day on which the values stop working at the server.
    pub expires: Option<Spanned<Day>>,
}

/// A value of a `Secret` document.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretReference {
    /// The name of the `Secret`.
    pub secret: Spanned<Name>,
    /// The key of the value in it.
    pub key: Spanned<String>,
}

/// A value of a `Secret` document, for a mailbox.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MailboxSecretReference {
    /// The name of the `Secret`.
    pub secret: Spanned<Name>,
    /// The key of the value in it. Left out: the mailbox's name.
    pub key: Option<Spanned<String>>,
}
