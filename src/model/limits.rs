//! Every limit of the program, on one page. Exceeding one is an error value that names it.
//!
//! Units are the last word of each name.

mod exchange;

use std::time::Duration;

pub use self::exchange::*;

// --- names and texts ---
pub const NAME_CHARACTERS_MAX: usize = 63;
pub const DISPLAY_NAME_CHARACTERS_MAX: usize = 100;
pub const DESCRIPTION_CHARACTERS_MAX: usize = 2000;
pub const USERNAME_CHARACTERS_MAX: usize = 250;
pub const ADDRESS_BYTES_MAX: usize = 254;
pub const ADDRESS_LOCAL_BYTES_MAX: usize = 64;

// --- manifest ---
pub const MANIFEST_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
pub const MANIFEST_BYTES_MAX: u64 = 512 * 1024 * 1024;
pub const MANIFEST_FILES_MAX: usize = 200_000;
/// Directories or files that are laid over each other.
pub const MANIFEST_LAYERS_MAX: usize = 32;
pub const MANIFEST_DEPTH_MAX: usize = 32;
/// Folders inside folders of a manifest's directory.
pub const MANIFEST_FOLDER_DEPTH_MAX: usize = 32;
/// Folders of a manifest, links to folders among them.
pub const MANIFEST_FOLDERS_MAX: usize = 100_000;
/// Nodes of one YAML document.
pub const MANIFEST_NODES_MAX: usize = 8_000_000;
/// Documents of a manifest, empty ones among them.
pub const MANIFEST_DOCUMENTS_MAX: usize = 2_000_000;
/// Problems of a manifest that are kept before the rest is only counted.
pub const PROBLEMS_KEPT_MAX: usize = 10_000;
/// For somebody else who is changing the files of the manifest.
pub const MANIFEST_LOCK_WAIT: Duration = Duration::from_secs(60);
/// Problems that are printed before the rest is only counted.
pub const PROBLEMS_SHOWN_MAX: usize = 1000;
pub const SECRET_VALUE_BYTES_MAX: usize = 64 * 1024;
/// A bundle's ciphertext, and its plaintext.
pub const BUNDLE_BYTES_MAX: usize = 64 * 1024 * 1024;
pub const BUNDLE_KEYS_MAX: usize = 200_000;
/// Bundles that one process keeps open; the one that was opened first makes room.
pub const BUNDLES_OPEN_MAX: usize = 64;
/// Certificates of servers are remarked on from so many days before they expire.
pub const CERTIFICATE_WARNING_DAYS: i64 = 30;
/// `expires` is warned about from so many days before.
pub const EXPIRY_WARNING_DAYS: i64 = 30;
/// Everything that one place holds, comments and all keys.
pub const IDENTITY_BYTES_MAX: u64 = 64 * 1024;
/// A plan that creates a hundred thousand mailboxes has some hundred megabytes.
pub const SAVED_PLAN_BYTES_MAX: usize = 1024 * 1024 * 1024;
pub const SNAPSHOT_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// One `--target` or `--exclude`.
pub const SELECTOR_CHARACTERS_MAX: usize = 400;
/// All of them together, those of `--target-file` included.
pub const SELECTORS_MAX: usize = 100_000;
/// A file of `--target-file`.
pub const TARGET_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Why a guard is overridden.
pub const REASON_CHARACTERS_MAX: usize = 1000;

// --- conversations ---
/// One line of a reply. RFC 2449 and RFC 5321 say 512; servers in the wild send more.
pub const REPLY_LINE_BYTES_MAX: usize = 64 * 1024;
pub const REPLY_LINES_MAX: usize = 1000;
/// All lines of one reply together.
pub const REPLY_BYTES_MAX: usize = 256 * 1024;
/// Commands sent ahead of their replies. RFC 2920 section 3.1: the replies to them must fit into the buffers of a
/// connection, or both sides wait for each other.
pub const PIPELINED_COMMANDS_MAX: usize = 100;
/// Responses of an IMAP server with one command beyond those that were asked for: what others change in the mailbox is told so.
pub const UNASKED_RESPONSES_MAX: usize = 100_000;
/// `* OK` of an IMAP server that is at work on a mailbox: each gives it the time for an answer anew, so many times.
pub const SIGNS_OF_LIFE_MAX: usize = 100;
/// Messages in one mailbox listing.
pub const LISTING_MESSAGES_MAX: usize = 2_000_000;
/// An IMAP inbox with so many messages is searched for those that are wanted before it is listed for the first time.
pub const SEARCHED_FROM_MESSAGES: u32 = 500;
/// The same where the server answers with every number, at most eleven octets each, in one line.
pub const SEARCHED_PLAIN_MESSAGES_MAX: u32 = 5000;
pub const UIDL_BYTES_MAX: usize = 1024;
/// All ids of one POP3 listing together.
pub const LISTING_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Octets of a line of a message in SMTP, without its end (RFC 5321 section 4.5.3.1.6).
pub const TEXT_LINE_BYTES_MAX: usize = 998;
/// A message that is to be sent.
pub const MESSAGE_BYTES_MAX: u64 = 100 * 1024 * 1024;
/// A received message above this size is quarantined, not fetched.
pub const RECEIVED_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// A received message above this size is written to its file while it arrives, and never held whole.
pub const HELD_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// The pieces in which it is written.
pub const PIECE_BYTES: usize = 256 * 1024;
/// What an IMAP server sends although it is too large is read and dropped up to here.
pub const LITERAL_DROPPED_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Above this size only headers are parsed.
pub const MESSAGE_PARSE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Of a longer header this much is parsed. Where headers are fetched alone, to see how old messages are before they are fetched, no more
/// is kept of them: a message whose date does not stand there is fetched whole, and judged by all of its header.
pub const HEADER_BYTES_MAX: usize = 256 * 1024;
/// Behind that, Message-ID, Subject and the like are still looked for up to here: mail with thousands of Received lines is real.
pub const HEADER_LOOK_BYTES_MAX: usize = 2 * 1024 * 1024;
pub const MIME_PARTS_MAX: usize = 10_000;
/// Multiparts inside multiparts; what lies deeper is one part.
pub const MIME_DEPTH_MAX: usize = 1000;
/// Of a report on the delivery of a message, as much is read.
pub const REPORT_BYTES_MAX: usize = 256 * 1024;
/// Texts of headers are cut to this many characters in records and names; the raw message keeps them whole.
pub const HEADER_TEXT_CHARACTERS_MAX: usize = 998;
/// Header fields of one message that are shown.
pub const HEADER_FIELDS_MAX: usize = 1000;
/// The text of one message that is shown.
pub const BODY_TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of messages that have arrived and are not yet durable, per mailbox.
pub const FETCH_WINDOW_BYTES: u64 = 3584 * 1024;
/// Messages asked for ahead of their answers by POP3, and looked at one by one after a failure.
pub const FETCH_WINDOW_MESSAGES: usize = 64;
/// Messages that one IMAP command asks for. Two commands are under way at a time.
pub const FETCH_COMMAND_MESSAGES: usize = 256;
/// Messages that become durable in one transaction, unless they are many bytes or few come.
pub const RECORD_GROUP_MESSAGES: usize = 128;
pub const RECORD_GROUP_BYTES: u64 = 1792 * 1024;
/// The longest that a message waits for others to become durable with.
pub const RECORD_GROUP_WAIT: Duration = Duration::from_millis(50);
/// What one fetch may really bring, whatever sizes the server had announced.
pub const FETCH_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// What a server said is quoted up to here.
pub const SERVER_WORDS_CHARACTERS_MAX: usize = 500;

/// Addresses of one host name that are tried.
pub const ADDRESSES_TRIED_MAX: usize = 8;
/// Certificates of one chain that are shown.
pub const CERTIFICATES_SHOWN_MAX: usize = 10;
pub const TRUST_BUNDLE_BYTES_MAX: u64 = 4 * 1024 * 1024;

pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// A whole answer of the server, however it comes.
pub const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Octets of a transfer each second: of messages, listings and bodies of HTTP answers, and of what is sent. A slower one ends
/// when the time for an answer is used up.
pub const TRANSFER_RATE_MIN_BYTES: u64 = 500;
/// After the final dot, RFC 5321 4.5.3.2.6.
pub const SUBMISSION_TIMEOUT: Duration = Duration::from_secs(600);
/// The write that ends a message. When an earlier one fails, the message has certainly not been accepted.
pub const LAST_WRITE_BYTES_MAX: usize = 16 * 1024;
/// Nobody waits longer for an answer to a goodbye.
pub const GOODBYE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a test waits for its own message to come back.
pub const RECEIVE_BACK_TIMEOUT: Duration = Duration::from_secs(30);

/// What a server sends in one step of an NTLM, SPNEGO or Kerberos login.
pub const LOGIN_TOKEN_BYTES_MAX: usize = 64 * 1024;
/// A keytab: thousands of keys.
pub const KEYTAB_BYTES_MAX: u64 = 1024 * 1024;
/// Steps of such a login.
pub const LOGIN_STEPS_MAX: usize = 8;

/// The body of an answer that only says no: it is read so that its connection can be used again.
pub const HTTP_REFUSAL_BYTES_MAX: usize = 256 * 1024;

/// An OAuth 2.0 provider's whole answer.
pub const TOKEN_RESPONSE_BYTES_MAX: usize = 256 * 1024;
/// One access token.
pub const TOKEN_BYTES_MAX: usize = 32 * 1024;
/// Asking for one, from the name look-up to the last byte of the answer.
pub const TOKEN_TIMEOUT: Duration = Duration::from_secs(20);
/// A token is asked for anew so long before it expires (half of its life, for one that lives shorter than twice this).
pub const TOKEN_EXPIRY_MARGIN: Duration = Duration::from_secs(60);
/// How long a token is used whose provider does not say how long it is valid (RFC 6749 section 5.1).
pub const TOKEN_LIFETIME_DEFAULT: Duration = Duration::from_secs(300);
/// No token is used longer, whatever its provider says.
pub const TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(86_400);
/// A session gets another token in the place of one that its server refuses no sooner than so long after the last time.
pub const TOKEN_RENEWAL_GAP: Duration = Duration::from_secs(60);
/// So long a failure to get a token answers everybody who needs the same one, so that a thousand mailboxes ask once.
pub const TOKEN_FAILURE_KEPT: Duration = Duration::from_secs(10);
/// What a provider of tokens asks for beyond that is not waited for.
pub const TOKEN_WAIT_MAX: Duration = Duration::from_secs(3600);
/// Clients whose tokens are kept in memory.
pub const TOKENS_KEPT_MAX: usize = 4096;

/// Work that a server may ask for in a SCRAM login; it sets the count, we pay for it.
pub const SCRAM_ITERATIONS_MAX: u32 = 1_000_000;
/// RFC 7677 section 4: fewer would let whoever listens guess the password offline.
pub const SCRAM_ITERATIONS_MIN: u32 = 4096;

// --- leases ---
pub const LEASE_TTL: Duration = Duration::from_secs(60);
/// How long a person may keep applies away.
pub const HOLD_MAX: Duration = Duration::from_secs(30 * 86_400);
pub const HOLD_REASON_CHARACTERS_MAX: usize = 200;

// --- scheduling ---
pub const CONNECTIONS_DEFAULT: u16 = 10;
pub const CONNECTIONS_MAX: u16 = 300;
pub const POLLING_INTERVAL_MINUTES_DEFAULT: u16 = 5;
pub const POLLING_INTERVAL_MINUTES_MAX: u16 = 1440;
/// The shortest gap between two cycles of a mailbox whose profile sets no floor.
pub const CYCLE_GAP_MIN: Duration = Duration::from_secs(2);
/// Between two tests of an operation that was disabled for good and whose configuration has not changed.
pub const RETEST_DISABLED: Duration = Duration::from_secs(3600);
/// Failures of this age and younger count for the alert `mass-failure` of a profile.
pub const MASS_FAILURE_WINDOW: Duration = Duration::from_secs(3600);
/// Between two tests of an operation for whose secret no identity was at hand.
pub const RETEST_WITHOUT_IDENTITY: Duration = Duration::from_secs(60);
/// `watch` looks at the manifest's files this often even when nobody told it of a change.
pub const REREAD_INTERVAL: Duration = Duration::from_secs(60);
/// How long the manifest's files must be quiet before `watch` reads them: editors and git write in several steps.
pub const WATCH_QUIET: Duration = Duration::from_millis(300);
/// Files that are never quiet are read after this time all the same.
pub const WATCH_QUIET_MAX: Duration = Duration::from_secs(10);
/// What a manifest does not declare any more must be missing for this long, in two readings, before `watch` deletes it.
pub const MISSING_BEFORE_DELETION: Duration = Duration::from_secs(5);
/// While git holds its lock on the working tree, `watch` waits; a lock that is older was left behind.
pub const GIT_LOCK_WAIT_MAX: Duration = Duration::from_secs(60);
/// `watch` looks again this soon for what it waits for without being told.
pub const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// What is under way may take this long to reach a safe place when a command is asked to stop.
pub const STOP_GRACE: Duration = Duration::from_secs(8);
/// Of that, what a server owes is waited for so long, so that there is time to note what was broken off.
pub const STOP_ANSWER_WAIT: Duration = Duration::from_secs(5);
/// A cycle that has not come to its end by then is given up; what it noted stands.
pub const STOP_CYCLE_WAIT: Duration = Duration::from_millis(6500);
/// Mailboxes of a changed profile that are tested before the others.
pub const CANARY_MAILBOXES: usize = 5;
/// A profile with more mailboxes to test than these has some of them tested first.
pub const CANARY_FROM_MAILBOXES: usize = 10;
/// Runs whose ledger is kept.
pub const RUNS_KEPT: u64 = 50;
/// How often a busy lease is asked for again while somebody waits for it.
pub const LEASE_POLL: Duration = Duration::from_millis(250);
/// Silence after which a long run says that it is still at work.
pub const HEARTBEAT: Duration = Duration::from_secs(30);
/// Mailboxes worked on at once by one process, unless the host file says otherwise. Three quarters of them are
/// [`CONNECTIONS_MAX`], so that a profile may have what it declares.
pub const MAILBOXES_AT_ONCE_DEFAULT: usize = 400;
pub const MAILBOXES_AT_ONCE_MAX: usize = 10_000;
/// IMAP sessions that stay logged in between two readings, and how long.
pub const KEPT_SESSIONS_DEFAULT: usize = 4000;
pub const KEPT_SESSIONS_MAX: usize = 100_000;
/// Servers may log out a session that is silent for 30 minutes (RFC 9051 section 5.4).
pub const KEPT_SESSION_IDLE_DEFAULT: Duration = Duration::from_secs(28 * 60);
pub const KEPT_SESSION_IDLE_MAX: Duration = Duration::from_secs(24 * 3600);
pub const KEPT_SESSION_AGE_DEFAULT: Duration = Duration::from_secs(3600);
pub const KEPT_SESSION_AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Sessions on which the server tells of new mail.
pub const PUSH_SESSIONS_DEFAULT: usize = 2000;
/// Servers may end an IDLE after 30 minutes (RFC 2177); half of that is kinder to what stands in between.
pub const PUSH_RENEWAL_DEFAULT: Duration = Duration::from_secs(15 * 60);
pub const PUSH_RENEWAL_MAX: Duration = Duration::from_secs(28 * 60);
/// Between the end of a reading and the next one because the server told of mail.
pub const PUSH_GAP_MIN: Duration = Duration::from_millis(500);
/// A server that refused to tell of new mail is only polled for so long.
pub const PUSH_REFUSED_WAIT: Duration = Duration::from_secs(3600);
/// After a session broke on which the server was to tell of new mail, another one is opened after this to twice this.
pub const PUSH_LOST_WAIT: Duration = Duration::from_secs(5);
/// Between two such sessions, where they break at once.
pub const PUSH_LOST_GAP_MIN: Duration = Duration::from_secs(15);
/// A mailbox whose profile sets no floor is polled this often while its server tells of new mail.
pub const PUSH_POLL_INTERVAL_MINUTES: u16 = 5;
/// Files and sockets of a process beside its connections to servers.
pub const OPEN_FILES_RESERVED: usize = 256;
/// A connection without traffic is asked for a sign of life after this, so that network devices on the way do not
/// forget it, and its end is noticed.
pub const KEEPALIVE_AFTER: Duration = Duration::from_secs(120);
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// What could not even be tried (no identity, somebody else at work, trouble with the store) is tried again after this.
pub const UNDONE_WAIT: Duration = Duration::from_secs(60);
/// The longest that one listing or one batch may take altogether, however slowly it drips.
pub const REMOTE_CALL_TIMEOUT: Duration = Duration::from_secs(1800);

// --- retries: those of the vendor's server-side synchronisation, ten times five minutes ---
pub const RETRY_ATTEMPTS_DEFAULT: u16 = 10;
pub const RETRY_WAIT_DEFAULT: Duration = Duration::from_secs(300);
pub const ATTEMPTS_PER_MESSAGE_DEFAULT: u16 = 5;
/// New messages in a row that a server does not hand over are its trouble and not theirs: the reading ends, and is retried.
pub const DEFERRED_IN_A_ROW_MAX: usize = 16;
/// Messages of one mailbox that are asked for again with each reading.
pub const OWED_MESSAGES_MAX: usize = 1000;

// --- throttling ---
pub const THROTTLED_WAIT_DEFAULT: Duration = Duration::from_secs(60);
pub const THROTTLED_WAIT_MAX_DEFAULT: Duration = Duration::from_secs(3600);
pub const LOGIN_DELAY_WAIT_DEFAULT: Duration = Duration::from_secs(300);
pub const IN_USE_WAIT_DEFAULT: Duration = Duration::from_secs(60);
/// What a host file may set these to.
pub const THROTTLED_WAIT_MAX: Duration = Duration::from_secs(24 * 3600);
/// After so many readings without a complaint, a throttled profile gets one more place.
pub const PLACE_REGAINED_AFTER: u32 = 10;

// --- outbox ---
/// So that `Message-ID: <…>` fits into the 998 characters of a line (RFC 5322 section 2.1.1).
pub const MESSAGE_ID_BYTES_MAX: usize = 900;
pub const RECIPIENTS_MAX: usize = 1000;
/// Due messages of a mailbox that are looked up at once.
pub const OUTGOING_BATCH_MESSAGES: usize = 256;
/// Messages whose attempts a session begins with one write. While one group is being sent, the next one begins: so a
/// process that dies leaves at most twice this many messages of each session `unsure`.
pub const OUTGOING_GROUP_MESSAGES: usize = 8;
/// The octets of such a group, unless it is a single message.
pub const OUTGOING_GROUP_BYTES: u64 = 1024 * 1024;
/// Messages of a mailbox that may end in doubt, one after the other, before nothing more is begun in this cycle.
pub const OUTGOING_UNSURE_IN_A_ROW_MAX: u32 = 2;
/// A mailbox with more messages due than these for each session sends over a further one, as far as its profile's
/// `maxConcurrentConnections` allows.
pub const OUTGOING_MESSAGES_PER_SESSION: usize = 16;

// --- store ---
/// An attachment of so many encoded octets is stored apart from its message, once for all messages that carry it.
pub const PIECE_STORED_BYTES_MIN: u64 = 64 * 1024;
/// A new segment file is begun once one has grown to this size.
pub const BLOB_SEGMENT_BYTES: u64 = 256 * 1024 * 1024;
/// Rows of a list when the caller names no limit.
pub const LISTED_ROWS_DEFAULT: u64 = 1000;
/// Newest alerts among which is looked for one that would only be repeated.
pub const ALERTS_LOOKED_AT: u64 = 200;
/// Older alerts make room for newer ones.
pub const ALERTS_MAX: u64 = 100_000;
/// Old alerts that are looked at in one write, so that nobody waits long for the store.
pub const ALERTS_DROPPED_AT_ONCE: usize = 1_000;
/// How long to wait for another process that writes to the same store.
pub const STORE_BUSY_TIMEOUT: Duration = Duration::from_secs(15);
/// Secrets that are opened at the same time, each by a thread of its own.
pub const SECRETS_OPENED_AT_ONCE: usize = 16;
/// Connections that read one store at the same time, at most; no more than there are processors, but two.
pub const STORE_READERS_MAX: usize = 4;
/// Pages that the one connection that writes may hold before they are written.
pub const STORE_WRITER_CACHE_KIB: i64 = 64 * 1024;
/// The same while messages are recorded.
pub const STORE_RECORDING_CACHE_KIB: i64 = 3 * 1024;
/// Pages of the write-ahead log after which it is copied into the database.
pub const STORE_LOG_PAGES: i64 = 8 * 1024;
/// Statements that the one connection that writes keeps ready.
pub const STORE_STATEMENTS_KEPT: usize = 128;
/// Writes that share one transaction, and so one wait for the disk.
pub const STORE_GROUP_WRITES_MAX: usize = 64;
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 1024;
// --- playground ---
/// Command lines and lines of submitted messages, with their line end.
pub const PLAYGROUND_LINE_BYTES_MAX: usize = 8 * 1024;
/// What SMTP and IMAP APPEND accept unless the options say otherwise.
pub const PLAYGROUND_MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Per listener.
pub const PLAYGROUND_CONNECTIONS_MAX: usize = 256;
/// Access tokens that were given out; all are forgotten when there would be more.
pub const PLAYGROUND_TOKENS_MAX: usize = 10_000;
/// All messages together.
pub const PLAYGROUND_STORE_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// Older entries of the log are forgotten.
pub const PLAYGROUND_LOG_ENTRIES_MAX: usize = 200_000;
