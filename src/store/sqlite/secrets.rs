//! The declared secrets as they are stored: ciphertexts and digests, never a value.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{damaged, from_json, parse_name, to_json};
use crate::model::secret::{
    BundleDigest, SealedBundle, SealedDigestKey, SealedValue, SecretDigest, SecretRef, ValueDigest,
};
use crate::store::{DigestKeyChange, StoreError};

type Digests = BTreeMap<SecretRef, SecretDigest>;

pub(super) fn sealed(db: &Connection, secret: &SecretRef) -> Result<Option<SealedValue>, StoreError> {
    let text: Option<String> = db
        .prepare_cached("SELECT sealed FROM secrets WHERE secret = ?1 AND key = ?2")?
        .query_row([secret.secret.as_str(), &secret.key], |row| row.get(0))
        .optional()?;
    text.map(|text| from_json("a secret", &text)).transpose()
}

/// Of the ciphertexts, and of those that stand for an earlier one of the same value.
pub(super) fn digests(db: &Connection) -> Result<(Digests, Digests), StoreError> {
    let (mut digests, mut proofs) = (BTreeMap::new(), BTreeMap::new());
    let mut statement = db.prepare_cached("SELECT secret, key, digest, proof FROM secrets")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let secret: String = row.get(0)?;
        let reference = SecretRef { secret: parse_name(&secret)?, key: row.get(1)? };
        if let Some(proof) = row.get(3)? {
            proofs.insert(reference.clone(), SecretDigest(proof));
        }
        digests.insert(reference, SecretDigest(row.get(2)?));
    }
    Ok((digests, proofs))
}

pub(super) fn value_digests(db: &Connection) -> Result<BTreeMap<SecretRef, ValueDigest>, StoreError> {
    let sql = "SELECT secret, key, value FROM secrets WHERE value IS NOT NULL";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut digests = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let secret: String = row.get(0)?;
        let reference = SecretRef { secret: parse_name(&secret)?, key: row.get(1)? };
        digests.insert(reference, ValueDigest(row.get(2)?));
    }
    Ok(digests)
}

pub(super) fn bundle(db: &Connection, digest: &BundleDigest) -> Result<Option<SealedBundle>, StoreError> {
    let row: Option<(String, Vec<u8>)> = db
        .prepare_cached("SELECT file, ciphertext FROM bundles WHERE digest = ?1")?
        .query_row([&digest.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((file, ciphertext)) = row else { return Ok(None) };
    if BundleDigest::of(&ciphertext) != *digest {
        return Err(damaged("a bundle", &"its ciphertext is not the one that was stored"));
    }
    Ok(Some(SealedBundle { file, ciphertext: Arc::from(ciphertext) }))
}

pub(super) fn digest_key(db: &Connection) -> Result<Option<SealedDigestKey>, StoreError> {
    let text: Option<String> =
        db.prepare_cached("SELECT sealed FROM digest_key")?.query_row([], |row| row.get(0)).optional()?;
    text.map(|text| from_json("the digest key", &text)).transpose()
}

pub(super) fn put_bundle(
    db: &Connection,
    digest: &BundleDigest,
    bundle: &SealedBundle,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO bundles (digest, file, ciphertext) VALUES (?1, ?2, ?3)
               ON CONFLICT (digest) DO UPDATE SET file = excluded.file";
    db.prepare_cached(sql)?.execute(params![digest.0, bundle.file, &bundle.ciphertext[..]])?;
    Ok(())
}

/// One put of a plan: what is sealed, its digests, and the keyed digest of its value where somebody could open it.
pub(super) struct Put<'a> {
    pub secret: &'a SecretRef,
    pub sealed: &'a SealedValue,
    pub digest: &'a SecretDigest,
    pub proof: Option<&'a SecretDigest>,
    pub value: Option<&'a ValueDigest>,
}

pub(super) fn put(db: &Connection, put: &Put<'_>) -> Result<(), StoreError> {
    let sql = "INSERT INTO secrets (secret, key, sealed, digest, bundle, proof, value)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
               ON CONFLICT (secret, key) DO UPDATE SET sealed = excluded.sealed, digest = excluded.digest,
               bundle = excluded.bundle, proof = excluded.proof, value = excluded.value";
    db.prepare_cached(sql)?.execute(params![
        put.secret.secret.as_str(),
        put.secret.key,
        to_json(put.sealed)?,
        put.digest.0,
        put.sealed.bundle().map(|bundle| &bundle.0),
        put.proof.map(|proof| &proof.0),
        put.value.map(|value| &value.0),
    ])?;
    Ok(())
}

/// Returns the number of rows.
pub(super) fn delete(db: &Connection, secret: &SecretRef) -> Result<usize, StoreError> {
    let sql = "DELETE FROM secrets WHERE secret = ?1 AND key = ?2";
    Ok(db.prepare_cached(sql)?.execute([secret.secret.as_str(), &secret.key])?)
}

/// Old ciphertexts do not stay: somebody who lost the right to read them may hold a key.
pub(super) fn forget_unused_bundles(db: &Connection) -> Result<(), StoreError> {
    let sql = "DELETE FROM bundles
               WHERE NOT EXISTS (SELECT 1 FROM secrets WHERE secrets.bundle = bundles.digest)
               AND NOT EXISTS (SELECT 1 FROM secret_versions WHERE secret_versions.bundle = bundles.digest)";
    db.prepare_cached(sql)?.execute([])?;
    Ok(())
}

pub(super) fn change_digest_key(db: &Connection, change: &DigestKeyChange) -> Result<(), StoreError> {
    let key = match change {
        DigestKeyChange::Keep => return Ok(()),
        DigestKeyChange::Reseal(key) => key,
        DigestKeyChange::Replace(key) => {
            db.prepare_cached("UPDATE secrets SET value = NULL")?.execute([])?;
            key
        }
    };
    let sql = "INSERT INTO digest_key (one, sealed) VALUES (1, ?1)
               ON CONFLICT (one) DO UPDATE SET sealed = excluded.sealed";
    db.prepare_cached(sql)?.execute([to_json(key)?])?;
    Ok(())
}
