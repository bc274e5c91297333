-- What a server said of an inbox when everything in it had been dealt with, so that one in which nothing has moved is not
-- listed again.
-- NULL: not known, or not everything has been dealt with.
ALTER TABLE cursors ADD COLUMN uid_next INTEGER;
-- HIGHESTMODSEQ (RFC 7162), 63 bits. NULL: the server has none, or not everything has been dealt with.
ALTER TABLE cursors ADD COLUMN modseq INTEGER;

-- The size that the server announced for the message with this UIDL: another one under the same UIDL is another message.
-- NULL: it announced none, or its sizes change while the message does not.
ALTER TABLE seen ADD COLUMN bytes INTEGER;

-- Parts of a message, as they are encoded in it, that are blobs of their own, so that an attachment that many messages carry is
-- stored once. The extent of such a message in `blobs` holds what is left of it without them.
CREATE TABLE pieces (
    -- The message.
    hash TEXT NOT NULL REFERENCES blobs (hash),
    -- Where the part begins in the whole message. The parts do not overlap.
    start INTEGER NOT NULL,
    piece TEXT NOT NULL REFERENCES blobs (hash),
    PRIMARY KEY (hash, start)
) STRICT, WITHOUT ROWID;
