//! A secret, as far as it may be told: never its value, never its ciphertext.

use super::lines;
use crate::cli::view::{SecretSource, SecretView};

const USERS_SHOWN: usize = 10;

pub fn words(secret: &SecretView) -> String {
    let place = secret.place.clone().unwrap_or_default();
    let source = match secret.source {
        SecretSource::Age => "an age ciphertext in the store".to_owned(),
        SecretSource::File => format!("the file {place}, read when a connection is made"),
        SecretSource::Env => format!("the environment variable {place}"),
        SecretSource::Bundle => format!("the age bundle {place}"),
    };
    let sealed_to = match (secret.source, secret.sealed_to.is_empty()) {
        (SecretSource::Age | SecretSource::Bundle, true) => "the manifest does not say".to_owned(),
        (SecretSource::File | SecretSource::Env, true) => "-".to_owned(),
        (_, false) => secret.sealed_to.join(", "),
    };
    let mut users: Vec<String> = secret.used_by.iter().take(USERS_SHOWN).cloned().collect();
    if let more @ 1.. = secret.used_by.len().saturating_sub(USERS_SHOWN) {
        users.push(format!("and {more} more"));
    }
    let users = if users.is_empty() { "nobody".to_owned() } else { users.join(", ") };
    let expires = secret.expires.map_or_else(|| "no date is declared".to_owned(), |d| d.to_string());
    let pairs = [
        ("value from", source),
        ("sealed to", sealed_to),
        ("expires", expires),
        ("used by", users),
        ("digest", secret.digest.clone()),
    ];
    format!("{}\n{}", secret.resource, lines(&pairs))
}
