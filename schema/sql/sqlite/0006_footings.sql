-- What a plan compares of each declared mailbox, so that it has to look into those only whose footing differs.
--
-- A small table of its own: it is read as a whole, and the mailboxes' declarations are not read with it. A mailbox without
-- a row is compared field by field; whoever opens the store for writing adds the rows that are missing.
CREATE TABLE footings (
    mailbox INTEGER NOT NULL PRIMARY KEY REFERENCES mailboxes (id),
    name TEXT NOT NULL,
    -- 16 bytes of a hash. Empty: an operation calls for a test or another step by itself.
    footing BLOB NOT NULL CHECK (length(footing) IN (0, 16))
) STRICT;
