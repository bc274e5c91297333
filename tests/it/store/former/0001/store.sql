BEGIN TRANSACTION;
CREATE TABLE alerts (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    level TEXT NOT NULL,
    code TEXT NOT NULL,
    alert TEXT NOT NULL
) STRICT;
INSERT INTO "alerts" VALUES(1,1795304937904733,'information','enabled','{"at":"2026-11-21T23:48:57.9047333Z","level":"information","code":"enabled","mailbox":"support","profile":"mail","operation":"incoming","cause":"the test passed","remedy":"nothing to do"}');
INSERT INTO "alerts" VALUES(2,1795304937913877,'information','enabled','{"at":"2026-11-21T23:48:57.913877333Z","level":"information","code":"enabled","mailbox":"trade","profile":"pop","operation":"incoming","cause":"the test passed","remedy":"nothing to do"}');
INSERT INTO "alerts" VALUES(3,1795304937955071,'information','enabled','{"at":"2026-11-21T23:48:57.955071352Z","level":"information","code":"enabled","mailbox":"support","profile":"mail","operation":"outgoing","cause":"the test passed","remedy":"nothing to do"}');
INSERT INTO "alerts" VALUES(4,1795304937974752,'information','enabled','{"at":"2026-11-21T23:48:57.974752366Z","level":"information","code":"enabled","mailbox":"trade","profile":"pop","operation":"outgoing","cause":"the test passed","remedy":"nothing to do"}');
INSERT INTO "alerts" VALUES(5,1795304938434741,'warning','connection-refused','{"at":"2026-11-21T23:48:58.434741961Z","level":"warning","code":"connection-refused","mailbox":"sales","profile":"pop","operation":"incoming","cause":"connect: nothing listens on mail.office.test:110 (connection refused)","remedy":"check the port in profile `pop`; if it is right, start the mail server"}');
CREATE TABLE blobs (
    hash TEXT NOT NULL PRIMARY KEY,
    segment INTEGER NOT NULL REFERENCES segments (id),
    start INTEGER NOT NULL,
    length INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "blobs" VALUES('006f8705efffd39529ed5897882c82052ae0822b5d424c5bd7ffb4457d7081d7',1,1548,266);
INSERT INTO "blobs" VALUES('09215cecd0c4f5ac36893ab8f77ff6ddbd08f2cd3540e7ded1d4c1def15a647f',1,0,405);
INSERT INTO "blobs" VALUES('4e1d7c5800ea8ad61ad7d656935e81b750e71a82f15ac9dd43b0dea880686f68',1,1814,263);
INSERT INTO "blobs" VALUES('87e878a2994bcbb69e84897b1f5a9172bdf9fcf1facd6a29a7c0de251c7981b7',1,1282,133);
INSERT INTO "blobs" VALUES('9630a9480f79860529cf9c969d30df7118a714120278e5fb5026d4b9a0a3813c',1,1149,133);
INSERT INTO "blobs" VALUES('9bdc453332b7ad22ea797d27aac9aedee43856d984e913e122b0c84e4e0f7e9a',1,405,744);
INSERT INTO "blobs" VALUES('c7c1d5f961691249a479566dd487369c12af4a3be4e0224e99c5ec17ebaeea06',1,1415,133);
INSERT INTO "blobs" VALUES('dfe65196c9e60195e17e5d8752b15c66d8c4ecc35cc43645f874f678154fc221',1,2077,264);
CREATE TABLE cursors (
    mailbox INTEGER NOT NULL PRIMARY KEY REFERENCES mailboxes (id),
    kind TEXT NOT NULL CHECK (kind IN ('imap', 'pop3')),
    -- NULL with POP3, whose cursor is the table `seen`.
    validity INTEGER,
    uid_last INTEGER,
    CHECK ((kind = 'imap') = (validity IS NOT NULL) AND (kind = 'imap') = (uid_last IS NOT NULL))
) STRICT;
INSERT INTO "cursors" VALUES(1,'imap',1700000001,4);
INSERT INTO "cursors" VALUES(2,'pop3',NULL,NULL);
CREATE TABLE deletions (
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
    remote TEXT NOT NULL,
    PRIMARY KEY (mailbox, remote)
) STRICT, WITHOUT ROWID;
CREATE TABLE leases (
    -- `state` or `mailbox/<name>`.
    scope TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    -- The holder's nonce again, for comparing.
    nonce TEXT NOT NULL,
    -- Grows with every change of hands.
    fence INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('held', 'released'))
) STRICT;
INSERT INTO "leases" VALUES('state','{"purpose":"apply","host":"vm","pid":1115,"processStarted":1274702,"nonce":"9489e092d8cb1f98df9885b5e44b7d5b"}','9489e092d8cb1f98df9885b5e44b7d5b',2,1795304998032871,'released');
INSERT INTO "leases" VALUES('mailbox/trade','{"purpose":"apply","host":"vm","pid":1108,"processStarted":1274681,"nonce":"bc7690315abdaa574046f471eab129df"}','bc7690315abdaa574046f471eab129df',1,1795304997868630,'released');
INSERT INTO "leases" VALUES('mailbox/support','{"purpose":"sync","host":"vm","pid":1141,"processStarted":1274727,"nonce":"ed5856f504e1cb8a54b8dc1ce9b89070"}','ed5856f504e1cb8a54b8dc1ce9b89070',5,1795304998330146,'released');
INSERT INTO "leases" VALUES('mailbox/sales','{"purpose":"sync","host":"vm","pid":1158,"processStarted":1274743,"nonce":"d561b90654510a986d7bd803eb4e53b2"}','d561b90654510a986d7bd803eb4e53b2',6,1795304998448085,'released');
CREATE TABLE mailboxes (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    -- NULL: the mailbox was deleted.
    declared TEXT,
    -- NULL: incoming was never enabled.
    process_from INTEGER,
    -- A digest of the inbox that the cursor, the remote ids and the deletions belong to. NULL: never read.
    inbox TEXT
) STRICT;
INSERT INTO "mailboxes" VALUES(1,'support','{"name":"support","labels":{},"kind":"queue","address":"support@office.test","displayName":"Support","owner":null,"active":true,"approved":"support@office.test","profile":"mail","incoming":"server-side-sync","outgoing":"server-side-sync","appointmentsContactsTasks":"none","accept":"all","deleteAfterProcessing":false,"processFrom":null,"credentials":{"username":"support@office.test","password":{"secret":"mail","key":"password"}},"trackedFolders":[],"claimTakeOverFrom":null,"lifecycle":{"preventDestroy":false,"previousNames":[]}}',1795304937000000,'b3fdc7f799947bfe21a63fc95ceccb6cf400f9e223d8644b889f9e7501094373');
INSERT INTO "mailboxes" VALUES(2,'sales','{"name":"sales","labels":{},"kind":"queue","address":"sales@office.test","displayName":"Sales","owner":null,"active":true,"approved":"sales@office.test","profile":"pop","incoming":"server-side-sync","outgoing":"server-side-sync","appointmentsContactsTasks":"none","accept":"all","deleteAfterProcessing":false,"processFrom":null,"credentials":{"username":"sales@office.test","password":{"secret":"mail","key":"password"}},"trackedFolders":[],"claimTakeOverFrom":null,"lifecycle":{"preventDestroy":true,"previousNames":["trade"]}}',1767225600000000,'977abba6a6a8203efaeffa53022b84834acfc1b169d5d915d5fd707f38c95387');
CREATE TABLE messages (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
    -- Under which id the server held it when it was recorded.
    remote TEXT NOT NULL,
    content TEXT NOT NULL,
    -- The same hash as reference. NULL: the message could not be fetched and has no octets.
    blob TEXT REFERENCES blobs (hash),
    bytes INTEGER NOT NULL,
    -- NULL: neither the server nor the message says.
    received_at INTEGER,
    recorded_at INTEGER NOT NULL,
    -- The Message-ID header. NULL: it has none.
    message_id TEXT,
    facts TEXT NOT NULL,
    -- Why it was not understood. NULL: it was.
    quarantine TEXT
) STRICT;
INSERT INTO "messages" VALUES(1,2,'uidl:0002.000000000001','09215cecd0c4f5ac36893ab8f77ff6ddbd08f2cd3540e7ded1d4c1def15a647f','09215cecd0c4f5ac36893ab8f77ff6ddbd08f2cd3540e7ded1d4c1def15a647f',405,1780821687000000,1795304938116794,'953aeb70673e29cb.0@fjord-shipping.example','{"messageId":"953aeb70673e29cb.0@fjord-shipping.example","inReplyTo":[],"references":[],"subject":"Quotation for the spring delivery","from":[{"name":"Anna Lindqvist","address":"anna.lindqvist@fjord-shipping.example"}],"to":[{"name":null,"address":"noreply@parcel-tracking.example"}],"cc":[],"date":"2026-06-07T08:41:27Z","received":null,"attachments":[],"selfTestNonce":null}',NULL);
INSERT INTO "messages" VALUES(2,2,'uidl:0002.000000000002','9bdc453332b7ad22ea797d27aac9aedee43856d984e913e122b0c84e4e0f7e9a','9bdc453332b7ad22ea797d27aac9aedee43856d984e913e122b0c84e4e0f7e9a',744,1787003585000000,1795304938116794,'eb0354df4a45b34e.1@harbour-supplies.example','{"messageId":"eb0354df4a45b34e.1@harbour-supplies.example","inReplyTo":[],"references":[],"subject":"Order 4471: two pallets short","from":[{"name":"Sam O''Brien","address":"sam.obrien@harbour-supplies.example"}],"to":[{"name":"Keiko Tanaka","address":"tanaka@kyoto-denki.example"}],"cc":[],"date":"2026-08-17T21:53:05Z","received":null,"attachments":[],"selfTestNonce":null}',NULL);
INSERT INTO "messages" VALUES(3,1,'uid:1700000001:2','9630a9480f79860529cf9c969d30df7118a714120278e5fb5026d4b9a0a3813c','9630a9480f79860529cf9c969d30df7118a714120278e5fb5026d4b9a0a3813c',133,1795304938000000,1795304938118991,'1@a.test','{"messageId":"1@a.test","inReplyTo":[],"references":[],"subject":"Question 1","from":[{"name":null,"address":"a@b.test"}],"to":[{"name":null,"address":"support@office.test"}],"cc":[],"date":"2026-11-21T10:00:01Z","received":null,"attachments":[],"selfTestNonce":null}',NULL);
INSERT INTO "messages" VALUES(4,1,'uid:1700000001:3','87e878a2994bcbb69e84897b1f5a9172bdf9fcf1facd6a29a7c0de251c7981b7','87e878a2994bcbb69e84897b1f5a9172bdf9fcf1facd6a29a7c0de251c7981b7',133,1795304938000000,1795304938118991,'2@a.test','{"messageId":"2@a.test","inReplyTo":[],"references":[],"subject":"Question 2","from":[{"name":null,"address":"a@b.test"}],"to":[{"name":null,"address":"support@office.test"}],"cc":[],"date":"2026-11-21T10:00:02Z","received":null,"attachments":[],"selfTestNonce":null}',NULL);
INSERT INTO "messages" VALUES(5,1,'uid:1700000001:4','c7c1d5f961691249a479566dd487369c12af4a3be4e0224e99c5ec17ebaeea06','c7c1d5f961691249a479566dd487369c12af4a3be4e0224e99c5ec17ebaeea06',133,1795304938000000,1795304938118991,'3@a.test','{"messageId":"3@a.test","inReplyTo":[],"references":[],"subject":"Question 3","from":[{"name":null,"address":"a@b.test"}],"to":[{"name":null,"address":"support@office.test"}],"cc":[],"date":"2026-11-21T10:00:03Z","received":null,"attachments":[],"selfTestNonce":null}',NULL);
CREATE TABLE operations (
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
    operation TEXT NOT NULL CHECK (operation IN ('incoming', 'outgoing', 'act')),
    state TEXT NOT NULL,
    -- Digest of what a test proves. NULL: the operation is not wanted.
    connection TEXT,
    changed_at INTEGER NOT NULL,
    -- NULL: never tested.
    tested_at INTEGER,
    -- NULL: no cycle has ended yet.
    cycle_at INTEGER,
    -- The `connection` of the last test that passed. NULL: none has.
    proved TEXT,
    PRIMARY KEY (mailbox, operation)
) STRICT, WITHOUT ROWID;
INSERT INTO "operations" VALUES(1,'act','{"off":"method-none"}',NULL,1795304937855217,NULL,NULL,NULL);
INSERT INTO "operations" VALUES(1,'incoming','"enabled"','fe2100aa954f02f3f2edea3ad60cc81d3214dfd3186558cc21f9139889e57595',1795304937904733,1795304937904733,1795304938314696,'fe2100aa954f02f3f2edea3ad60cc81d3214dfd3186558cc21f9139889e57595');
INSERT INTO "operations" VALUES(1,'outgoing','"enabled"','5a984b73e3982f319e4889864700db737f7161360f8c8ff3821a485b70459a89',1795304937955071,1795304937955071,1795304938366052,'5a984b73e3982f319e4889864700db737f7161360f8c8ff3821a485b70459a89');
INSERT INTO "operations" VALUES(2,'act','{"off":"method-none"}',NULL,1795304937855217,NULL,NULL,NULL);
INSERT INTO "operations" VALUES(2,'incoming','{"retrying":{"attempts":1,"until":"2026-11-21T23:53:58.434741961Z","failure":{"code":"connection-refused","step":"connect","nature":"transient","scope":"profile","cause":"nothing listens on mail.office.test:110 (connection refused)","remedy":"check the port in profile `pop`; if it is right, start the mail server"}}}','90a1a7066efbff8db002fb761e2b27edef514598d2598c4aff001e218bdccc4d',1795304938434741,1795304937913877,1795304938434741,'90a1a7066efbff8db002fb761e2b27edef514598d2598c4aff001e218bdccc4d');
INSERT INTO "operations" VALUES(2,'outgoing','"enabled"','c21db9aae02daaae1467ac85ca13c0bd9f7010543608f52dbbfdd90ca39599aa',1795304937974752,1795304937974752,1795304938459648,'c21db9aae02daaae1467ac85ca13c0bd9f7010543608f52dbbfdd90ca39599aa');
CREATE TABLE organization (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    declared TEXT NOT NULL
) STRICT;
INSERT INTO "organization" VALUES(1,'{"name":"organization","displayName":null,"defaults":{"profile":null,"incoming":null,"outgoing":null,"appointmentsContactsTasks":null,"accept":null},"approval":{"source":"manifest","users":"required","queues":"required","forward":"required"},"tracking":{"correlation":true,"token":{"prefix":"CRM:","formerPrefixes":[]},"smartMatching":false,"internalMail":"one-activity","unresolvedRecipients":"refuse","attachmentBytesMax":5242880,"attachmentBlockedTypes":[]},"alerts":{"errors":true,"warnings":true,"information":true,"notifyMailboxOwner":false,"keep":{"secs":2592000,"nanos":0}},"retry":{"attempts":10,"wait":{"secs":300,"nanos":0},"attemptsPerMessage":5},"guards":{"deletionsCount":10,"deletionsPercent":30,"updatesPercent":30,"emptyManifest":"refuse","claimTakeOver":"refuse"},"recipients":{"ops":"age1q8rk4dpcax88lzqf6w2xw8u9n249r5waa9zlz6cw95vpgapr395qh2cze6"}}');
CREATE TABLE outbox (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
    message_id TEXT NOT NULL,
    -- NULL: it has none.
    subject TEXT,
    blob TEXT NOT NULL REFERENCES blobs (hash),
    bytes INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'sent', 'failed', 'unsure')),
    -- A list, with a state for each.
    recipients TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    queued_at INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    -- NULL: nothing went wrong so far.
    failure TEXT,
    -- NULL: whoever queued it gave none.
    idempotency_key TEXT,
    -- The fence of the lease under which the last attempt began. NULL: none has begun since it was queued.
    fence INTEGER
) STRICT;
INSERT INTO "outbox" VALUES(1,1,'5854ff724113b3cd99341f25@office.test','sent','006f8705efffd39529ed5897882c82052ae0822b5d424c5bd7ffb4457d7081d7',266,'sent','[{"address":"customer@elsewhere.test","state":"sent","said":"250 2.0.0 accepted"}]',0,1795304938185078,1795305238355194,1795304938355194,NULL,NULL,5);
INSERT INTO "outbox" VALUES(2,1,'7f9414a99a2100f3bc97ce1d@office.test','sent too','4e1d7c5800ea8ad61ad7d656935e81b750e71a82f15ac9dd43b0dea880686f68',263,'sent','[{"address":"b@elsewhere.test","state":"sent","said":"250 2.0.0 accepted"}]',0,1795304938232053,1795305238363601,1795304938363601,NULL,NULL,5);
INSERT INTO "outbox" VALUES(3,1,'255a2cda45f57fa9e1b69ec0@office.test','Waiting','dfe65196c9e60195e17e5d8752b15c66d8c4ecc35cc43645f874f678154fc221',264,'pending','[{"address":"c@elsewhere.test","state":"pending","said":null}]',0,1795304938383247,1795304938383247,1795304938383247,NULL,NULL,NULL);
CREATE TABLE profiles (
    name TEXT NOT NULL PRIMARY KEY,
    declared TEXT NOT NULL
) STRICT;
INSERT INTO "profiles" VALUES('mail','{"name":"mail","labels":{},"displayName":null,"description":null,"owner":"support@office.test","active":true,"server":{"imapSmtp":{"trust":null,"incoming":{"host":"mail.office.test","port":null,"tls":"implicit","authentication":"auto","credentials":"mailbox","timeoutSeconds":null},"outgoing":{"host":"mail.office.test","port":null,"tls":"starttls","authentication":"auto","credentials":"mailbox","timeoutSeconds":null}}},"processing":{"from":null,"maxConcurrentConnections":10,"minPollingIntervalMinutes":5},"massFailureAlert":false}');
INSERT INTO "profiles" VALUES('pop','{"name":"pop","labels":{},"displayName":null,"description":null,"owner":"support@office.test","active":true,"server":{"pop3Smtp":{"trust":null,"incoming":{"host":"mail.office.test","port":null,"tls":"starttls","authentication":"auto","credentials":"mailbox","timeoutSeconds":null},"outgoing":{"host":"mail.office.test","port":null,"tls":"implicit","authentication":"auto","credentials":"mailbox","timeoutSeconds":null}}},"processing":{"from":"2026-01-01T00:00:00Z","maxConcurrentConnections":10,"minPollingIntervalMinutes":5},"massFailureAlert":false}');
CREATE TABLE remotes (
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
    remote TEXT NOT NULL,
    message INTEGER NOT NULL REFERENCES messages (id),
    PRIMARY KEY (mailbox, remote)
) STRICT, WITHOUT ROWID;
INSERT INTO "remotes" VALUES(1,'uid:1700000001:2',3);
INSERT INTO "remotes" VALUES(1,'uid:1700000001:3',4);
INSERT INTO "remotes" VALUES(1,'uid:1700000001:4',5);
INSERT INTO "remotes" VALUES(2,'uidl:0002.000000000001',1);
INSERT INTO "remotes" VALUES(2,'uidl:0002.000000000002',2);
CREATE TABLE revisions (
    revision INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    applied_at INTEGER NOT NULL,
    -- Who applied it, in words.
    holder TEXT NOT NULL,
    -- Digest of the manifest that was applied.
    manifest TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    deleted INTEGER NOT NULL
) STRICT;
INSERT INTO "revisions" VALUES(1,1795304937855217,'`apply` on vm (process 1108)','50e02fed4783d95726bb92de6edb868988e1e1a34437345f08bf075f96710e60',7,0,0);
INSERT INTO "revisions" VALUES(2,1795304938044422,'`apply` on vm (process 1115)','8057093503cf68c9cae11209c2c48cf33ce6e5f41a43da523a0dad2ccb6dae7c',0,1,0);
CREATE TABLE secrets (
    secret TEXT NOT NULL,
    key TEXT NOT NULL,
    sealed TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (secret, key)
) STRICT;
INSERT INTO "secrets" VALUES('mail','password','{"sealed":{"age":"-----BEGIN AGE ENCRYPTED FILE-----\nYWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBNRk5Hc3NyRFQ5Z3dMcTl1\nMHFkZzNQUlBIM1BPVDNpZTVldis0UHNkVXhJCm5XZE9BMTNreUQvbTkvN0NGSnBn\nNGI5dWdjWG9VNldNeFo4Tkdrd1VPWFEKLT4gZjh7JTwtZ3JlYXNlIGBJIGRKWSA3\nJGpBWFh2CklObkNHTXhFa2JxSjdHNDVMS1luQmtWbUNBclE0TUpFb3NwOThMOTYK\nLS0tIDA4WGgyNmVNUERLZnAyS2l0YkZOOEtOVTUxS2dPaytXLzMvQ0g2QVcrNDAK\nJ1gwKUsqIW56sZg5P8MxkCViYEB1Z/O6XhwW51axHuitl0ei/Nio1r5fNN1e1sbi\nNjHb8n08PgvGAj3a\n-----END AGE ENCRYPTED FILE-----\n"},"sealedTo":["ops"],"expires":null}','46bc2d1e3f49a7be5e7a2c1728f2b3b81a3ac6fa848ce3bd8281dbc183c5c1da');
INSERT INTO "secrets" VALUES('relay','password','{"sealed":{"env":"RELAY_PASSWORD"},"sealedTo":[],"expires":null}','657489904fae60cc343ccaf48f72c7ba00bb14963713a8f51f8a6caa455aec87');
CREATE TABLE seen (
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id),
    uidl TEXT NOT NULL,
    PRIMARY KEY (mailbox, uidl)
) STRICT, WITHOUT ROWID;
INSERT INTO "seen" VALUES(2,'0002.000000000001');
INSERT INTO "seen" VALUES(2,'0002.000000000002');
INSERT INTO "seen" VALUES(2,'0002.000000000004');
CREATE TABLE segments (
    id INTEGER NOT NULL PRIMARY KEY,
    bytes INTEGER NOT NULL
) STRICT;
INSERT INTO "segments" VALUES(1,2341);
CREATE TABLE self_messages (
    nonce TEXT NOT NULL PRIMARY KEY,
    mailbox INTEGER NOT NULL REFERENCES mailboxes (id)
) STRICT, WITHOUT ROWID;
INSERT INTO "self_messages" VALUES('cfc07a621a3ff5664576f1e4b61ca89d',1);
INSERT INTO "self_messages" VALUES('d13ecd46d841da363196d2b28fa144b4',2);
CREATE TABLE store (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    -- 32 hex digits, drawn at random.
    id TEXT NOT NULL
) STRICT;
INSERT INTO "store" VALUES(1,'06ad37fce1c30d1ee5e75db872bbbf9a');
CREATE UNIQUE INDEX mailboxes_declared ON mailboxes (name) WHERE declared IS NOT NULL;
CREATE INDEX mailboxes_name ON mailboxes (name);
CREATE UNIQUE INDEX messages_content ON messages (mailbox, blob) WHERE blob IS NOT NULL;
CREATE INDEX messages_mailbox ON messages (mailbox, id);
CREATE INDEX messages_quarantined ON messages (mailbox, id) WHERE quarantine IS NOT NULL;
CREATE INDEX messages_quarantined_anywhere ON messages (id) WHERE quarantine IS NOT NULL;
CREATE INDEX messages_message_id ON messages (message_id) WHERE message_id IS NOT NULL;
CREATE UNIQUE INDEX outbox_once ON outbox (mailbox, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX outbox_mailbox ON outbox (mailbox, id);
CREATE INDEX outbox_mailbox_state ON outbox (mailbox, state, id);
CREATE INDEX outbox_state ON outbox (state, id);
CREATE INDEX outbox_due ON outbox (mailbox, next_attempt_at) WHERE state = 'pending';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('mailboxes',2);
INSERT INTO "sqlite_sequence" VALUES('revisions',2);
INSERT INTO "sqlite_sequence" VALUES('alerts',5);
INSERT INTO "sqlite_sequence" VALUES('messages',5);
INSERT INTO "sqlite_sequence" VALUES('outbox',3);
COMMIT;
PRAGMA application_id = 1836084322;
PRAGMA user_version = 1;
