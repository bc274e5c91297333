-- How far an inbox of Exchange was read: the state that its server gave with the last changes that were dealt with.
-- NULL: not all of the first ones were yet.
CREATE TABLE sync_states (
    mailbox INTEGER NOT NULL PRIMARY KEY REFERENCES mailboxes (id),
    state TEXT
) STRICT;

-- The items beyond that state that have been dealt with.
CREATE TABLE sync_ahead (
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
    item TEXT NOT NULL,
    PRIMARY KEY (mailbox, item)
) STRICT, WITHOUT ROWID;
