-- The first schema of the SQLite store.
--
-- House rules: every table is STRICT; a column may be NULL only where NULL means something, which is said beside
-- it; ids are never reused; moments are whole microseconds since 1970-01-01T00:00:00Z; shapes that no query looks
-- into are JSON. Migrations only go forward: this file never changes once it was released.

-- Who this store is. One row, written when the store is created.
CREATE TABLE store (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    -- 32 hex digits, drawn at random.
    id TEXT NOT NULL
) STRICT;

-- The history: one row for each apply. The newest row is the current revision.
CREATE TABLE revisions (
    revision INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    applied_at INTEGER NOT NULL,
    -- Who applied it, in words.
    holder TEXT NOT NULL,
    -- Digest of the manifest that was applied.
    manifest TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    deleted INTEGER NOT NULL
) STRICT;

-- Who works on what, until when. Rows stay after a release, so that the fence keeps growing.
CREATE TABLE leases (
    -- `state` or `mailbox/<name>`.
    scope TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    -- The holder's nonce again, for comparing.
    nonce TEXT NOT NULL,
    -- Grows with every change of hands.
    fence INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('held', 'released'))
) STRICT;

-- The declared organization. At most one row.
CREATE TABLE organization (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    declared TEXT NOT NULL
) STRICT;

-- The declared server profiles.
CREATE TABLE profiles (
    name TEXT NOT NULL PRIMARY KEY,
    declared TEXT NOT NULL
) STRICT;

-- The declared secrets: ciphertexts, or names of files and variables. Never a value.
CREATE TABLE secrets (
    secret TEXT NOT NULL,
    key TEXT NOT NULL,
    sealed TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (secret, key)
) STRICT;

-- The mailboxes, declared and deleted. Everything that belongs to a mailbox refers to its id, so that a rename is
-- one update; a deleted one stays as a tombstone that gives its records their mailbox name.
CREATE TABLE mailboxes (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    -- NULL: the mailbox was deleted.
    declared TEXT,
    -- NULL: incoming was never enabled.
    process_from INTEGER,
    -- A digest of the inbox that the cursor, the remote ids and the deletions belong to. NULL: never read.
    inbox TEXT
) STRICT;

CREATE UNIQUE INDEX mailboxes_declared ON mailboxes (name) WHERE declared IS NOT NULL;
CREATE INDEX mailboxes_name ON mailboxes (name);

-- The state of each operation of each declared mailbox.
CREATE TABLE operations (
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
    operation TEXT NOT NULL CHECK (operation IN ('incoming', 'outgoing', 'act')),
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
    PRIMARY KEY (mailbox, operation)
) STRICT, WITHOUT ROWID;

-- How far each mailbox has been read. No row: never, or to be read again.
CREATE TABLE cursors (
    mailbox INTEGER NOT NULL PRIMARY KEY REFERENCES mailboxes (id),
    kind TEXT NOT NULL CHECK (kind IN ('imap', 'pop3')),
    -- NULL with POP3, whose cursor is the table `seen`.
    validity INTEGER,
    uid_last INTEGER,
    CHECK ((kind = 'imap') = (validity IS NOT NULL) AND (kind = 'imap') = (uid_last IS NOT NULL))
) STRICT;

-- The POP3 messages that have been dealt with and that their server still lists.
CREATE TABLE seen (
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
    uidl TEXT NOT NULL,
    PRIMARY KEY (mailbox, uidl)
) STRICT, WITHOUT ROWID;

-- The extent of each segment file up to which octets are committed. Whatever a file holds beyond it is the rest of
-- a write that was never committed, and is cut off by the next append.
CREATE TABLE segments (
    id INTEGER NOT NULL PRIMARY KEY,
    bytes INTEGER NOT NULL
) STRICT;

-- Where the octets of each message are: `length` of them from `start` of a segment.
CREATE TABLE blobs (
    hash TEXT NOT NULL PRIMARY KEY,
    segment INTEGER NOT NULL REFERENCES segments (id),
    start INTEGER NOT NULL,
    length INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The records: one row for each message that was received.
CREATE TABLE messages (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
    -- Under which id the server held it when it was recorded.
    remote TEXT NOT NULL,
    content TEXT NOT NULL,
    -- The same hash as reference. NULL: the message could not be fetched and has no octets.
    blob TEXT REFERENCES blobs (hash),
    bytes INTEGER NOT NULL,
    -- NULL: neither the server nor the message says.
    received_at INTEGER,
    recorded_at INTEGER NOT NULL,
    -- The Message-ID header. NULL: it has none.
    message_id TEXT,
    facts TEXT NOT NULL,
    -- Why it was not understood. NULL: it was.
    quarantine TEXT
) STRICT;

-- The same octets are recorded once for each mailbox.
CREATE UNIQUE INDEX messages_content ON messages (mailbox, blob) WHERE blob IS NOT NULL;
CREATE INDEX messages_mailbox ON messages (mailbox, id);
CREATE INDEX messages_quarantined ON messages (mailbox, id) WHERE quarantine IS NOT NULL;
CREATE INDEX messages_quarantined_anywhere ON messages (id) WHERE quarantine IS NOT NULL;
CREATE INDEX messages_message_id ON messages (message_id) WHERE message_id IS NOT NULL;

-- Every id under which a server ever showed a record: the newest record for each.
CREATE TABLE remotes (
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
    remote TEXT NOT NULL,
    message INTEGER NOT NULL REFERENCES messages (id),
    PRIMARY KEY (mailbox, remote)
) STRICT, WITHOUT ROWID;

-- Messages to remove at the server: their records are durable.
CREATE TABLE deletions (
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
    remote TEXT NOT NULL,
    PRIMARY KEY (mailbox, remote)
) STRICT, WITHOUT ROWID;

-- Nonces of test messages, which never become records.
CREATE TABLE self_messages (
    nonce TEXT NOT NULL PRIMARY KEY,
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id)
) STRICT, WITHOUT ROWID;

-- Outgoing messages, with what became of them.
CREATE TABLE outbox (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
    message_id TEXT NOT NULL,
    -- NULL: it has none.
    subject TEXT,
    blob TEXT NOT NULL REFERENCES blobs (hash),
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

CREATE UNIQUE INDEX outbox_once ON outbox (mailbox, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX outbox_mailbox ON outbox (mailbox, id);
CREATE INDEX outbox_mailbox_state ON outbox (mailbox, state, id);
CREATE INDEX outbox_state ON outbox (state, id);
CREATE INDEX outbox_due ON outbox (mailbox, next_attempt_at) WHERE state = 'pending';

-- What a person should know.
CREATE TABLE alerts (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    level TEXT NOT NULL,
    code TEXT NOT NULL,
    alert TEXT NOT NULL
) STRICT;
