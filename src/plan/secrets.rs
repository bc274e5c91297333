//! The steps of the secrets, and what a changed ciphertext means for the connections that use it.
//!
//! A secret is recognised by the digest of its ciphertext. A ciphertext that was only encrypted again would cause tests
//! for nothing, so connections are proved under a digest that stays as long as the value is known to be the same.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::model::desired::Declared;
use crate::model::plan::{Action, Effect, FieldChange, Policy, Step, Target};
use crate::model::secret::{Comparison, Sealed, SealedValue, SecretDigest, SecretRef, Verdict};
use crate::model::stored::Stored;

use super::mailboxes::Mailboxes;
use super::{Estate, REASON_CREATE, deletion};

pub(super) type Digests = BTreeMap<SecretRef, SecretDigest>;

/// Under which digests the stored connections were proved.
pub(super) fn stored_proofs(stored: &Stored) -> Cow<'_, Digests> {
    let mut proofs = Cow::Borrowed(&stored.secrets);
    for (secret, proof) in &stored.proofs {
        if proofs.contains_key(secret) {
            proofs.to_mut().insert(secret.clone(), proof.clone());
        }
    }
    proofs
}

/// The digests of the declared secrets with those in their places under which they go on being proved; `None`: there
/// are none.
pub(super) fn kept_proofs(declared: &Digests, stored: &Stored, policy: &Policy) -> Option<Digests> {
    let compared = policy.compared.keys().filter(|secret| !stored.proofs.contains_key(*secret));
    let kept: Vec<(SecretRef, SecretDigest)> = stored
        .proofs
        .keys()
        .chain(compared)
        .filter_map(|secret| {
            let proof = kept_proof(secret, declared.get(secret)?, stored, policy)?;
            Some((secret.clone(), proof))
        })
        .collect();
    if kept.is_empty() {
        return None;
    }
    let mut proofs = declared.clone();
    proofs.extend(kept);
    Some(proofs)
}

/// The digest under which a secret goes on being proved although its ciphertext has another one.
fn kept_proof(
    secret: &SecretRef,
    digest: &SecretDigest,
    stored: &Stored,
    policy: &Policy,
) -> Option<SecretDigest> {
    let before = stored.secrets.get(secret)?;
    let is_same = || policy.compared.get(secret).is_some_and(|compared| compared.verdict == Verdict::Same);
    let proof = stored.proofs.get(secret).unwrap_or(before);
    (proof != digest && (before == digest || is_same())).then(|| proof.clone())
}

pub(super) fn puts(estate: &Estate<'_>, mailboxes: &Mailboxes) -> Vec<Step> {
    let mut steps = Vec::new();
    for (secret, Declared { value, origin }) in &estate.desired.secrets {
        let Some(digest) = estate.secrets.get(secret) else { continue };
        let before = estate.stored.secrets.get(secret);
        if before == Some(digest) {
            continue;
        }
        let target = Target::Secret(secret.clone());
        let compared = estate.policy.compared.get(secret);
        let (action, reason) = match before {
            None => (Action::Create, REASON_CREATE.to_owned()),
            Some(_) => (Action::Update, reason(value, compared)),
        };
        let verdict = compared.map_or(Verdict::Unknown, |compared| compared.verdict);
        steps.push(Step {
            action,
            changes: vec![change(action, verdict)],
            consequences: mailboxes.consequences_of(&target),
            target,
            reason,
            origin: Some(origin.clone()),
            effect: Effect::PutSecret {
                secret: secret.clone(),
                digest: digest.clone(),
                proof: kept_proof(secret, digest, estate.stored, estate.policy),
            },
        });
    }
    steps
}

pub(super) fn deletes(estate: &Estate<'_>) -> Vec<Step> {
    let gone = estate.stored.secrets.keys().filter(|secret| !estate.secrets.contains_key(secret));
    gone.map(|secret| deletion(Target::Secret(secret.clone()), Effect::DeleteSecret(secret.clone())))
        .collect()
}

fn reason(declared: &SealedValue, compared: Option<&Comparison>) -> String {
    let ciphertext = match declared.sealed {
        Sealed::Age(_) => "the ciphertext",
        Sealed::Bundle { .. } => "the bundle",
        Sealed::File(_) | Sealed::Env(_) => "where it comes from",
    };
    let others = compared.and_then(|compared| other_recipients(declared, compared));
    match (compared.map_or(Verdict::Unknown, |compared| compared.verdict), others) {
        (Verdict::Same, None) => "re-encrypted, same value".to_owned(),
        (Verdict::Same, Some(others)) => format!("re-encrypted {others}, same value"),
        (Verdict::Different, None) => "its value changed".to_owned(),
        (Verdict::Different, Some(others)) => format!("its value changed; encrypted {others}"),
        (Verdict::Unknown, None) => format!("{ciphertext} changed; its value was not compared"),
        (Verdict::Unknown, Some(others)) => {
            format!("{ciphertext} changed, encrypted {others}; its value was not compared")
        }
    }
}

/// `for ci, ops instead of ops`, where the manifest names other recipients than before.
fn other_recipients(declared: &SealedValue, compared: &Comparison) -> Option<String> {
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    let (before, after) = (sorted(compared.sealed_to_before.as_ref()?), sorted(&declared.sealed_to));
    let words =
        |names: Vec<String>| if names.is_empty() { "nobody named".to_owned() } else { names.join(", ") };
    (before != after).then(|| format!("for {} instead of {}", words(after), words(before)))
}

/// A ciphertext is never shown, not even to say which one it was.
fn change(action: Action, verdict: Verdict) -> FieldChange {
    let (before, after) = match (action, verdict) {
        (Action::Create, _) => (None, "(sealed)"),
        (Action::Update | Action::Rename | Action::Delete | Action::Retest, Verdict::Same) => {
            (Some("(sealed)"), "(re-encrypted)")
        }
        (
            Action::Update | Action::Rename | Action::Delete | Action::Retest,
            Verdict::Different | Verdict::Unknown,
        ) => (Some("(sealed)"), "(changed)"),
    };
    FieldChange { field: "value".into(), before: before.map(Into::into), after: Some(after.into()) }
}
