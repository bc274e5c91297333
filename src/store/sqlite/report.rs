//! What listings read: every figure in a fixed number of statements, however many mailboxes there are.

use std::collections::BTreeMap;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension};

use super::columns::{count, from_json, mailbox_id, parse_name, timestamp_opt, whole};
use super::{SqliteStore, approvals, declared, lease, received_back};
use crate::model::alert::Alert;
use crate::model::approval::Decision;
use crate::model::cursor::InboxId;
use crate::model::lease::LeaseScope;
use crate::model::name::Name;
use crate::model::revision::{Revision, RevisionEntry};
use crate::model::secret::{Sealed, SealedValue, SecretDigest, SecretRef};
use crate::store::report::{LeaseRow, Report, SecretOrigin, StoredSecret};
use crate::store::{MailboxFigures, StoreError};

#[async_trait]
impl Report for SqliteStore {
    async fn all_figures(&self) -> Result<BTreeMap<Name, MailboxFigures>, StoreError> {
        self.read(all_figures).await
    }

    async fn revision(&self, revision: Revision) -> Result<Option<RevisionEntry>, StoreError> {
        self.read(move |db| declared::revision(db, revision)).await
    }

    async fn secrets(&self) -> Result<Vec<StoredSecret>, StoreError> {
        self.read(secrets).await
    }

    async fn decisions(&self) -> Result<BTreeMap<Name, Decision>, StoreError> {
        self.read(approvals::decisions).await
    }

    async fn alerts_about(&self, mailbox: &Name, limit: u64) -> Result<Vec<Alert>, StoreError> {
        let name = mailbox.clone();
        self.read(move |db| alerts_about(db, &name, limit)).await
    }

    async fn inbox(&self, mailbox: &Name) -> Result<Option<InboxId>, StoreError> {
        let name = mailbox.clone();
        self.read(move |db| inbox(db, &name)).await
    }

    async fn lease(&self, scope: &LeaseScope) -> Result<Option<LeaseRow>, StoreError> {
        let scope = scope.clone();
        self.read(move |db| lease::find(db, &scope)).await
    }
}

fn all_figures(db: &Connection) -> Result<BTreeMap<Name, MailboxFigures>, StoreError> {
    let mut names = BTreeMap::new();
    let mut statement = db.prepare_cached("SELECT id, name FROM mailboxes WHERE declared IS NOT NULL")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name = parse_name(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?;
        names.insert(row.get::<_, i64>(0)?, (name, MailboxFigures::default()));
    }
    add_messages(db, &mut names)?;
    add_outbox(db, &mut names)?;
    for (mailbox, since) in received_back::all_missing(db)? {
        if let Some((_, of)) = names.get_mut(&mailbox) {
            of.not_received_back = Some(since);
        }
    }
    Ok(names.into_values().collect())
}

type ById = BTreeMap<i64, (Name, MailboxFigures)>;

fn add_messages(db: &Connection, figures: &mut ById) -> Result<(), StoreError> {
    // Two statements, each of which an index covers; the rows of the messages themselves are never read.
    for (quarantined, and) in [(false, ""), (true, "WHERE quarantine IS NOT NULL")] {
        let sql = format!("SELECT mailbox, count(*) FROM messages {and} GROUP BY mailbox");
        let mut statement = db.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let Some((_, of)) = figures.get_mut(&row.get(0)?) else { continue };
            let counted = count(row.get(1)?)?;
            if quarantined {
                of.quarantined = counted;
            } else {
                of.records = counted;
            }
        }
    }
    Ok(())
}

fn add_outbox(db: &Connection, figures: &mut ById) -> Result<(), StoreError> {
    let sql =
        "SELECT mailbox, state, count(*), min(CASE WHEN state = 'pending' THEN queued_at END) FROM outbox
               WHERE state IN ('pending', 'unsure', 'failed') GROUP BY mailbox, state";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let Some((_, of)) = figures.get_mut(&row.get(0)?) else { continue };
        let counted = count(row.get(2)?)?;
        match row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)? {
            "pending" => {
                of.outbox_pending = counted;
                of.oldest_pending_at = timestamp_opt(row.get(3)?)?;
            }
            "unsure" => of.outbox_unsure = counted,
            _failed => of.outbox_failed = counted,
        }
    }
    Ok(())
}

fn secrets(db: &Connection) -> Result<Vec<StoredSecret>, StoreError> {
    let mut statement =
        db.prepare_cached("SELECT secret, key, digest, sealed FROM secrets ORDER BY secret, key")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let secret = parse_name(&row.get::<_, String>(0)?)?;
        let sealed: SealedValue = from_json("a secret", &row.get::<_, String>(3)?)?;
        let origin = match sealed.sealed {
            Sealed::Age(_ciphertext) => SecretOrigin::Ciphertext,
            Sealed::File(path) => SecretOrigin::File(path),
            Sealed::Env(variable) => SecretOrigin::Variable(variable),
            Sealed::Bundle { file, key, bundle: _ } => SecretOrigin::Bundle { file, key },
        };
        found.push(StoredSecret {
            secret: SecretRef { secret, key: row.get(1)? },
            digest: SecretDigest(row.get(2)?),
            origin,
            sealed_to: sealed.sealed_to,
            expires: sealed.expires,
        });
    }
    Ok(found)
}

fn alerts_about(db: &Connection, mailbox: &Name, limit: u64) -> Result<Vec<Alert>, StoreError> {
    let sql = "SELECT alert FROM alerts WHERE alert ->> 'mailbox' = ?1 ORDER BY id DESC LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(rusqlite::params![mailbox.as_str(), whole(limit)])?;
    let mut alerts = Vec::new();
    while let Some(row) = rows.next()? {
        alerts.push(from_json("an alert", &row.get::<_, String>(0)?)?);
    }
    Ok(alerts)
}

fn inbox(db: &Connection, mailbox: &Name) -> Result<Option<InboxId>, StoreError> {
    let id = mailbox_id(db, mailbox)?;
    let inbox: Option<Option<String>> = db
        .prepare_cached("SELECT inbox FROM mailboxes WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    Ok(inbox.flatten().map(InboxId))
}
