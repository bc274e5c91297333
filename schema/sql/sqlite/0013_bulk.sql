-- What a first apply of very many mailboxes writes, in a form in which it is appended.
--
-- The house rules are in the first file.

-- The operations again, under a number: SQLite appends to a table that is ordered by one, where it splits and fills up the
-- pages of one that is ordered by several columns. A slot is four times the mailbox's id, and the operation.
CREATE TABLE operations_by_slot (
    slot INTEGER NOT NULL PRIMARY KEY CHECK (slot & 3 < 3),
    mailbox INTEGER NOT NULL GENERATED ALWAYS AS (slot >> 2) VIRTUAL REFERENCES mailboxes (id),
    operation TEXT NOT NULL GENERATED ALWAYS AS (
        CASE slot & 3 WHEN 0 THEN 'incoming' WHEN 1 THEN 'outgoing' ELSE 'act' END
    ) VIRTUAL,
    state TEXT NOT NULL,
    -- Digest of what a test proves. NULL: the operation is not wanted.
    connection TEXT,
    changed_at INTEGER NOT NULL,
    -- NULL: never tested.
    tested_at INTEGER,
    -- NULL: no cycle has ended yet.
    cycle_at INTEGER,
    -- The `connection` of the last test that passed. NULL: none has.
    proved TEXT,
    -- How the test of the declared change stands. NULL: what is declared is what the operation works with.
    pending TEXT
) STRICT;

INSERT INTO operations_by_slot (slot, state, connection, changed_at, tested_at, cycle_at, proved, pending)
SELECT mailbox * 4 + CASE operation WHEN 'incoming' THEN 0 WHEN 'outgoing' THEN 1 ELSE 2 END,
    state, connection, changed_at, tested_at, cycle_at, proved, pending
FROM operations ORDER BY 1;

DROP TABLE operations;
ALTER TABLE operations_by_slot RENAME TO operations;

-- A name that is declared is found by the unique index; this one is for the tombstones.
DROP INDEX mailboxes_name;
CREATE INDEX mailboxes_deleted ON mailboxes (name) WHERE declared IS NULL;

-- How many of the mailbox's operations wait for a test that has not failed. Whoever opens the store next derives the rows anew.
ALTER TABLE footings ADD COLUMN untested INTEGER NOT NULL DEFAULT 0 CHECK (untested BETWEEN 0 AND 3);
DELETE FROM footings;
