//! Addresses of what is stored: `mailbox/anna`, `profile/hq`, `secret/mail/password`, `organization`.

use super::exit::Failure;
use crate::model::likeness;
use crate::model::name::Name;
use crate::model::plan::Target;
use crate::model::secret::SecretRef;
use crate::model::stored::Stored;

/// Every address in the order in which an apply would make them.
pub fn all(stored: &Stored) -> Vec<Target> {
    let mut targets: Vec<Target> = stored.organization.iter().map(|_| Target::Organization).collect();
    targets.extend(stored.secrets.keys().cloned().map(Target::Secret));
    targets.extend(stored.profiles.keys().cloned().map(Target::Profile));
    targets.extend(stored.mailboxes.keys().cloned().map(Target::Mailbox));
    targets
}

/// The kind as the first part of an address.
pub fn kind(target: &Target) -> &'static str {
    match target {
        Target::Organization => "organization",
        Target::Secret(_) => "secret",
        Target::Profile(_) => "profile",
        Target::Mailbox(_) => "mailbox",
    }
}

/// What a person means: an address, or a name or mail address that only one thing has.
pub fn find(wanted: &str, stored: &Stored) -> Result<Target, Failure> {
    if let Some(target) = parse(wanted).filter(|target| is_stored(target, stored)) {
        return Ok(target);
    }
    let mut found: Vec<Target> =
        all(stored).into_iter().filter(|one| is_called(one, wanted, stored)).collect();
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            found.push(last);
            let addresses: Vec<String> = found.iter().take(5).map(|one| format!("`{one}`")).collect();
            Err(Failure::new(format!("`{wanted}` names several things"))
                .hint(format!("say which: {}", addresses.join(", "))))
        }
        (None, _) => Err(unknown(wanted, stored)),
    }
}

fn parse(text: &str) -> Option<Target> {
    match text.split_once('/') {
        None => (text == "organization").then_some(Target::Organization),
        Some(("mailbox", name)) => Name::parse(name).ok().map(Target::Mailbox),
        Some(("profile", name)) => Name::parse(name).ok().map(Target::Profile),
        Some(("secret", rest)) => {
            let (secret, key) = rest.split_once('/')?;
            let secret = Name::parse(secret).ok()?;
            Some(Target::Secret(SecretRef { secret, key: key.to_owned() }))
        }
        Some(_) => None,
    }
}

fn is_stored(target: &Target, stored: &Stored) -> bool {
    match target {
        Target::Organization => stored.organization.is_some(),
        Target::Secret(secret) => stored.secrets.contains_key(secret),
        Target::Profile(name) => stored.profiles.contains_key(name),
        Target::Mailbox(name) => stored.mailboxes.contains_key(name),
    }
}

fn is_called(target: &Target, wanted: &str, stored: &Stored) -> bool {
    match target {
        Target::Organization => stored.organization.as_ref().is_some_and(|one| one.name.as_str() == wanted),
        Target::Secret(secret) => secret.to_string() == wanted,
        Target::Profile(name) => name.as_str() == wanted,
        Target::Mailbox(name) => {
            let has_address = |mailbox: &crate::model::stored::StoredMailbox| {
                mailbox.declared.address.key() == wanted.to_lowercase()
            };
            name.as_str() == wanted || stored.mailboxes.get(name).is_some_and(has_address)
        }
    }
}

fn unknown(wanted: &str, stored: &Stored) -> Failure {
    // A bare name is compared with names, an address with addresses.
    let spelling = |target: &Target| {
        let address = target.to_string();
        match address.split_once('/') {
            Some((_, name)) if !wanted.contains('/') => name.to_owned(),
            Some(_) | None => address,
        }
    };
    let targets = all(stored);
    let spellings: Vec<String> = targets.iter().map(spelling).collect();
    let failure = Failure::new(format!("no `{wanted}` in the store"));
    let nearest = likeness::nearest(wanted, &spellings);
    match nearest.and_then(|nearest| targets.iter().find(|target| spelling(target) == *nearest)) {
        Some(target) => failure.hint(format!("did you mean `{target}`?")),
        None => failure.hint("`mailplumb state list` lists what there is; a new one must be applied first"),
    }
}
