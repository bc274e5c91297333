//! What a search of Autodiscover found, kept until it fails.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::name::Address;

/// Where the web service of a mailbox is, who said so, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Discovered {
    /// For which address it was searched: another one has to be searched for anew.
    pub address: Address,
    /// `https://mail.contoso.example/EWS/Exchange.asmx`
    pub url: String,
    /// The place that knew: `https://autodiscover.contoso.example/autodiscover/autodiscover.svc`.
    pub said_by: String,
    pub found_at: Timestamp,
}
