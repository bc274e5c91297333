-- Messages that their server did not hand over when they were asked for. The cursor is past them; they are asked for again with each
-- reading, and after as many attempts as a message has, with enough time between them, they are quarantined.
CREATE TABLE owed (
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
    remote TEXT NOT NULL,
    -- Microseconds since 1970.
    received_at INTEGER,
    attempts INTEGER NOT NULL,
    counted_at INTEGER NOT NULL,
    said TEXT NOT NULL,
    PRIMARY KEY (mailbox, remote)
) STRICT, WITHOUT ROWID;
