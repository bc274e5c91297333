//! Leases: granted, renewed, given back, and checked by every write that is made under one.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{count, from_json, micros, timestamp, timestamp_opt, to_json, whole};
use crate::model::lease::{Holder, Lease, LeaseScope};
use crate::model::limits;
use crate::model::name::Name;
use crate::store::report::{LeaseRow, Standing};
use crate::store::{StoreError, process};

pub(super) fn acquire(
    db: &Connection,
    scope: &LeaseScope,
    holder: &Holder,
    now: Timestamp,
) -> Result<Lease, StoreError> {
    acquire_until(db, scope, holder, (now, expiry(now)?))
}

/// The same, until a moment of the caller's choice.
pub(super) fn acquire_until(
    db: &Connection,
    scope: &LeaseScope,
    holder: &Holder,
    (now, until): (Timestamp, Timestamp),
) -> Result<Lease, StoreError> {
    let (fence, since) = match find(db, scope)? {
        None => (1, now),
        Some(found) => match found.standing {
            Standing::Held if found.holder.nonce == holder.nonce => (found.fence, found.since.unwrap_or(now)),
            Standing::Held if found.expires_at > now => return Err(busy(scope, found)),
            Standing::Held | Standing::HolderDied | Standing::Released => (found.fence + 1, now),
        },
    };
    // As precise as it is stored.
    let expires_at = timestamp(micros(until))?;
    let lease = Lease { scope: scope.clone(), holder: holder.clone(), fence, expires_at };
    write(db, &lease)?;
    db.prepare_cached("UPDATE leases SET since = ?2 WHERE scope = ?1")?
        .execute(params![scope.to_string(), micros(since)])?;
    Ok(lease)
}

/// Refuses a lease that somebody else holds. It only reads, and so tells who that is also while they are writing.
pub(super) fn check_free(
    db: &Connection,
    scope: &LeaseScope,
    holder: &Holder,
    now: Timestamp,
) -> Result<(), StoreError> {
    let is_others = |found: &LeaseRow| {
        found.standing == Standing::Held && found.holder.nonce != holder.nonce && found.expires_at > now
    };
    find(db, scope)?.filter(is_others).map_or(Ok(()), |found| Err(busy(scope, found)))
}

fn busy(scope: &LeaseScope, found: LeaseRow) -> StoreError {
    let holder = Box::new(found.holder);
    StoreError::Busy { scope: scope.clone(), holder, since: found.since, until: found.expires_at }
}

/// Ends whichever lease has this nonce.
pub(super) fn end(db: &Connection, scope: &LeaseScope, nonce: &str) -> Result<bool, StoreError> {
    let sql = "UPDATE leases SET status = 'released' WHERE scope = ?1 AND nonce = ?2 AND status = 'held'";
    Ok(db.prepare_cached(sql)?.execute([scope.to_string().as_str(), nonce])? > 0)
}

pub(super) fn renew(db: &Connection, lease: &Lease, now: Timestamp) -> Result<Lease, StoreError> {
    check(db, lease)?;
    let renewed = Lease { expires_at: timestamp(micros(expiry(now)?))?, ..lease.clone() };
    write(db, &renewed)?;
    Ok(renewed)
}

pub(super) fn release(db: &Connection, lease: &Lease) -> Result<(), StoreError> {
    let sql = "UPDATE leases SET status = 'released' WHERE scope = ?1 AND fence = ?2 AND nonce = ?3";
    db.prepare_cached(sql)?.execute(params![
        lease.scope.to_string(),
        whole(lease.fence),
        lease.holder.nonce
    ])?;
    Ok(())
}

/// Whether the lease still holds. An expired lease holds until somebody else takes it.
pub(super) fn check(db: &Connection, lease: &Lease) -> Result<(), StoreError> {
    let sql = "SELECT status FROM leases WHERE scope = ?1 AND fence = ?2 AND nonce = ?3";
    let ours = params![lease.scope.to_string(), whole(lease.fence), lease.holder.nonce];
    let status: Option<String> = db.prepare_cached(sql)?.query_row(ours, |row| row.get(0)).optional()?;
    match status.as_deref() {
        Some("held") => Ok(()),
        Some(_released) => Err(StoreError::Withdrawn(lease.scope.clone())),
        None => Err(StoreError::Fenced(lease.scope.clone())),
    }
}

/// Whether the lease still holds and is on this mailbox.
pub(super) fn check_mailbox(db: &Connection, lease: &Lease, mailbox: &Name) -> Result<(), StoreError> {
    covers(lease, &LeaseScope::Mailbox(mailbox.clone()))?;
    check(db, lease)
}

/// Whether the lease still holds and is on the declared state.
pub(super) fn check_state(db: &Connection, lease: &Lease) -> Result<(), StoreError> {
    covers(lease, &LeaseScope::State)?;
    check(db, lease)
}

/// Takes a mailbox out of the hands of whoever works on it, because what they work from does not hold any more.
pub(super) fn revoke(db: &Connection, mailbox: &Name) -> Result<(), StoreError> {
    let scope = LeaseScope::Mailbox(mailbox.clone()).to_string();
    db.prepare_cached("UPDATE leases SET status = 'released' WHERE scope = ?1")?.execute([scope])?;
    Ok(())
}

/// The mailboxes that somebody works on, as far as their leases say.
pub(super) fn mailboxes_held(db: &Connection) -> Result<BTreeSet<String>, StoreError> {
    let sql = "SELECT substr(scope, 9) FROM leases WHERE status = 'held' AND scope LIKE 'mailbox/%'";
    let held = db.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(held)
}

fn covers(lease: &Lease, scope: &LeaseScope) -> Result<(), StoreError> {
    if lease.scope == *scope {
        Ok(())
    } else {
        Err(StoreError::Failed(format!("a lease on `{}` does not allow writes to `{scope}`", lease.scope)))
    }
}

fn expiry(now: Timestamp) -> Result<Timestamp, StoreError> {
    now.checked_add(limits::LEASE_TTL)
        .map_err(|error| StoreError::Failed(format!("the lease's expiry is out of range: {error}")))
}

pub(super) fn find(db: &Connection, scope: &LeaseScope) -> Result<Option<LeaseRow>, StoreError> {
    let sql = "SELECT holder, fence, expires_at, status, since FROM leases WHERE scope = ?1";
    let row = db
        .prepare_cached(sql)?
        .query_row([scope.to_string()], |row| {
            let columns: (String, i64, i64, String, Option<i64>) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
            Ok(columns)
        })
        .optional()?;
    let Some((holder, fence, expires_at, status, since)) = row else { return Ok(None) };
    let holder: Holder = from_json("the holder of a lease", &holder)?;
    let standing = match status.as_str() {
        "held" if process::is_dead(&holder) => Standing::HolderDied,
        "held" => Standing::Held,
        _released => Standing::Released,
    };
    let (expires_at, since) = (timestamp(expires_at)?, timestamp_opt(since)?);
    Ok(Some(LeaseRow { holder, fence: count(fence)?, since, expires_at, standing }))
}

fn write(db: &Connection, lease: &Lease) -> Result<(), StoreError> {
    let sql = "INSERT INTO leases (scope, holder, nonce, fence, expires_at, status)
               VALUES (?1, ?2, ?3, ?4, ?5, 'held')
               ON CONFLICT (scope) DO UPDATE SET holder = excluded.holder, nonce = excluded.nonce,
                   fence = excluded.fence, expires_at = excluded.expires_at, status = excluded.status";
    db.prepare_cached(sql)?.execute(params![
        lease.scope.to_string(),
        to_json(&lease.holder)?,
        lease.holder.nonce,
        whole(lease.fence),
        micros(lease.expires_at),
    ])?;
    Ok(())
}
