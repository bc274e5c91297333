//! What it means when no access token is to be had.

use super::{Setting, said};
use crate::model::failure::{Nature, Scope};
use crate::model::profile::ServerKind;
use crate::sync::entra;

/// Entra says by a number what is wrong, and that some of it passes.
pub(super) fn refused_class(words: &str) -> (&'static str, Nature, Scope) {
    match entra::find(words) {
        Some(known) => (known.key, known.nature, known.scope),
        None => ("token-refused", Nature::Permanent, Scope::Profile),
    }
}

pub(super) fn token_refused(
    provider: &str,
    words: &str,
    Setting { profile, secret, .. }: Setting<'_>,
) -> (String, String) {
    if let Some(known) = entra::find(words) {
        return said(known.meaning, format!("{} (profile `{profile}`)", known.remedy));
    }
    let secret = secret.map_or_else(|| "the client secret".to_owned(), |secret| format!("secret `{secret}`"));
    said(
        format!(
            "`{provider}` knows no such client, or its secret has expired or is wrong, or the scope is not granted"
        ),
        format!(
            "compare `clientId`, `scope` and {secret} of profile `{profile}` with what is registered there; then \
             `mailplumb apply`"
        ),
    )
}

/// The provider took the client's secret, and the mail server does not take the token that came of it.
pub(super) fn login_refused(setting: Setting<'_>) -> (String, String) {
    let Setting { mailbox, profile, kind, .. } = setting;
    let remedy = match kind {
        ServerKind::ExchangeOnline => format!(
            "look whether `cloud` and `tenant` of profile `{profile}` are those of mailbox `{mailbox}` and whether this \
             machine's clock is right, then `mailplumb test {mailbox}`; the client's secret or certificate was accepted"
        ),
        ServerKind::Exchange | ServerKind::Pop3Smtp | ServerKind::ImapSmtp => format!(
            "compare `scope` and `clientId` of profile `{profile}` with what the server takes, and look whether the \
             application may open mailbox `{mailbox}`; then `mailplumb test {mailbox}`; the client secret was accepted"
        ),
    };
    said(format!("the server does not take the access token of profile `{profile}`"), remedy)
}

pub(super) fn token_unavailable(
    provider: &str,
    Setting { profile, kind, .. }: Setting<'_>,
) -> (String, String) {
    let what = match kind {
        ServerKind::ExchangeOnline => "`cloud` and `tenant`",
        ServerKind::Exchange | ServerKind::Pop3Smtp | ServerKind::ImapSmtp => "`tokenUrl`",
    };
    said(
        format!(
            "`{provider}`, which gives the access tokens, could not be asked; the mail server was not tried"
        ),
        format!(
            "check {what} of profile `{profile}` and the way from this machine to the provider; when that is only down, \
             `watch` tries again by itself, and otherwise `mailplumb test`"
        ),
    )
}
