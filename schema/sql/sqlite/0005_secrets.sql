-- Bundles, and telling a changed value from one that was only encrypted again.

-- The whole-file bundles that secrets are in: ciphertexts, each once.
CREATE TABLE bundles (
    -- Hex BLAKE3 of the ciphertext.
    digest TEXT NOT NULL PRIMARY KEY,
    -- The file's name when it was declared, for people.
    file TEXT NOT NULL,
    ciphertext BLOB NOT NULL
) STRICT;

-- In which bundle a value is. NULL: it is not in one.
ALTER TABLE secrets ADD COLUMN bundle TEXT REFERENCES bundles (digest);
-- Under which digest connections stay proved after the same value was encrypted again. NULL: under `digest`.
ALTER TABLE secrets ADD COLUMN proof TEXT;
-- Keyed digest of the value. NULL: it was applied where no identity was at hand.
ALTER TABLE secrets ADD COLUMN value TEXT;

-- The same of a ciphertext that something still works with.
ALTER TABLE secret_versions ADD COLUMN bundle TEXT REFERENCES bundles (digest);

CREATE INDEX secrets_bundle ON secrets (bundle) WHERE bundle IS NOT NULL;
CREATE INDEX secret_versions_bundle ON secret_versions (bundle) WHERE bundle IS NOT NULL;

-- The key of those digests: an age ciphertext, never the key itself. At most one row.
CREATE TABLE digest_key (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    sealed TEXT NOT NULL
) STRICT;
