//! Ciphertexts at rest: each bundle once, as long as something is in it; digests of values under one key.

use std::sync::Arc;

use mailplumb::model::plan::{Effect, Plan};
use mailplumb::model::secret::{
    BundleDigest, Sealed, SealedBundle, SealedDigestKey, SealedValue, SecretDigest, SecretRef, ValueDigest,
};
use mailplumb::store::{DigestKeyChange, Openings, RevisionCommit, Store};

use super::World;
use crate::store::samples::*;

fn reference(key: &str) -> SecretRef {
    SecretRef { secret: name("team"), key: key.to_owned() }
}

fn bundle(text: &str) -> SealedBundle {
    SealedBundle { file: "team.age".to_owned(), ciphertext: Arc::from(text.as_bytes()) }
}

fn in_bundle(text: &str, key: &str) -> SealedValue {
    let sealed = Sealed::Bundle {
        file: "team.age".to_owned(),
        bundle: BundleDigest::of(text.as_bytes()),
        key: key.to_owned(),
    };
    SealedValue { sealed, sealed_to: vec!["ops".to_owned()], expires: None }
}

async fn put(store: &dyn Store, puts: &[(&str, SealedValue)], proof: Option<&str>, openings: Openings) {
    let effects = puts.iter().map(|(key, sealed)| Effect::PutSecret {
        secret: reference(key),
        digest: sealed.digest(),
        proof: proof.map(|proof| SecretDigest(proof.to_owned())),
    });
    commit(store, effects.collect(), puts, openings).await;
}

async fn commit(store: &dyn Store, effects: Vec<Effect>, puts: &[(&str, SealedValue)], openings: Openings) {
    let plan: Plan = plan(store, effects).await;
    let secrets = puts.iter().map(|(key, sealed)| (reference(key), sealed.clone())).collect();
    let lease = lease_state(store).await;
    let fingerprint = Some(mailplumb::plan::fingerprint(&plan));
    let commit = RevisionCommit {
        plan: &plan,
        fingerprint,
        secrets,
        openings,
        states: Vec::new(),
        kept: Vec::new(),
        at: at(1),
    };
    store.commit_revision(&lease, commit).await.unwrap();
    store.release(&lease).await.unwrap();
}

fn with_bundle(text: &str) -> Openings {
    let bundles = vec![(BundleDigest::of(text.as_bytes()), bundle(text))];
    Openings { bundles, ..Openings::default() }
}

pub async fn a_bundle_is_kept_as_long_as_a_secret_is_in_it(world: &World) {
    let store = &*world.store;
    let digest = |text: &str| BundleDigest::of(text.as_bytes());
    put(store, &[("a", in_bundle("one", "a")), ("b", in_bundle("one", "b"))], None, with_bundle("one")).await;
    assert_eq!(store.bundle(&digest("one")).await.unwrap(), Some(bundle("one")));
    assert_eq!(store.sealed(&reference("a")).await.unwrap(), Some(in_bundle("one", "a")));
    put(store, &[("a", in_bundle("two", "a"))], None, with_bundle("two")).await;
    for text in ["one", "two"] {
        assert!(store.bundle(&digest(text)).await.unwrap().is_some(), "{text}");
    }
    put(store, &[("b", sealed("alone"))], None, Openings::default()).await;
    assert_eq!(store.bundle(&digest("one")).await.unwrap(), None);
    commit(store, vec![Effect::DeleteSecret(reference("a"))], &[], Openings::default()).await;
    assert_eq!(store.bundle(&digest("two")).await.unwrap(), None);
}

pub async fn what_stands_for_an_earlier_ciphertext_is_read_back(world: &World) {
    let store = &*world.store;
    put(store, &[("a", sealed("two"))], Some("digest of one"), Openings::default()).await;
    let stored = store.stored().await.unwrap();
    assert_eq!(stored.secrets[&reference("a")], sealed("two").digest());
    assert_eq!(stored.proofs[&reference("a")].0, "digest of one");
    put(store, &[("a", sealed("three"))], None, Openings::default()).await;
    assert!(store.stored().await.unwrap().proofs.is_empty());
}

pub async fn digests_of_values_are_forgotten_with_their_key(world: &World) {
    let store = &*world.store;
    let key = |age: &str| SealedDigestKey {
        age: age.to_owned(),
        recipients: [("ops".into(), "age1x".into())].into(),
    };
    let opened = |key: &str, digest_key| Openings {
        values: vec![(reference(key), ValueDigest(format!("digest of {key}")))],
        digest_key,
        ..Openings::default()
    };
    assert_eq!(store.digest_key().await.unwrap(), None);
    put(store, &[("a", sealed("x"))], None, opened("a", DigestKeyChange::Replace(key("1")))).await;
    put(store, &[("b", sealed("x"))], None, opened("b", DigestKeyChange::Reseal(key("2")))).await;
    assert_eq!(store.digest_key().await.unwrap(), Some(key("2")));
    assert_eq!(store.value_digests().await.unwrap().len(), 2);
    // Applied where nobody could open it.
    put(store, &[("a", sealed("y"))], None, Openings::default()).await;
    let known = store.value_digests().await.unwrap();
    assert_eq!(known.keys().collect::<Vec<_>>(), [&reference("b")]);
    put(store, &[("a", sealed("z"))], None, opened("a", DigestKeyChange::Replace(key("3")))).await;
    let known = store.value_digests().await.unwrap();
    assert_eq!(known.keys().collect::<Vec<_>>(), [&reference("a")]);
    assert_eq!((world.again)().digest_key().await.unwrap(), Some(key("3")));
}
