-- When the server of a mailbox was last asked for the mark of the installation that synchronises it, and what came of it.
CREATE TABLE claims_asked (
    mailbox INTEGER NOT NULL PRIMARY KEY REFERENCES mailboxes (id),
    -- Microseconds since 1970.
    at INTEGER NOT NULL,
    -- ours, no-mark or unknown
    answer TEXT NOT NULL
) STRICT;
