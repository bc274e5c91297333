//! The declared state as it is read: organization, profiles, secrets, mailboxes with their operations, history.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Row};

use super::columns::{count, damaged, from_json, mailbox_id_opt, slot, timestamp, timestamp_opt, whole};
use super::{approvals, declaration, secrets, versions};
use crate::model::desired::ManifestDigest;
use crate::model::name::Name;
use crate::model::operation::{ConnectionDigest, Operation};
use crate::model::organization::Organization;
use crate::model::profile::Profile;
use crate::model::revision::{Revision, RevisionEntry, StoreId};
use crate::model::stored::{FootingRow, Outline, Stored, StoredMailbox, StoredOperation};
use crate::store::{MailboxRow, StoreError};

pub(super) fn store_id(db: &Connection) -> Result<StoreId, StoreError> {
    let id = db.prepare_cached("SELECT id FROM store")?.query_row([], |row| row.get(0)).optional()?;
    id.map(StoreId).ok_or_else(|| StoreError::Damaged("it has no id".to_owned()))
}

pub(super) fn current_revision(db: &Connection) -> Result<Revision, StoreError> {
    let sql = "SELECT coalesce(max(revision), 0) FROM revisions";
    Ok(Revision(count(db.prepare_cached(sql)?.query_row([], |row| row.get(0))?)?))
}

pub(super) fn organization(db: &Connection) -> Result<Option<Organization>, StoreError> {
    let declared: Option<String> =
        db.prepare_cached("SELECT declared FROM organization")?.query_row([], |row| row.get(0)).optional()?;
    declared.map(|text| from_json("the organization", &text)).transpose()
}

pub(super) fn stored(db: &Connection) -> Result<Stored, StoreError> {
    let (secrets, proofs) = secrets::digests(db)?;
    Ok(Stored {
        store: Some(store_id(db)?),
        revision: current_revision(db)?,
        organization: organization(db)?,
        profiles: profiles(db)?,
        mailboxes: mailboxes(db)?
            .into_values()
            .map(|mailbox| (mailbox.declared.name.clone(), mailbox))
            .collect(),
        secrets,
        proofs,
        // Before what was decided: a decision that falls between makes the plan stale, and not wrong.
        decisions: approvals::count(db)?,
        approvals: approvals::approved(db)?,
    })
}

/// The stored state without its mailboxes, beside their footings.
pub(super) fn outline(db: &Connection, footings: Vec<FootingRow>) -> Result<Outline, StoreError> {
    let (secrets, proofs) = secrets::digests(db)?;
    let stored = Stored {
        store: Some(store_id(db)?),
        revision: current_revision(db)?,
        organization: organization(db)?,
        profiles: profiles(db)?,
        mailboxes: BTreeMap::new(),
        secrets,
        proofs,
        // Before what was decided: a decision that falls between makes the plan stale, and not wrong.
        decisions: approvals::count(db)?,
        approvals: approvals::approved(db)?,
    };
    Ok(Outline { stored, footings })
}

/// One by one where few are asked for; all of them are read faster together.
pub(super) fn stored_among(
    db: &Connection,
    names: &BTreeSet<Name>,
) -> Result<BTreeMap<Name, StoredMailbox>, StoreError> {
    const ONE_BY_ONE_MAX: usize = 10_000;
    if names.len() > ONE_BY_ONE_MAX {
        let all = mailboxes(db)?.into_values().filter(|stored| names.contains(&stored.declared.name));
        return Ok(all.map(|stored| (stored.declared.name.clone(), stored)).collect());
    }
    let mut found = BTreeMap::new();
    for name in names {
        if let Some(id) = mailbox_id_opt(db, name)?
            && let Some(stored) = stored_mailbox(db, id)?
        {
            found.insert(name.clone(), stored);
        }
    }
    Ok(found)
}

/// A declared mailbox by its internal id.
pub(super) fn stored_mailbox(db: &Connection, id: i64) -> Result<Option<StoredMailbox>, StoreError> {
    let sql = "SELECT id, declared, process_from FROM mailboxes WHERE id = ?1 AND declared IS NOT NULL";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let (_, mut stored) = mailbox(row)?;
    read_operations(db, id, &mut stored)?;
    Ok(Some(stored))
}

fn read_operations(db: &Connection, id: i64, stored: &mut StoredMailbox) -> Result<(), StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT mailbox, operation, state, connection, changed_at, tested_at, cycle_at, proved, pending, failed_at
         FROM operations WHERE slot BETWEEN ?1 AND ?2",
    )?;
    let (first, last) = (slot(id, Operation::Incoming), slot(id, Operation::Act));
    let mut rows = statement.query([first, last])?;
    while let Some(row) = rows.next()? {
        let (_, operation, state) = operation(row)?;
        stored.operations.insert(operation, state);
    }
    Ok(())
}

const REVISIONS: &str = "SELECT revisions.revision, applied_at, holder, manifest, created, updated, deleted,
         selection, overridden
     FROM revisions LEFT JOIN applies ON applies.revision = revisions.revision";

/// Newest first.
pub(super) fn revisions(db: &Connection, limit: u64) -> Result<Vec<RevisionEntry>, StoreError> {
    revision_rows(db, "ORDER BY revisions.revision DESC LIMIT ?1", limit)
}

pub(super) fn revision(db: &Connection, revision: Revision) -> Result<Option<RevisionEntry>, StoreError> {
    Ok(revision_rows(db, "WHERE revisions.revision = ?1", revision.0)?.pop())
}

fn revision_rows(db: &Connection, which: &str, value: u64) -> Result<Vec<RevisionEntry>, StoreError> {
    let mut statement = db.prepare_cached(&format!("{REVISIONS} {which}"))?;
    let mut rows = statement.query([whole(value)])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(entry(row)?);
    }
    Ok(entries)
}

pub(super) fn revision_entry(
    db: &Connection,
    revision: Revision,
) -> Result<Option<RevisionEntry>, StoreError> {
    let mut statement = db.prepare_cached(&format!("{REVISIONS} WHERE revisions.revision = ?1"))?;
    let mut rows = statement.query([whole(revision.0)])?;
    rows.next()?.map(entry).transpose()
}

/// What was applied before the table `applies` existed was applied whole.
fn entry(row: &Row<'_>) -> Result<RevisionEntry, StoreError> {
    let (selection, overridden): (Option<String>, Option<String>) = (row.get(7)?, row.get(8)?);
    let selection = selection.map(|text| from_json("a selection", &text)).transpose()?;
    let overridden = overridden.map(|text| from_json("overridden guards", &text)).transpose()?;
    Ok(RevisionEntry {
        revision: Revision(count(row.get(0)?)?),
        applied_at: timestamp(row.get(1)?)?,
        holder: row.get(2)?,
        manifest: ManifestDigest(row.get(3)?),
        created: count(row.get(4)?)?,
        updated: count(row.get(5)?)?,
        deleted: count(row.get(6)?)?,
        selection: selection.unwrap_or_default(),
        overridden: overridden.unwrap_or_default(),
    })
}

pub(super) fn mailbox_row(db: &Connection, name: &Name) -> Result<Option<MailboxRow>, StoreError> {
    let sql = "SELECT id, declared, process_from FROM mailboxes WHERE name = ?1 AND declared IS NOT NULL";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([name.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let (id, mut stored) = mailbox(row)?;
    read_operations(db, id, &mut stored)?;
    let profile = match &stored.declared.profile {
        Some(profile) => Some(find_profile(db, profile)?),
        None => None,
    };
    Ok(Some(MailboxRow { stored, profile, effective: versions::of_mailbox(db, id)? }))
}

/// By name.
pub(super) fn mailbox_rows(db: &Connection) -> Result<Vec<MailboxRow>, StoreError> {
    let (profiles, mut versions) = (profiles(db)?, versions::all(db)?);
    let with_profile = |(id, stored): (i64, StoredMailbox)| {
        let profile = match &stored.declared.profile {
            Some(name) => Some(profiles.get(name).cloned().ok_or_else(|| no_profile(name))?),
            None => None,
        };
        Ok(MailboxRow { stored, profile, effective: versions.remove(&id).unwrap_or_default() })
    };
    let mut mailboxes: Vec<_> = mailboxes(db)?.into_iter().collect();
    mailboxes.sort_by(|(_, a), (_, b)| a.declared.name.cmp(&b.declared.name));
    mailboxes.into_iter().map(with_profile).collect()
}

fn find_profile(db: &Connection, name: &Name) -> Result<Profile, StoreError> {
    let text: Option<String> = db
        .prepare_cached("SELECT declared FROM profiles WHERE name = ?1")?
        .query_row([name.as_str()], |row| row.get(0))
        .optional()?;
    from_json("a profile", &text.ok_or_else(|| no_profile(name))?)
}

fn no_profile(name: &Name) -> StoreError {
    StoreError::Damaged(format!("a mailbox names profile `{name}`, which is not there"))
}

pub(super) fn profiles(db: &Connection) -> Result<BTreeMap<Name, Profile>, StoreError> {
    let mut statement = db.prepare_cached("SELECT declared FROM profiles")?;
    let mut rows = statement.query([])?;
    let mut profiles = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let profile: Profile = from_json("a profile", row.get_ref(0)?.as_str().map_err(text_error)?)?;
        profiles.insert(profile.name.clone(), profile);
    }
    Ok(profiles)
}

/// The declared mailboxes by their internal ids.
pub(super) fn mailboxes(db: &Connection) -> Result<BTreeMap<i64, StoredMailbox>, StoreError> {
    let mut statement =
        db.prepare_cached("SELECT id, declared, process_from FROM mailboxes WHERE declared IS NOT NULL")?;
    let mut rows = statement.query([])?;
    let mut mailboxes = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (id, stored) = mailbox(row)?;
        mailboxes.insert(id, stored);
    }
    let mut statement = db.prepare_cached(
        "SELECT mailbox, operation, state, connection, changed_at, tested_at, cycle_at, proved, pending, failed_at
         FROM operations",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, operation, state) = operation(row)?;
        if let Some(mailbox) = mailboxes.get_mut(&id) {
            mailbox.operations.insert(operation, state);
        }
    }
    Ok(mailboxes)
}

fn mailbox(row: &Row<'_>) -> Result<(i64, StoredMailbox), StoreError> {
    let declared = declaration::parse(row.get_ref(1)?.as_str().map_err(text_error)?)?;
    let process_from = timestamp_opt(row.get(2)?)?;
    Ok((row.get(0)?, StoredMailbox { declared, operations: BTreeMap::new(), process_from }))
}

fn operation(row: &Row<'_>) -> Result<(i64, Operation, StoredOperation), StoreError> {
    let key: String = row.get(1)?;
    let operation =
        Operation::parse(&key).ok_or_else(|| damaged("an operation", &format!("`{key}` is none")))?;
    let stored = StoredOperation {
        state: from_json("the state of an operation", row.get_ref(2)?.as_str().map_err(text_error)?)?,
        connection: row.get::<_, Option<String>>(3)?.map(ConnectionDigest),
        changed_at: timestamp(row.get(4)?)?,
        tested_at: timestamp_opt(row.get(5)?)?,
        cycle_at: timestamp_opt(row.get(6)?)?,
        proved: row.get::<_, Option<String>>(7)?.map(ConnectionDigest),
        pending: row
            .get::<_, Option<String>>(8)?
            .map(|text| from_json("the pending change of an operation", &text))
            .transpose()?,
        failed_at: timestamp_opt(row.get(9)?)?,
    };
    Ok((row.get(0)?, operation, stored))
}

fn text_error(error: rusqlite::types::FromSqlError) -> StoreError {
    damaged("a text", &error)
}
