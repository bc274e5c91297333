-- What refers to octets does so by a number, and their hash is written once. An index over hashes is written in no order, so that each
-- group of messages changes most of its pages: it holds only as much of them as is needed to tell them apart.
--
-- Run without foreign keys, which are verified afterwards.

-- The octets that are stored, each once: `length` of them from `start` of a segment.
CREATE TABLE blobs_by_number (
    id INTEGER NOT NULL PRIMARY KEY,
    -- BLAKE3, as hex digits. No two rows have the same, which only the one writer can see to.
    hash TEXT NOT NULL,
    segment INTEGER NOT NULL REFERENCES segments (id),
    start INTEGER NOT NULL,
    length INTEGER NOT NULL
) STRICT;

INSERT INTO blobs_by_number (hash, segment, start, length)
SELECT hash, segment, start, length FROM blobs ORDER BY segment, start;

CREATE UNIQUE INDEX former_hashes ON blobs_by_number (hash);

CREATE TABLE messages_by_number (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
    -- Under which id the server held it when it was recorded.
    remote TEXT NOT NULL,
    -- The hash of its octets; of a message without any, of what is known of it.
    content TEXT NOT NULL,
    -- NULL: the message could not be fetched and has no octets.
    blob INTEGER REFERENCES blobs_by_number (id),
    bytes INTEGER NOT NULL,
    -- NULL: neither the server nor the message says.
    received_at INTEGER,
    recorded_at INTEGER NOT NULL,
    -- The Message-ID header. NULL: it has none.
    message_id TEXT,
    facts TEXT NOT NULL,
    -- Why it was not understood. NULL: it was.
    quarantine TEXT,
    -- The record of another mailbox in which this Message-ID was first seen. NULL: none had it, the message has no Message-ID,
    -- or it was recorded by a version that did not look.
    duplicate_of INTEGER REFERENCES messages_by_number (id)
) STRICT;

INSERT INTO messages_by_number
SELECT messages.id, mailbox, remote, content, blobs_by_number.id, bytes, received_at, recorded_at, message_id, facts, quarantine,
       duplicate_of
FROM messages LEFT JOIN blobs_by_number ON blobs_by_number.hash = messages.blob
ORDER BY messages.id;

CREATE TABLE pieces_by_number (
    -- The message.
    blob INTEGER NOT NULL REFERENCES blobs_by_number (id),
    -- Where the part begins in the whole message. The parts do not overlap.
    start INTEGER NOT NULL,
    piece INTEGER NOT NULL REFERENCES blobs_by_number (id),
    PRIMARY KEY (blob, start)
) STRICT, WITHOUT ROWID;

INSERT INTO pieces_by_number
SELECT whole.id, pieces.start, part.id
FROM pieces
JOIN blobs_by_number AS whole ON whole.hash = pieces.hash
JOIN blobs_by_number AS part ON part.hash = pieces.piece;

CREATE TABLE outbox_by_number (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
    message_id TEXT NOT NULL,
    -- NULL: it has none.
    subject TEXT,
    blob INTEGER NOT NULL REFERENCES blobs_by_number (id),
    bytes INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'sent', 'failed', 'unsure')),
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
    -- The fence of the lease under which the last attempt began. NULL: none has begun since it was queued.
    fence INTEGER
) STRICT;

INSERT INTO outbox_by_number
SELECT outbox.id, mailbox, message_id, subject, blobs_by_number.id, bytes, state, recipients, attempts, queued_at, next_attempt_at,
       changed_at, failure, idempotency_key, fence
FROM outbox JOIN blobs_by_number ON blobs_by_number.hash = outbox.blob
ORDER BY outbox.id;

-- Ids are never reused, not even those of rows that are gone.
DELETE FROM sqlite_sequence WHERE name IN ('messages_by_number', 'outbox_by_number');
UPDATE sqlite_sequence SET name = name || '_by_number' WHERE name IN ('messages', 'outbox');

DROP TABLE pieces;
DROP TABLE outbox;
DROP TABLE messages;
DROP TABLE blobs;
DROP INDEX former_hashes;
ALTER TABLE blobs_by_number RENAME TO blobs;
ALTER TABLE messages_by_number RENAME TO messages;
ALTER TABLE pieces_by_number RENAME TO pieces;
ALTER TABLE outbox_by_number RENAME TO outbox;

-- 48 bits of a hash.
CREATE INDEX blobs_hash ON blobs (substr(hash, 1, 12));

-- The same octets are recorded once for each mailbox.
CREATE UNIQUE INDEX messages_content ON messages (mailbox, blob) WHERE blob IS NOT NULL;
CREATE INDEX messages_mailbox ON messages (mailbox, id);
CREATE INDEX messages_quarantined ON messages (mailbox, id) WHERE quarantine IS NOT NULL;
CREATE INDEX messages_quarantined_anywhere ON messages (id) WHERE quarantine IS NOT NULL;
CREATE INDEX messages_message_id ON messages (message_id) WHERE message_id IS NOT NULL;

CREATE UNIQUE INDEX outbox_once ON outbox (mailbox, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX outbox_mailbox ON outbox (mailbox, id);
CREATE INDEX outbox_mailbox_state ON outbox (mailbox, state, id);
CREATE INDEX outbox_state ON outbox (state, id);
CREATE INDEX outbox_due ON outbox (mailbox, next_attempt_at) WHERE state = 'pending';
CREATE INDEX outbox_order ON outbox (mailbox, attempts, id) WHERE state = 'pending';
-- A report on the delivery of a message names it by its id.
CREATE INDEX outbox_message_id ON outbox (mailbox, message_id);
