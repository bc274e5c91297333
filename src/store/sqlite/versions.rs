//! Effective versions: what operations work with while a declared change of them waits for its test.
//!
//! Profiles and ciphertexts are kept once under their digests, however many mailboxes work with them, and are removed with
//! the last one that does.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{damaged, from_json, parse_name};
use super::secrets;
use crate::model::name::{Address, Name};
use crate::model::operation::Operation;
use crate::model::pending::Version;
use crate::model::profile::Profile;
use crate::model::secret::{SealedValue, SecretDigest, SecretRef};
use crate::store::StoreError;

/// Keeps what is declared at this moment for an operation, unless a former version of it is kept already: then that one is
/// what it works with.
pub(super) fn keep(
    db: &Connection,
    (id, operation): (i64, Operation),
    secrets: &[SecretRef],
) -> Result<(), StoreError> {
    if is_kept(db, (id, operation))? {
        return Ok(());
    }
    let sql =
        "SELECT declared ->> 'address', declared -> 'credentials', declared ->> 'profile' FROM mailboxes
               WHERE id = ?1";
    let (address, credentials, profile): (String, Option<String>, Option<String>) =
        db.prepare_cached(sql)?.query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let credentials = credentials.filter(|json| json != "null");
    let profile = keep_profile(db, profile.as_deref())?;
    let sql = "INSERT INTO versions (mailbox, operation, profile, address, credentials) VALUES (?1, ?2, ?3, ?4, ?5)";
    db.prepare_cached(sql)?.execute(params![id, operation.key(), profile, address, credentials])?;
    secrets.iter().try_for_each(|secret| keep_secret(db, (id, operation), secret))
}

pub(super) fn is_kept(db: &Connection, (id, operation): (i64, Operation)) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM versions WHERE mailbox = ?1 AND operation = ?2";
    Ok(db.prepare_cached(sql)?.exists(params![id, operation.key()])?)
}

fn keep_profile(db: &Connection, name: Option<&str>) -> Result<String, StoreError> {
    let sql = "SELECT declared FROM profiles WHERE name = ?1";
    let profile: Option<String> = db.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?;
    let profile = profile.ok_or_else(|| {
        StoreError::Failed("an operation without a profile has no version to keep".to_owned())
    })?;
    let digest = blake3::hash(profile.as_bytes()).to_hex().to_string();
    let sql = "INSERT INTO profile_versions (digest, profile) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    db.prepare_cached(sql)?.execute([&digest, &profile])?;
    Ok(digest)
}

/// A secret that is not there is none that works; the login will say so.
fn keep_secret(
    db: &Connection,
    (id, operation): (i64, Operation),
    secret: &SecretRef,
) -> Result<(), StoreError> {
    let name = [secret.secret.as_str(), &secret.key];
    let sql = "INSERT INTO secret_versions (digest, sealed, bundle)
               SELECT digest, sealed, bundle FROM secrets WHERE secret = ?1 AND key = ?2 ON CONFLICT DO NOTHING";
    db.prepare_cached(sql)?.execute(name)?;
    let sql = "INSERT INTO version_secrets (mailbox, operation, secret, key, digest)
               SELECT ?3, ?4, secret, key, digest FROM secrets WHERE secret = ?1 AND key = ?2
               ON CONFLICT DO NOTHING";
    db.prepare_cached(sql)?.execute(params![name[0], name[1], id, operation.key()])?;
    Ok(())
}

/// What is declared is what the operation works with from now on. What was kept for it alone goes away.
pub(super) fn release(db: &Connection, (id, operation): (i64, Operation)) -> Result<(), StoreError> {
    let key = params![id, operation.key()];
    let sql = "DELETE FROM version_secrets WHERE mailbox = ?1 AND operation = ?2 RETURNING digest";
    let digests: BTreeSet<String> =
        db.prepare_cached(sql)?.query_map(key, |row| row.get(0))?.collect::<Result<_, _>>()?;
    let sql = "DELETE FROM secret_versions
               WHERE digest = ?1 AND NOT EXISTS (SELECT 1 FROM version_secrets WHERE digest = ?1)";
    let mut removed = 0;
    for digest in digests {
        removed += db.prepare_cached(sql)?.execute([digest])?;
    }
    if removed > 0 {
        secrets::forget_unused_bundles(db)?;
    }
    let sql = "DELETE FROM versions WHERE mailbox = ?1 AND operation = ?2 RETURNING profile";
    let profile: Option<String> = db.prepare_cached(sql)?.query_row(key, |row| row.get(0)).optional()?;
    if let Some(digest) = profile {
        let sql = "DELETE FROM profile_versions
                   WHERE digest = ?1 AND NOT EXISTS (SELECT 1 FROM versions WHERE profile = ?1)";
        db.prepare_cached(sql)?.execute([digest])?;
    }
    Ok(())
}

pub(super) fn sealed(db: &Connection, digest: &SecretDigest) -> Result<Option<SealedValue>, StoreError> {
    let text: Option<String> = db
        .prepare_cached("SELECT sealed FROM secret_versions WHERE digest = ?1")?
        .query_row([&digest.0], |row| row.get(0))
        .optional()?;
    text.map(|text| from_json("a kept secret", &text)).transpose()
}

/// The mailboxes that work as an address that they do not declare any more, each with it.
pub(super) fn former_addresses(db: &Connection) -> Result<Vec<(i64, Name, Address)>, StoreError> {
    let sql = "SELECT DISTINCT mailboxes.id, mailboxes.name, versions.address
               FROM versions JOIN mailboxes ON mailboxes.id = versions.mailbox
               WHERE versions.address <> mailboxes.declared ->> 'address'";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut former = Vec::new();
    while let Some(row) = rows.next()? {
        let address: String = row.get(2)?;
        let address = Address::parse(&address).map_err(|error| damaged("a kept address", &error))?;
        former.push((row.get(0)?, parse_name(&row.get::<_, String>(1)?)?, address));
    }
    Ok(former)
}

/// The kept versions of a mailbox.
pub(super) fn of_mailbox(db: &Connection, id: i64) -> Result<BTreeMap<Operation, Version>, StoreError> {
    Ok(read(db, "WHERE v.mailbox = ?1", &[id])?.remove(&id).unwrap_or_default())
}

/// All kept versions, by the internal ids of their mailboxes.
pub(super) fn all(db: &Connection) -> Result<BTreeMap<i64, BTreeMap<Operation, Version>>, StoreError> {
    read(db, "", &[])
}

fn read(
    db: &Connection,
    filter: &str,
    filtered: &[i64],
) -> Result<BTreeMap<i64, BTreeMap<Operation, Version>>, StoreError> {
    let mut profiles: BTreeMap<String, Profile> = BTreeMap::new();
    let mut versions: BTreeMap<i64, BTreeMap<Operation, Version>> = BTreeMap::new();
    let mut statement = db.prepare_cached(&format!(
        "SELECT v.mailbox, v.operation, v.address, v.credentials, v.profile, p.profile FROM versions v
         JOIN profile_versions p ON p.digest = v.profile {filter}"
    ))?;
    let mut rows = statement.query(rusqlite::params_from_iter(filtered))?;
    while let Some(row) = rows.next()? {
        let digest: String = row.get(4)?;
        let profile = match profiles.get(&digest) {
            Some(profile) => profile.clone(),
            None => from_json("a kept profile", &row.get::<_, String>(5)?)?,
        };
        profiles.insert(digest, profile.clone());
        versions.entry(row.get(0)?).or_default().insert(operation(row)?, version(row, profile)?);
    }
    let mut statement = db.prepare_cached(&format!(
        "SELECT v.mailbox, v.operation, v.secret, v.key, v.digest FROM version_secrets v {filter}"
    ))?;
    let mut rows = statement.query(rusqlite::params_from_iter(filtered))?;
    while let Some(row) = rows.next()? {
        let secret = SecretRef { secret: parse_name(&row.get::<_, String>(2)?)?, key: row.get(3)? };
        let of_mailbox = versions.get_mut(&row.get(0)?);
        if let Some(version) = of_mailbox.and_then(|versions| versions.get_mut(&operation(row).ok()?)) {
            version.secrets.insert(secret, SecretDigest(row.get(4)?));
        }
    }
    Ok(versions)
}

fn operation(row: &Row<'_>) -> Result<Operation, StoreError> {
    let key: String = row.get(1)?;
    Operation::parse(&key).ok_or_else(|| damaged("an operation", &format!("`{key}` is none")))
}

fn version(row: &Row<'_>, profile: Profile) -> Result<Version, StoreError> {
    let address: String = row.get(2)?;
    let credentials: Option<String> = row.get(3)?;
    Ok(Version {
        profile,
        address: Address::parse(&address).map_err(|error| damaged("a kept address", &error))?,
        credentials: credentials.map(|json| from_json("kept credentials", &json)).transpose()?,
        secrets: BTreeMap::new(),
    })
}
