//! What an operation works with while a declared change of it waits for its test: the version before the change.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::profile::places;
use crate::model::operation::Operation;
use crate::model::pending::Version;
use crate::store::MailboxRow;

/// The former version of one operation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InUse {
    address: String,
    /// `imap.contoso.example:993, TLS`
    server: String,
}

impl InUse {
    pub fn server(&self) -> &str {
        &self.server
    }

    pub fn words(&self) -> String {
        format!("{} over {}", self.address, self.server)
    }
}

/// By operation; those that work with what is declared are left out.
pub fn of(row: &MailboxRow) -> BTreeMap<Operation, InUse> {
    let in_use = |(operation, version): (&Operation, &Version)| {
        let address = version.address.to_string();
        (*operation, InUse { address, server: server(version, *operation) })
    };
    row.effective.iter().map(in_use).collect()
}

fn server(version: &Version, operation: Operation) -> String {
    let places = places(&version.profile.server);
    let own = places.iter().find(|(label, _)| *label == operation.key());
    own.or(places.first()).map(|(_, place)| place.clone()).unwrap_or_default()
}
