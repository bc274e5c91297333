-- What is known of an apply beside its figures, and the ledger of the tests that follow it.
--
-- The house rules are in the first file.

-- One row for each apply since this table exists.
CREATE TABLE applies (
    revision INTEGER NOT NULL PRIMARY KEY REFERENCES revisions (revision),
    -- Fingerprint of the plan, by which a saved plan is known again.
    plan TEXT NOT NULL,
    -- Which part of the manifest it was limited to.
    selection TEXT NOT NULL,
    -- The guards that were overridden, each with what it said and the reason given.
    overridden TEXT NOT NULL
) STRICT;

CREATE INDEX applies_plan ON applies (plan);

-- The tests that one command ran, or was to run.
CREATE TABLE runs (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- The revision that was in force when it began.
    revision INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('apply', 'resume', 'test')),
    -- Who ran it, in words.
    holder TEXT NOT NULL,
    begun_at INTEGER NOT NULL,
    -- NULL: it is still going on, or its process died.
    ended_at INTEGER,
    -- Mailboxes whose tests were left to `test` and `watch`.
    deferred INTEGER NOT NULL
) STRICT;

-- What became of each operation that a run was to test. It is written before the test as `not-started`.
CREATE TABLE outcomes (
    run INTEGER NOT NULL REFERENCES runs (id),
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
    operation TEXT NOT NULL CHECK (operation IN ('incoming', 'outgoing', 'act')),
    outcome TEXT NOT NULL,
    noted_at INTEGER NOT NULL,
    PRIMARY KEY (run, mailbox, operation)
) STRICT, WITHOUT ROWID;

-- Since when a lease is held. NULL: it was taken by a version that did not note it.
ALTER TABLE leases ADD COLUMN since INTEGER;
