//! The clouds of Exchange Online, and the hosts that belong to each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cloud {
    Global,
    UsGovernment,
    UsGovernmentDod,
    China,
}

/// The hosts of a cloud, which belong together: a token of one cloud is worth nothing in another.
/// <https://learn.microsoft.com/graph/deployments>, <https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloudHosts {
    /// Where applications sign in.
    pub authority: &'static str,
    pub graph: &'static str,
    /// Exchange Web Services.
    pub exchange: &'static str,
    /// Where Graph leads whoever attaches a large file.
    pub uploads: &'static [&'static str],
}

impl Cloud {
    pub const ALL: [Self; 4] = [Self::Global, Self::UsGovernment, Self::UsGovernmentDod, Self::China];

    /// The cloud whose Graph is on that host.
    pub fn of_graph(host: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cloud| cloud.hosts().graph.eq_ignore_ascii_case(host))
    }

    pub fn hosts(self) -> CloudHosts {
        let (authority, graph, exchange) = match self {
            Self::Global => ("login.microsoftonline.com", "graph.microsoft.com", "outlook.office365.com"),
            Self::UsGovernment => ("login.microsoftonline.us", "graph.microsoft.us", "outlook.office365.us"),
            Self::UsGovernmentDod => {
                ("login.microsoftonline.us", "dod-graph.microsoft.us", "outlook-dod.office365.us")
            }
            Self::China => {
                ("login.chinacloudapi.cn", "microsoftgraph.chinacloudapi.cn", "partner.outlook.cn")
            }
        };
        let uploads: &[&str] = match self {
            Self::Global => &["outlook.office.com", "outlook.office365.com"],
            Self::UsGovernment => &["outlook.office365.us"],
            Self::UsGovernmentDod => &["outlook-dod.office365.us"],
            Self::China => &["partner.outlook.cn"],
        };
        CloudHosts { authority, graph, exchange, uploads }
    }
}
