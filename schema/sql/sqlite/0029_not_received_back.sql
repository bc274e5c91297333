-- Mailboxes whose test sent a message to itself that has not come back. The next test sends another one.
CREATE TABLE not_received_back (
    mailbox INTEGER NOT NULL PRIMARY KEY REFERENCES mailboxes (id),
    -- When the first of them was missed. Microseconds since 1970.
    since INTEGER NOT NULL
) STRICT;
