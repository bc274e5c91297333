-- Messages to move, at their server, into the folder for what could not be recorded: what is known of them is durable.
CREATE TABLE set_aside (
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
    remote TEXT NOT NULL,
    PRIMARY KEY (mailbox, remote)
) STRICT, WITHOUT ROWID;

-- That folder, as its server names it.
CREATE TABLE undeliverable_folders (
    mailbox INTEGER NOT NULL PRIMARY KEY REFERENCES mailboxes (id),
    folder TEXT NOT NULL
) STRICT;
