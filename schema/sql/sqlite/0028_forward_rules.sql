-- The inbox rule that forwards the mail of a mailbox, as its last test or a later look left it. While there is one, the mailbox
-- itself is not read.
CREATE TABLE forward_rules (
    mailbox INTEGER NOT NULL PRIMARY KEY REFERENCES mailboxes (id),
    -- Where it leads.
    address TEXT NOT NULL,
    -- The server's name for it; NULL: a rule that somebody made by hand does it.
    rule TEXT,
    -- Microseconds since 1970.
    checked_at INTEGER NOT NULL
) STRICT;
