//! Opens secrets: those of a connection, those that an apply is about to store, and those whose ciphertext changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::aside;
use crate::model::desired::Desired;
use crate::model::name::Name;
use crate::model::secret::{
    BundleDigest, Sealed, SealedBundle, SealedDigestKey, SealedValue, Secret, SecretRef, ValueDigest,
};
use crate::secrets::{DigestKey, Presence, Unseal, UnsealError};
use crate::store::{DigestKeyChange, Openings, Store, StoreError};

/// Opens one stored value, with the bundle that it is in.
pub async fn stored_value(
    store: &dyn Store,
    secrets: &Arc<dyn Unseal>,
    name: &SecretRef,
    sealed: SealedValue,
) -> Result<Result<Secret<String>, UnsealError>, StoreError> {
    let bundle = match sealed.bundle() {
        Some(digest) if !secrets.holds(digest) => match store.bundle(digest).await? {
            Some(bundle) => Some((digest.clone(), bundle)),
            None => return Ok(Err(UnsealError::BundleMissing(file_of(&sealed)))),
        },
        Some(_) | None => None,
    };
    if bundle.is_none() && is_at_hand(&sealed.sealed) {
        return Ok(secrets.open(name, &sealed));
    }
    let (secrets, name) = (Arc::clone(secrets), name.clone());
    // Reading a file or running a plugin blocks.
    blocking(move || {
        if let Some((digest, bundle)) = bundle {
            secrets
                .open_bundle(&digest, &bundle, Presence::Attended)
                .map_err(|error| sealed_to(error, &sealed))?;
        }
        secrets.open(&name, &sealed)
    })
    .await
}

/// A variable, and a value of a bundle that is open, are only looked up: a thousand mailboxes at once need no other thread for them.
fn is_at_hand(sealed: &Sealed) -> bool {
    match sealed {
        Sealed::Env(_) | Sealed::Bundle { .. } => true,
        Sealed::Age(_) | Sealed::File(_) => false,
    }
}

fn file_of(sealed: &SealedValue) -> String {
    match &sealed.sealed {
        Sealed::Bundle { file, .. } => file.clone(),
        Sealed::Age(_) | Sealed::File(_) | Sealed::Env(_) => String::new(),
    }
}

/// A bundle does not know its recipients' names; its values do.
fn sealed_to(error: UnsealError, sealed: &SealedValue) -> UnsealError {
    let is_stranger = matches!(error, UnsealError::NotForThisIdentity { .. });
    if is_stranger { UnsealError::NotForThisIdentity { sealed_to: sealed.sealed_to.clone() } } else { error }
}

/// A panic is a failure of the store's side for the caller: nothing was opened.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    aside::run(work).await.ok_or_else(|| StoreError::Failed("opening a secret panicked".to_owned()))
}

/// Several values with the bundles that they are in, opened without asking anybody for anything.
pub(super) struct Batch {
    pub values: Vec<(SecretRef, SealedValue)>,
    pub bundles: BTreeMap<BundleDigest, SealedBundle>,
    pub presence: Presence,
}

impl Batch {
    /// What opens, by reference; what does not open is left out. Blocks.
    pub fn open(&self, secrets: &dyn Unseal) -> BTreeMap<SecretRef, Secret<String>> {
        let mut shut = BTreeSet::new();
        for (digest, bundle) in &self.bundles {
            if secrets.open_bundle(digest, bundle, self.presence).is_err() {
                shut.insert(digest);
            }
        }
        let mut opened = BTreeMap::new();
        for (name, sealed) in &self.values {
            if !is_ciphertext(sealed) || sealed.bundle().is_some_and(|bundle| shut.contains(bundle)) {
                continue;
            }
            match open(secrets, name, sealed, self.presence) {
                Ok(value) => drop(opened.insert(name.clone(), value)),
                // Without an identity none of the others opens either.
                Err(UnsealError::NoIdentity) => break,
                Err(_) => {}
            }
        }
        opened
    }
}

fn open(
    secrets: &dyn Unseal,
    name: &SecretRef,
    sealed: &SealedValue,
    presence: Presence,
) -> Result<Secret<String>, UnsealError> {
    match presence {
        Presence::Attended => secrets.open(name, sealed),
        Presence::Unattended => secrets.open_unattended(name, sealed),
    }
}

/// Files and variables are read when a connection is made, on the machine that makes it.
fn is_ciphertext(sealed: &SealedValue) -> bool {
    match sealed.sealed {
        Sealed::Age(_) | Sealed::Bundle { .. } => true,
        Sealed::File(_) | Sealed::Env(_) => false,
    }
}

/// The stored digest key, if it opens. Blocks.
pub(super) fn digest_key(
    secrets: &dyn Unseal,
    sealed: &SealedDigestKey,
    presence: Presence,
) -> Option<DigestKey> {
    // Only for the words of an error, which nobody sees.
    let name = SecretRef { secret: Name::parse("digest-key").ok()?, key: String::new() };
    let value = SealedValue {
        sealed: Sealed::Age(sealed.age.clone()),
        sealed_to: sealed.recipients.keys().cloned().collect(),
        expires: None,
    };
    DigestKey::parse(&open(secrets, &name, &value, presence).ok()?)
}

/// What an apply keeps beside the ciphertexts that it stores: their bundles, and, where an identity is at hand, by what
/// their values are recognised later.
pub(super) async fn openings(
    store: &dyn Store,
    secrets: &Arc<dyn Unseal>,
    desired: &Desired,
    puts: &[(SecretRef, SealedValue)],
) -> Result<Openings, StoreError> {
    let used: BTreeSet<&BundleDigest> = puts.iter().filter_map(|(_, sealed)| sealed.bundle()).collect();
    let bundles: BTreeMap<BundleDigest, SealedBundle> = used
        .into_iter()
        .filter_map(|digest| Some((digest.clone(), desired.bundles.get(digest)?.clone())))
        .collect();
    let stored_key = store.digest_key().await?;
    let recipients = desired.organization.value.recipients.clone();
    let is_settled = stored_key.as_ref().is_none_or(|key| key.recipients == recipients);
    let kept = bundles.iter().map(|(digest, bundle)| (digest.clone(), bundle.clone())).collect();
    if puts.is_empty() && is_settled {
        return Ok(Openings { bundles: kept, ..Openings::default() });
    }
    let batch = Batch { values: puts.to_vec(), bundles, presence: Presence::Unattended };
    let secrets = Arc::clone(secrets);
    let (values, digest_key) =
        blocking(move || digested(&batch, stored_key, &recipients, secrets.as_ref())).await?;
    Ok(Openings { bundles: kept, values, digest_key })
}

/// Blocks.
fn digested(
    batch: &Batch,
    stored: Option<SealedDigestKey>,
    recipients: &BTreeMap<String, String>,
    secrets: &dyn Unseal,
) -> (Vec<(SecretRef, ValueDigest)>, DigestKeyChange) {
    let nothing = (Vec::new(), DigestKeyChange::Keep);
    let known = match &stored {
        Some(sealed) => match digest_key(secrets, sealed, batch.presence) {
            Some(key) => Some((key, sealed)),
            // Whoever holds an identity for it goes on with it.
            None => return nothing,
        },
        None => None,
    };
    let opened = batch.open(secrets);
    if known.is_none() && opened.is_empty() {
        return nothing;
    }
    let Some((key, change)) = key_for(known, recipients) else { return nothing };
    let digests = opened.iter().map(|(name, value)| (name.clone(), key.digest(name, value))).collect();
    (digests, change)
}

/// Somebody who is no recipient any more may know the key, so it is not used for anything new.
fn key_for(
    known: Option<(DigestKey, &SealedDigestKey)>,
    recipients: &BTreeMap<String, String>,
) -> Option<(DigestKey, DigestKeyChange)> {
    match known {
        Some((key, sealed)) if sealed.recipients == *recipients => Some((key, DigestKeyChange::Keep)),
        Some((key, sealed)) if sealed.recipients.values().all(|it| recipients.values().any(|r| r == it)) => {
            let change = key.seal(recipients).map_or(DigestKeyChange::Keep, DigestKeyChange::Reseal);
            Some((key, change))
        }
        Some(_) | None => {
            let key = DigestKey::generate()?;
            let sealed = key.seal(recipients).ok()?;
            Some((key, DigestKeyChange::Replace(sealed)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread::ThreadId;

    use super::*;
    use crate::store::sqlite::{Open, SqliteStore};

    /// Tells on which thread it is asked.
    struct Witness;

    impl Unseal for Witness {
        fn open(&self, _: &SecretRef, _: &SealedValue) -> Result<Secret<String>, UnsealError> {
            Ok(Secret::new(told(std::thread::current().id())))
        }

        fn open_unattended(
            &self,
            name: &SecretRef,
            sealed: &SealedValue,
        ) -> Result<Secret<String>, UnsealError> {
            self.open(name, sealed)
        }

        fn holds(&self, _: &BundleDigest) -> bool {
            true
        }

        fn open_bundle(&self, _: &BundleDigest, _: &SealedBundle, _: Presence) -> Result<(), UnsealError> {
            Ok(())
        }
    }

    fn told(thread: ThreadId) -> String {
        format!("{thread:?}")
    }

    #[tokio::test]
    async fn what_is_at_hand_needs_no_other_thread_and_what_blocks_has_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("state.db"), Open::CreateIfMissing).unwrap();
        let secrets: Arc<dyn Unseal> = Arc::new(Witness);
        let name: SecretRef = serde_json::from_str(r#"{"secret":"a","key":"b"}"#).unwrap();
        let bundle = BundleDigest::of(b"a bundle");
        let here = told(std::thread::current().id());
        for (sealed, is_here) in [
            (Sealed::Env("A".to_owned()), true),
            (Sealed::Bundle { file: "a.age".to_owned(), bundle, key: "b".to_owned() }, true),
            (Sealed::File("/a".into()), false),
            (Sealed::Age("a ciphertext".to_owned()), false),
        ] {
            let sealed = SealedValue { sealed, sealed_to: Vec::new(), expires: None };
            let opened = stored_value(&store, &secrets, &name, sealed).await.unwrap().unwrap();
            assert_eq!(*opened.expose() == here, is_here);
        }
    }
}
