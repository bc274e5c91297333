//! Every limit of the program, on one page. Exceeding one is an error value that names it.
//!
//! Units are the last word of each name.

use std::time::Duration;

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
pub const MANIFEST_DEPTH_MAX: usize = 32;
/// Nodes of one YAML document.
pub const MANIFEST_NODES_MAX: usize = 20_000_000;
/// Problems that are printed before the rest is only counted.
pub const PROBLEMS_SHOWN_MAX: usize = 1000;
pub const SECRET_VALUE_BYTES_MAX: usize = 64 * 1024;

// --- conversations ---
/// One line of a reply. RFC 2449 and RFC 5321 say 512; servers in the wild send more.
pub const REPLY_LINE_BYTES_MAX: usize = 64 * 1024;
pub const REPLY_LINES_MAX: usize = 1000;
/// Messages in one mailbox listing.
pub const LISTING_MESSAGES_MAX: usize = 2_000_000;
pub const UIDL_BYTES_MAX: usize = 1024;
/// A message above this size is quarantined, not fetched.
pub const MESSAGE_BYTES_MAX: u64 = 100 * 1024 * 1024;
/// Above this size only headers are parsed.
pub const MESSAGE_PARSE_BYTES_MAX: usize = 32 * 1024 * 1024;
pub const HEADER_BYTES_MAX: usize = 256 * 1024;
pub const MIME_PARTS_MAX: usize = 10_000;
/// Bytes of messages asked for but not yet recorded, per mailbox.
pub const FETCH_WINDOW_BYTES: u64 = 8 * 1024 * 1024;
pub const FETCH_WINDOW_MESSAGES: usize = 64;
/// What a server said is quoted up to here.
pub const SERVER_WORDS_CHARACTERS_MAX: usize = 500;

pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Between two bytes that the server owes.
pub const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// After the final dot, RFC 5321 4.5.3.2.6.
pub const SUBMISSION_TIMEOUT: Duration = Duration::from_secs(600);
/// How long a test waits for its own message to come back.
pub const RECEIVE_BACK_TIMEOUT: Duration = Duration::from_secs(30);

// --- leases ---
pub const LEASE_TTL: Duration = Duration::from_secs(60);

// --- scheduling ---
pub const CONNECTIONS_DEFAULT: u16 = 10;
pub const CONNECTIONS_MAX: u16 = 300;
pub const POLLING_INTERVAL_MINUTES_DEFAULT: u16 = 5;
pub const POLLING_INTERVAL_MINUTES_MAX: u16 = 1440;
/// The shortest gap between two cycles of a mailbox whose profile sets no floor.
pub const CYCLE_GAP_MIN: Duration = Duration::from_secs(2);
/// Mailboxes worked on at once by one process.
pub const MAILBOXES_AT_ONCE_MAX: usize = 64;

// --- retries (server-side-sync reference, section 7.2) ---
pub const RETRY_ATTEMPTS_DEFAULT: u16 = 10;
pub const RETRY_WAIT_DEFAULT: Duration = Duration::from_secs(300);
pub const ATTEMPTS_PER_MESSAGE_DEFAULT: u16 = 5;

// --- outbox ---
pub const RECIPIENTS_MAX: usize = 1000;
pub const OUTGOING_BATCH_MESSAGES: usize = 50;
