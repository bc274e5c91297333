//! What it means when no access token is to be had.

use super::{Setting, said};
use crate::model::failure::{Nature, Scope};
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

pub(super) fn token_unavailable(provider: &str, Setting { profile, .. }: Setting<'_>) -> (String, String) {
    said(
        format!(
            "`{provider}`, which gives the access tokens, could not be asked; the mail server was not tried"
        ),
        format!(
            "check `tokenUrl` of profile `{profile}` and the way from this machine to it; when the provider is only \
             down, it is tried again by itself"
        ),
    )
}
