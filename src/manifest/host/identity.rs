//! `identity` of the host file: whom `windowsIntegrated` credentials log in as.

use std::path::Path;

use serde::Deserialize;

use crate::manifest::codes;
use crate::manifest::decode::spanned::Spanned;
use crate::manifest::report::{Draft, Report};
use crate::model::host::{ServiceIdentity, TicketSource};

/// As it is written: `{ principal, keytab }`, `{ credentialCache }` or `{ username, passwordFile }`.
pub(super) type IdentityText = Spanned<Written>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Written {
    principal: Option<String>,
    /// Relative to the host file.
    keytab: Option<String>,
    /// As MIT Kerberos names it: `FILE:/run/mailplumb.ccache`.
    credential_cache: Option<String>,
    username: Option<String>,
    /// Relative to the host file.
    password_file: Option<String>,
}

pub(super) fn identity(
    written: Option<IdentityText>,
    directory: &Path,
    report: &mut Report<'_>,
) -> ServiceIdentity {
    let Some(Spanned { value, place, .. }) = written else { return ServiceIdentity::default() };
    let Written { principal, keytab, credential_cache, username, password_file } = value;
    match (principal, keytab, credential_cache, username, password_file) {
        (Some(principal), Some(keytab), None, None, None) => {
            ServiceIdentity::Ticket(TicketSource::Keytab { principal, keytab: directory.join(keytab) })
        }
        (None, None, Some(cache), None, None) => ServiceIdentity::Ticket(TicketSource::Cache(cache)),
        (None, None, None, Some(username), Some(file)) => {
            ServiceIdentity::Password { username, password_file: directory.join(file) }
        }
        _ => {
            let words = "expected `{ principal, keytab }` or `{ credentialCache }` for Kerberos, or \
                         `{ username, passwordFile }` for NTLM";
            report.add(Draft::error(codes::HOST_FILE, place, words));
            ServiceIdentity::default()
        }
    }
}
