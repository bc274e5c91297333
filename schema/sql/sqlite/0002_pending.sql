-- Declared and effective versions. A declared change of an operation that works waits for its test; until that has
-- passed, the operation works with the version that is kept here. What nothing works with any more is removed: at rest
-- the store holds the ciphertexts of the effective and of the declared version, and of no other.

-- How the test of the declared change stands. NULL: what is declared is what the operation works with.
ALTER TABLE operations ADD COLUMN pending TEXT;

-- Server profiles as they were when something was enabled on them, each once.
CREATE TABLE profile_versions (
    -- Hex BLAKE3 of `profile`.
    digest TEXT NOT NULL PRIMARY KEY,
    profile TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Ciphertexts, or names of files and variables, each once. Never a value.
CREATE TABLE secret_versions (
    digest TEXT NOT NULL PRIMARY KEY,
    sealed TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What an operation with a pending change works with.
CREATE TABLE versions (
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
    operation TEXT NOT NULL CHECK (operation IN ('incoming', 'outgoing', 'act')),
    profile TEXT NOT NULL REFERENCES profile_versions (digest),
    address TEXT NOT NULL,
    -- NULL: the mailbox had no credentials of its own.
    credentials TEXT,
    PRIMARY KEY (mailbox, operation)
) STRICT, WITHOUT ROWID;

CREATE INDEX versions_profile ON versions (profile);

-- The ciphertexts that it opens.
CREATE TABLE version_secrets (
    mailbox INTEGER NOT NULL,
    operation TEXT NOT NULL,
    secret TEXT NOT NULL,
    key TEXT NOT NULL,
    digest TEXT NOT NULL REFERENCES secret_versions (digest),
    PRIMARY KEY (mailbox, operation, secret, key),
    FOREIGN KEY (mailbox, operation) REFERENCES versions (mailbox, operation)
) STRICT, WITHOUT ROWID;

CREATE INDEX version_secrets_digest ON version_secrets (digest);

-- What is enabled was enabled by a test of what it declares.
UPDATE operations SET proved = connection
WHERE proved IS NULL AND connection IS NOT NULL AND (state = '"enabled"' OR state LIKE '{"retrying":%');
