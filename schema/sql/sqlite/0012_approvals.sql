-- What was decided by command about the addresses of mailboxes, for organizations that approve outside git. All decisions
-- are kept; the last one about a mailbox counts, and only while the mailbox has that address.
CREATE TABLE approvals (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
    address TEXT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('approved', 'rejected')),
    decided_at INTEGER NOT NULL,
    -- Who, in words.
    decided_by TEXT NOT NULL,
    -- NULL: none was given.
    reason TEXT
) STRICT;

CREATE INDEX approvals_mailbox ON approvals (mailbox, id);
