//! What it means when no access token is to be had.

use super::{Setting, said};
use crate::model::failure::{Cause, Nature, RemoteError, Scope};
use crate::model::profile::ServerKind;
use crate::sync::entra;
use crate::sync::exchange::Meaning;
use crate::sync::known;

/// Whether the server says that the token came to its end: whatever was asked for, another token helps.
pub(super) fn has_ended(error: &RemoteError) -> bool {
    known::find(error).is_some_and(|known| known.key == known::TOKEN_ENDED)
}

/// Of a refused login: nothing but another token changes it, or another password.
pub(super) fn nature(error: &RemoteError) -> Nature {
    if has_ended(error) { Nature::Transient } else { Nature::Permanent }
}

pub(super) fn key_unfit(secret: &str, Setting { profile, .. }: Setting<'_>) -> (String, String) {
    said(
        format!("the application of profile `{profile}` cannot prove itself; nobody was asked"),
        format!(
            "set the RSA key that was made together with the certificate in `chainFile`, in PEM and without a pass phrase: `mailplumb \
             secrets set {secret}`; then `mailplumb apply`"
        ),
    )
}

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
    Setting { profile, secret, kind, .. }: Setting<'_>,
) -> (String, String) {
    if let Some(known) = entra::find(words) {
        let remedy = match kind {
            ServerKind::ExchangeOnline => known.remedy,
            ServerKind::Exchange | ServerKind::Pop3Smtp | ServerKind::ImapSmtp => by_token_url(known),
        };
        return said(known.meaning, format!("{remedy} (profile `{profile}`)"));
    }
    let declared = match kind {
        ServerKind::ExchangeOnline => "`clientId`, `tenant`, `cloud`",
        ServerKind::Exchange | ServerKind::Pop3Smtp | ServerKind::ImapSmtp => {
            "`clientId`, `scope`, `tokenUrl`"
        }
    };
    let secret = secret.map_or_else(|| "the client secret".to_owned(), |secret| format!("secret `{secret}`"));
    said(
        format!(
            "`{provider}` knows no such client, or its secret has expired or is wrong, or the scope is not granted"
        ),
        format!(
            "compare {declared} and {secret} of profile `{profile}` with what is registered there; then `mailplumb apply`"
        ),
    )
}

/// The same remedy in the keys of profiles that name the provider by its URL.
fn by_token_url(known: &Meaning) -> &'static str {
    match known.key {
        "application-unknown" => {
            "compare `clientId`, and the tenant in `tokenUrl`, with the app registration; an application of another tenant needs \
             the consent of an administrator, which makes its enterprise application"
        }
        "tenant-unknown" => {
            "compare the tenant in `tokenUrl` with the tenant's id in Entra, and its host with the cloud where that is"
        }
        "assertion-refused" => "compare `tokenUrl` with the token endpoint of the app registration",
        "permission-missing" => {
            "compare `scope` with what the server wants (`https://outlook.office365.com/.default` for Exchange Online), and have an \
             administrator consent to the permissions"
        }
        _ => known.remedy,
    }
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
    (provider, cause): (&str, &Cause),
    Setting { profile, kind, .. }: Setting<'_>,
) -> (String, String) {
    if let Cause::TemporarilyRefused { .. } = cause {
        return said(
            format!(
                "`{provider}`, which gives the access tokens, has no time now; the mail server was not tried"
            ),
            "nothing to do: it is tried again by itself; if it stays so, look at the service health of the provider",
        );
    }
    let what = match kind {
        ServerKind::ExchangeOnline => "`cloud`",
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
