//! Which changed ciphertexts hold another value, and which were only encrypted again. Only those that changed are opened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::desired::Desired;
use crate::model::secret::{Comparison, SealedValue, SecretRef, Verdict};
use crate::model::stored::Stored;
use crate::secrets::{Presence, Unseal};
use crate::store::{Store, StoreError};

use super::opening::{self, Batch};

/// The secrets that are stored with another ciphertext than the manifest's.
pub fn changed(desired: &Desired, stored: &Stored) -> Vec<SecretRef> {
    let is_changed = |name: &SecretRef, sealed: &SealedValue| {
        stored.secrets.get(name).is_some_and(|digest| *digest != sealed.digest())
    };
    let changed = desired.secrets.iter().filter(|(name, declared)| is_changed(name, &declared.value));
    changed.map(|(name, _)| name.clone()).collect()
}

/// Compares them with what is stored, as far as `secrets` opens them.
pub async fn compare(
    store: &dyn Store,
    secrets: &Arc<dyn Unseal>,
    desired: &Desired,
    changed: &[SecretRef],
    presence: Presence,
) -> Result<BTreeMap<SecretRef, Comparison>, StoreError> {
    let mut before = Vec::new();
    for name in changed {
        if let Some(sealed) = store.sealed(name).await? {
            before.push((name.clone(), sealed));
        }
    }
    let known = store.value_digests().await?;
    let key = store.digest_key().await?;
    // What no digest is kept of is opened from the store.
    let undigested = |(name, _): &&(SecretRef, SealedValue)| key.is_none() || !known.contains_key(name);
    let to_open: Vec<_> = before.iter().filter(undigested).cloned().collect();
    let old = batch(store, to_open, presence).await?;
    let new = declared(desired, changed, presence);
    let names: Vec<SecretRef> = before.iter().map(|(name, _)| name.clone()).collect();
    let unsealer = Arc::clone(secrets);
    let verdicts = opening::blocking(move || {
        let new = new.open(unsealer.as_ref());
        let key = key.and_then(|sealed| opening::digest_key(unsealer.as_ref(), &sealed, presence));
        let old = if new.is_empty() { BTreeMap::new() } else { old.open(unsealer.as_ref()) };
        let verdict = |name: &SecretRef| {
            let Some(value) = new.get(name) else { return Verdict::Unknown };
            let by_digest =
                key.as_ref().zip(known.get(name)).map(|(key, digest)| key.digest(name, value) == *digest);
            let by_value = old.get(name).map(|old| old.expose() == value.expose());
            match by_digest.or(by_value) {
                Some(true) => Verdict::Same,
                Some(false) => Verdict::Different,
                None => Verdict::Unknown,
            }
        };
        names.iter().map(verdict).collect::<Vec<_>>()
    })
    .await?;
    let compared = before.into_iter().zip(verdicts);
    Ok(compared
        .map(|((name, sealed), verdict)| {
            (name, Comparison { verdict, sealed_to_before: Some(sealed.sealed_to) })
        })
        .collect())
}

async fn batch(
    store: &dyn Store,
    values: Vec<(SecretRef, SealedValue)>,
    presence: Presence,
) -> Result<Batch, StoreError> {
    let used: BTreeSet<_> = values.iter().filter_map(|(_, sealed)| sealed.bundle()).collect();
    let mut bundles = BTreeMap::new();
    for digest in used {
        if let Some(bundle) = store.bundle(digest).await? {
            bundles.insert(digest.clone(), bundle);
        }
    }
    Ok(Batch { values, bundles, presence })
}

fn declared(desired: &Desired, changed: &[SecretRef], presence: Presence) -> Batch {
    let values: Vec<_> = changed
        .iter()
        .filter_map(|name| Some((name.clone(), desired.secrets.get(name)?.value.clone())))
        .collect();
    let used: BTreeSet<_> = values.iter().filter_map(|(_, sealed)| sealed.bundle()).cloned().collect();
    let bundles =
        used.into_iter().filter_map(|digest| Some((digest.clone(), desired.bundles.get(&digest)?.clone())));
    Batch { bundles: bundles.collect(), values, presence }
}
