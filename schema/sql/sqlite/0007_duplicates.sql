-- The same message in several mailboxes. The rules of 0001_initial.sql hold here.

-- The record of another mailbox in which this Message-ID was first seen. NULL: none had it, the message has no Message-ID,
-- or it was recorded by a version that did not look.
ALTER TABLE messages ADD COLUMN duplicate_of INTEGER REFERENCES messages (id);
