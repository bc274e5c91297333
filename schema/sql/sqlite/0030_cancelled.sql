-- A person may withdraw an outgoing message: one more state. SQLite changes no CHECK of a table that is there.
CREATE TABLE outbox_with_cancelled (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
    message_id TEXT NOT NULL,
    -- NULL: it has none.
    subject TEXT,
    blob INTEGER NOT NULL REFERENCES blobs (id),
    bytes INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'sent', 'failed', 'unsure', 'cancelled')),
    -- A list, with a state for each.
    recipients TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    queued_at INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    -- NULL: nothing went wrong so far.
    failure TEXT,
    -- NULL: whoever queued it gave none.
    idempotency_key TEXT,
    -- The fence of the lease under which the last attempt began. NULL: none has begun since it was queued, or since a person decided
    -- about it.
    fence INTEGER,
    -- 1, and one more each time a person has it sent again.
    round INTEGER NOT NULL DEFAULT 1 CHECK (round >= 1)
) STRICT;

INSERT INTO outbox_with_cancelled
SELECT id, mailbox, message_id, subject, blob, bytes, state, recipients, attempts, queued_at, next_attempt_at, changed_at, failure,
       idempotency_key, fence, round
FROM outbox
ORDER BY id;

-- Ids are never reused, not even those of rows that are gone.
DELETE FROM sqlite_sequence WHERE name = 'outbox_with_cancelled';
UPDATE sqlite_sequence SET name = 'outbox_with_cancelled' WHERE name = 'outbox';

DROP TABLE outbox;
ALTER TABLE outbox_with_cancelled RENAME TO outbox;

CREATE UNIQUE INDEX outbox_once ON outbox (mailbox, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX outbox_mailbox ON outbox (mailbox, id);
CREATE INDEX outbox_mailbox_state ON outbox (mailbox, state, id);
CREATE INDEX outbox_state ON outbox (state, id);
CREATE INDEX outbox_due ON outbox (mailbox, next_attempt_at) WHERE state = 'pending';
CREATE INDEX outbox_order ON outbox (mailbox, attempts, id) WHERE state = 'pending';
-- A report on the delivery of a message names it by its id.
CREATE INDEX outbox_message_id ON outbox (mailbox, message_id);
