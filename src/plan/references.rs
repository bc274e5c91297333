//! References that lead nowhere. A valid manifest has none; a plan made from one nevertheless must not be applied.

use std::collections::BTreeSet;

use crate::model::mailbox::Mailbox;
use crate::model::name::Name;
use crate::model::plan::{Blocked, Target};
use crate::model::problem::Origin;
use crate::model::profile::{AppProof, Credentials, Profile, Server};
use crate::model::secret::SecretRef;

use super::Estate;

/// Of what a plan of a part leaves as it is, only what the plan itself would break counts.
pub(super) fn unresolved(estate: &Estate<'_>) -> Vec<Blocked> {
    let mut blocked = Vec::new();
    for (name, declared) in &estate.desired.profiles {
        for secret in secrets_of(&declared.value) {
            blocked.extend(missing_secret(estate, Target::Profile(name.clone()), secret, &declared.origin));
        }
    }
    for (name, declared) in &estate.desired.mailboxes {
        let Mailbox { profile, credentials, .. } = &declared.value;
        let target = || Target::Mailbox(name.clone());
        if let Some(own) = credentials {
            blocked.extend(missing_secret(estate, target(), &own.password, &declared.origin));
        }
        if let Some(profile) = profile.as_ref().filter(|p| !estate.desired.profiles.contains_key(*p))
            && (estate.scope.contains(&target()) || estate.stored.profiles.contains_key(profile))
        {
            blocked.push(missing_profile(estate, target(), profile, &declared.origin));
        }
    }
    blocked
}

fn missing_secret(
    estate: &Estate<'_>,
    target: Target,
    secret: &SecretRef,
    origin: &Origin,
) -> Option<Blocked> {
    let is_broken = estate.scope.contains(&target) || estate.stored.secrets.contains_key(secret);
    if estate.secrets.contains_key(secret) || !is_broken {
        return None;
    }
    let missing = Target::Secret(secret.clone());
    if estate.scope.leaves_out(&missing) {
        return Some(left_out(target, missing, origin));
    }
    if !estate.scope.contains(&target) && estate.stored.secrets.contains_key(secret) {
        return Some(still_used(estate, target, &format!("secret `{secret}`"), origin));
    }
    Some(Blocked {
        guard: None,
        message: format!("{target} refers to secret `{secret}`, which is not declared"),
        remedy: format!("declare the key `{}` in the secret `{}`", secret.key, secret.secret),
        target: Some(target),
        origin: Some(origin.clone()),
    })
}

/// What is to be deleted is used by something that is left out, and that the manifest may not declare either by now.
fn still_used(estate: &Estate<'_>, target: Target, used: &str, origin: &Origin) -> Blocked {
    Blocked {
        guard: None,
        message: format!("{used} cannot be deleted while {target} uses it, which is left out"),
        remedy: format!("choose {target} too"),
        origin: estate.scope.leaves_out(&target).then(|| origin.clone()),
        target: Some(target),
    }
}

fn left_out(target: Target, needed: Target, origin: &Origin) -> Blocked {
    Blocked {
        guard: None,
        message: format!("{target} needs {needed}, which is excluded and not stored yet"),
        remedy: format!("do not exclude {needed}, or leave {target} out, too"),
        target: Some(target),
        origin: Some(origin.clone()),
    }
}

fn missing_profile(estate: &Estate<'_>, target: Target, profile: &Name, origin: &Origin) -> Blocked {
    if estate.scope.leaves_out(&Target::Profile(profile.clone())) {
        return left_out(target, Target::Profile(profile.clone()), origin);
    }
    if !estate.scope.contains(&target) {
        return still_used(estate, target, &format!("profile `{profile}`"), origin);
    }
    let message = if estate.stored.profiles.contains_key(profile) {
        format!("profile `{profile}` cannot be deleted while {target} uses it")
    } else {
        format!("{target} refers to profile `{profile}`, which is not declared")
    };
    Blocked {
        guard: None,
        target: Some(target),
        message,
        remedy: format!("declare profile `{profile}`, or give the mailbox another one"),
        origin: Some(origin.clone()),
    }
}

/// Every secret that a profile itself names, each once.
pub fn secrets_of(profile: &Profile) -> BTreeSet<&SecretRef> {
    let credentials: Vec<&Credentials> = match &profile.server {
        Server::Pop3Smtp(servers) | Server::ImapSmtp(servers) => {
            let outgoing = servers.outgoing.iter().map(|endpoint| &endpoint.credentials);
            outgoing.chain([&servers.incoming.credentials]).collect()
        }
        Server::Exchange(exchange) => vec![&exchange.incoming.credentials, &exchange.outgoing.credentials],
        Server::ExchangeOnline(online) => {
            let (AppProof::ClientSecret(secret) | AppProof::Certificate { private_key: secret, .. }) =
                &online.proof;
            return [secret].into();
        }
    };
    credentials.into_iter().filter_map(secret_of).collect()
}

fn secret_of(credentials: &Credentials) -> Option<&SecretRef> {
    match credentials {
        Credentials::Profile { password: secret, .. } | Credentials::Oauth2 { client_secret: secret, .. } => {
            Some(secret)
        }
        Credentials::Mailbox | Credentials::WindowsIntegrated { .. } | Credentials::Anonymous => None,
    }
}
