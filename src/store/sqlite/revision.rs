//! One apply: all steps of a plan and a new revision in one transaction, or nothing.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{mailbox_id_opt, micros, to_json, whole};
use super::commit::Commit;
use super::mailbox::Circumstances;
use super::{approvals, declared, lease, mailbox, runs, secrets, versions};
use crate::model::lease::Lease;
use crate::model::limits;
use crate::model::name::Name;
use crate::model::plan::{Action, Effect, Step};
use crate::model::revision::Revision;
use crate::model::secret::{SealedValue, SecretDigest, SecretRef};
use crate::store::{Kept, StoreError};

pub(super) fn commit(db: &Connection, lease: &Lease, commit: &Commit) -> Result<Revision, StoreError> {
    // All of an apply at once: see where the pragma is set for recording.
    db.pragma_update(None, "cache_size", -limits::STORE_WRITER_CACHE_KIB)?;
    lease::check_state(db, lease)?;
    if let Some(fingerprint) = &commit.fingerprint {
        check_unused(db, fingerprint)?;
    }
    check_origin(db, commit)?;
    // Before any step changes what they work with.
    keep(db, &commit.kept)?;
    let parked = park(db, commit)?;
    let (held, inserts) = (lease::mailboxes_held(db)?, mailbox::Inserts::prepare(db)?);
    let mut circumstances = Circumstances { at: commit.at, parked, held, inserts };
    secrets::change_digest_key(db, &commit.digest_key)?;
    for (digest, bundle) in &commit.bundles {
        secrets::put_bundle(db, digest, bundle)?;
    }
    for step in commit.steps.iter() {
        execute(db, commit, &mut circumstances, &step.effect)?;
    }
    hand_over(db, commit)?;
    secrets::forget_unused_bundles(db)?;
    check_profiles(db, commit)?;
    write_revision(db, lease, commit)
}

/// A plan is applied once, also when the state has come back to what it was made from.
fn check_unused(db: &Connection, fingerprint: &str) -> Result<(), StoreError> {
    match runs::applied_as(db, fingerprint)? {
        None => Ok(()),
        Some(revision) => {
            let entry = declared::revision_entry(db, revision)?.map(Box::new);
            Err(StoreError::AlreadyApplied { revision, entry })
        }
    }
}

/// A plan is only good for the state that it was made from.
fn check_origin(db: &Connection, plan: &Commit) -> Result<(), StoreError> {
    let found = declared::store_id(db)?;
    match &plan.store {
        Some(planned) if *planned != found => {
            return Err(StoreError::OtherStore { planned: planned.0.clone(), found: found.0 });
        }
        // Made before there was a store: a new one still is at revision 0.
        None if plan.revision != Revision::default() => {
            return Err(StoreError::OtherStore { planned: "(none)".to_owned(), found: found.0 });
        }
        Some(_) | None => {}
    }
    let found = declared::current_revision(db)?;
    if plan.revision != found {
        let latest = declared::revision_entry(db, found)?.map(Box::new);
        return Err(StoreError::Stale { planned: plan.revision, found, latest });
    }
    if plan.decisions == approvals::count(db)? {
        return Ok(());
    }
    Err(StoreError::Decided(approvals::latest(db)?.map(Box::new)))
}

/// Whoever still works as an address that another mailbox has from now on does so no longer: both would read one mailbox,
/// and one of them may remove what the other has not read. Its own change goes on waiting for its test.
fn hand_over(db: &Connection, commit: &Commit) -> Result<(), StoreError> {
    let former = versions::former_addresses(db)?;
    if former.is_empty() {
        return Ok(());
    }
    let taken: BTreeSet<String> = commit.mailboxes().map(|mailbox| mailbox.address.key()).collect();
    for (id, name, _) in former.iter().filter(|(_, _, address)| taken.contains(&address.key())) {
        mailbox::leave_former_version(db, (*id, name), commit.at)?;
    }
    Ok(())
}

fn keep(db: &Connection, kept: &[Kept]) -> Result<(), StoreError> {
    for Kept { mailbox, operation, secrets } in kept {
        let id = mailbox_id_opt(db, mailbox)?.ok_or_else(|| not_found("mailbox", mailbox))?;
        versions::keep(db, (id, *operation), secrets)?;
    }
    Ok(())
}

/// Takes the names away from all mailboxes that are renamed or deleted, and returns their ids: the names in a plan
/// are those of the state it was made from, and a freed name may be given away by the same plan, even in a circle.
fn park(db: &Connection, commit: &Commit) -> Result<BTreeMap<Name, i64>, StoreError> {
    let mut ids = BTreeMap::new();
    for step in commit.steps.iter() {
        let freed = match &step.effect {
            Effect::PutMailbox(put) => put.renamed_from.as_ref(),
            Effect::DeleteMailbox(name) => Some(name),
            Effect::PutOrganization(_)
            | Effect::PutSecret { .. }
            | Effect::DeleteSecret(_)
            | Effect::PutProfile(_)
            | Effect::DeleteProfile(_) => None,
        };
        let Some(name) = freed else { continue };
        let id = mailbox_id_opt(db, name)?.ok_or_else(|| not_found("mailbox", name))?;
        // No name begins with a slash.
        db.prepare_cached("UPDATE mailboxes SET name = '/' || id WHERE id = ?1")?.execute([id])?;
        lease::revoke(db, name)?;
        ids.insert(name.clone(), id);
    }
    Ok(ids)
}

fn execute(
    db: &Connection,
    commit: &Commit,
    circumstances: &mut Circumstances<'_>,
    effect: &Effect,
) -> Result<(), StoreError> {
    match effect {
        Effect::PutOrganization(organization) => {
            let sql = "INSERT INTO organization (one, declared) VALUES (1, ?1)
                       ON CONFLICT (one) DO UPDATE SET declared = excluded.declared";
            db.prepare_cached(sql)?.execute([to_json(organization)?])?;
            Ok(())
        }
        Effect::PutSecret { secret, digest, proof } => {
            let sealed = planned(commit, secret, digest)?;
            let (proof, value) = (proof.as_ref(), commit.values.get(secret));
            secrets::put(db, &secrets::Put { secret, sealed, digest, proof, value })
        }
        Effect::DeleteSecret(secret) => {
            let rows = secrets::delete(db, secret)?;
            one_row(rows, "secret", secret)
        }
        Effect::PutProfile(profile) => {
            let sql = "INSERT INTO profiles (name, declared) VALUES (?1, ?2)
                       ON CONFLICT (name) DO UPDATE SET declared = excluded.declared";
            db.prepare_cached(sql)?.execute([profile.name.as_str(), &to_json(profile)?])?;
            Ok(())
        }
        Effect::DeleteProfile(name) => {
            let rows = db.prepare_cached("DELETE FROM profiles WHERE name = ?1")?.execute([name.as_str()])?;
            one_row(rows, "profile", name)
        }
        Effect::PutMailbox(put) => mailbox::put(db, circumstances, &commit.put(put)?),
        Effect::DeleteMailbox(name) => {
            let id = circumstances.parked.get(name).copied().ok_or_else(|| not_found("mailbox", name))?;
            mailbox::delete(db, id, name, commit.at)
        }
    }
}

/// The ciphertext that a step names by its digest.
fn planned<'c>(
    commit: &'c Commit,
    secret: &SecretRef,
    digest: &SecretDigest,
) -> Result<&'c SealedValue, StoreError> {
    let sealed = commit
        .secrets
        .get(secret)
        .ok_or_else(|| StoreError::Failed(format!("the ciphertext of secret `{secret}` is not at hand")))?;
    if sealed.digest() != *digest {
        return Err(StoreError::Failed(format!(
            "the ciphertext of secret `{secret}` is not the planned one; plan again"
        )));
    }
    Ok(sealed)
}

/// A mailbox whose profile is not there could never be read again.
fn check_profiles(db: &Connection, commit: &Commit) -> Result<(), StoreError> {
    let takes_away = |step: &Step| matches!(step.effect, Effect::DeleteProfile(_));
    if !commit.steps.iter().any(takes_away) {
        return check_put_profiles(db, commit);
    }
    let sql = "SELECT name, declared ->> 'profile' AS profile FROM mailboxes
               WHERE declared IS NOT NULL AND profile IS NOT NULL AND profile NOT IN (SELECT name FROM profiles)
               LIMIT 1";
    let row: Option<(String, String)> =
        db.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    row.map_or(Ok(()), |(mailbox, profile)| Err(left_without(&mailbox, &profile)))
}

/// Where no profile goes away, only the mailboxes that are written can lack theirs.
fn check_put_profiles(db: &Connection, commit: &Commit) -> Result<(), StoreError> {
    let mut known = BTreeSet::new();
    for mailbox in commit.mailboxes() {
        let Some(profile) = &mailbox.profile else { continue };
        if known.contains(profile) {
            continue;
        }
        let sql = "SELECT 1 FROM profiles WHERE name = ?1";
        if !db.prepare_cached(sql)?.exists([profile.as_str()])? {
            return Err(left_without(mailbox.name.as_str(), profile.as_str()));
        }
        known.insert(profile);
    }
    Ok(())
}

fn left_without(mailbox: &str, profile: &str) -> StoreError {
    StoreError::Failed(format!(
        "the plan would leave mailbox `{mailbox}` with profile `{profile}`, which is not there; plan again"
    ))
}

fn write_revision(db: &Connection, lease: &Lease, commit: &Commit) -> Result<Revision, StoreError> {
    let (mut created, mut updated, mut deleted) = (0_u64, 0_u64, 0_u64);
    for step in commit.steps.iter() {
        match step.action {
            Action::Create => created += 1,
            Action::Update | Action::Rename => updated += 1,
            Action::Delete => deleted += 1,
            Action::Retest => {}
        }
    }
    let sql = "INSERT INTO revisions (applied_at, holder, manifest, created, updated, deleted)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    db.prepare_cached(sql)?.execute(params![
        micros(commit.at),
        lease.holder.to_string(),
        commit.manifest.0,
        whole(created),
        whole(updated),
        whole(deleted),
    ])?;
    let revision = declared::current_revision(db)?;
    let sql = "INSERT INTO applies (revision, plan, selection, overridden) VALUES (?1, ?2, ?3, ?4)";
    db.prepare_cached(sql)?.execute(params![
        whole(revision.0),
        commit.fingerprint.as_deref().unwrap_or_default(),
        to_json(&commit.selection)?,
        to_json(&commit.overridden)?,
    ])?;
    Ok(revision)
}

fn one_row(rows: usize, kind: &str, name: &dyn std::fmt::Display) -> Result<(), StoreError> {
    if rows == 1 { Ok(()) } else { Err(not_found(kind, name)) }
}

fn not_found(kind: &str, name: &dyn std::fmt::Display) -> StoreError {
    StoreError::NotFound(format!("{kind} `{name}`"))
}
