-- Where the Exchange of a mailbox was found, and who said so. It is used until it fails.
CREATE TABLE discovered (
    mailbox INTEGER NOT NULL PRIMARY KEY REFERENCES mailboxes (id),
    -- For which address was searched.
    address TEXT NOT NULL,
    url TEXT NOT NULL,
    said_by TEXT NOT NULL,
    found_at INTEGER NOT NULL
) STRICT;
