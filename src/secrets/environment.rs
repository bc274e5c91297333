//! The environment variables of this process, as a value, so that tests do not have to change the process.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// Where variables are looked up.
#[derive(Debug, Clone)]
pub enum Environment {
    /// The variables of this process, at the time of each look-up.
    Process,
    /// These and no others.
    Fixed(BTreeMap<String, OsString>),
}

impl Environment {
    /// For tests and embedding: exactly these variables.
    pub fn fixed<const N: usize>(variables: [(&str, &str); N]) -> Self {
        Self::Fixed(variables.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect())
    }

    /// A variable's value. A variable that is set to nothing counts as one that is not set, which is how a pipeline
    /// that lacks a secret usually presents it.
    #[expect(clippy::disallowed_methods, reason = "the one place of this room that reads the environment")]
    pub fn variable(&self, name: &str) -> Option<OsString> {
        match self {
            Self::Process => std::env::var_os(name),
            Self::Fixed(variables) => variables.get(name).cloned(),
        }
        .filter(|value| !value.is_empty())
    }
}
