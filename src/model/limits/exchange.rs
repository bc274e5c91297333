//! The numbers of Exchange: Web Services, Autodiscover, Microsoft Graph, and the HTTP beneath them.

use std::time::Duration;

use jiff::SignedDuration;

// --- Exchange ---
/// An HTTP answer's status line and header fields.
pub const HTTP_HEAD_BYTES_MAX: usize = 64 * 1024;
pub const HTTP_FIELDS_MAX: usize = 100;
/// The body of an HTTP answer, in whatever framing.
pub const HTTP_BODY_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// An answer of Exchange without the messages that it carries.
pub const EWS_DOCUMENT_BYTES_MAX: usize = 8 * 1024 * 1024;
pub const EWS_ELEMENTS_MAX: usize = 100_000;
pub const EWS_DEPTH_MAX: usize = 64;
pub const EWS_ATTRIBUTES_MAX: usize = 32;
/// One envelope of a stream of notifications.
pub const EWS_NOTIFICATION_BYTES_MAX: usize = 1024 * 1024;
/// Room for a request beside the message in it.
pub const EWS_REQUEST_BYTES_USUAL: usize = 2048;
/// Changes of a folder that are asked for at once; the servers' own limit.
pub const EWS_CHANGES_MAX: u32 = 512;
/// Pages of one listing, and how many in a row may bring nothing.
pub const EWS_PAGES_MAX: usize = 100_000;
pub const EWS_EMPTY_PAGES_MAX: usize = 20;
/// A sync state. Those of large folders have some hundred kilobytes.
pub const EWS_SYNC_STATE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A busy server that says no time is left alone for so long.
pub const EWS_BUSY_WAIT_MIN: Duration = Duration::from_millis(200);
/// A longer wait is not spent within a session: the mailbox is tried again later.
pub const EWS_BUSY_WAIT_WITHIN: Duration = Duration::from_secs(5);
/// Busy answers to one request, after which the mailbox is tried again later.
pub const EWS_BUSY_TRIES_MAX: u32 = 5;
/// The mark of an installation in a mailbox is looked at so often, and so soon again when the server did not answer.
pub const CLAIM_EVERY: SignedDuration = SignedDuration::from_hours(1);
pub const CLAIM_UNANSWERED_EVERY: SignedDuration = SignedDuration::from_mins(5);
/// The inbox rule that forwards a mailbox's mail is looked at so often.
pub const FORWARD_RULE_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// Folders below one folder that are looked through for those that are tracked, and how many are asked for at once.
pub const EWS_FOLDERS_MAX: usize = 10_000;
pub const EWS_FOLDERS_PAGE: u32 = 500;
/// The name of a category, as Outlook takes it.
pub const CATEGORY_CHARACTERS_MAX: usize = 255;
/// The vendor's own limit for one mailbox.
pub const TRACKED_FOLDERS_MAX: usize = 25;
/// Mailboxes whose mail is told of over one connection; the servers' own limit.
pub const EWS_GROUP_MAX: usize = 200;
/// After so many minutes a stream of notifications is asked for anew; servers end it after 30.
pub const EWS_STREAM_MINUTES: u32 = 29;
/// A stream without any sign of life for so long is dead. Servers give one every 45 seconds or so.
pub const EWS_SILENCE_MAX: Duration = Duration::from_secs(150);
/// Mailboxes that join a stream wait for others so long, because the stream begins anew with them.
pub const EWS_JOIN_WAIT: Duration = Duration::from_secs(1);
/// For a look after that they keep their own connection open, if it does not take longer than this.
pub const EWS_JOIN_HOLD: Duration = Duration::from_secs(5);
/// Before a stream that failed is asked for again; doubled with each failure in a row, up to the maximum.
pub const EWS_STREAM_WAIT: Duration = Duration::from_secs(1);
pub const EWS_STREAM_WAIT_MAX: Duration = Duration::from_secs(120);
/// A group without members ends after so long.
pub const EWS_GROUP_IDLE_MAX: Duration = Duration::from_secs(60);
/// The id of an item.
pub const EWS_ITEM_ID_BYTES_MAX: usize = 2048;
/// Attachments of one item that are asked for one by one.
pub const EWS_ATTACHMENTS_MAX: usize = 1000;
/// Messages, and what they say to be their octets, that are asked for at once.
pub const EWS_GET_MESSAGES: usize = 64;
pub const EWS_GET_BYTES: u64 = 1024 * 1024;
/// What a message counts for whose size the server has not told. One that is larger than can be held is asked for once more, alone.
pub const EWS_SIZE_UNTOLD: u64 = EWS_GET_BYTES / 32;

/// Places that one search of Autodiscover asks.
pub const AUTODISCOVER_ASKS_MAX: usize = 40;
/// Redirects in one search: the vendor's own limit.
pub const AUTODISCOVER_REDIRECTS_MAX: usize = 10;
/// For one place, from the name to the end of the answer.
pub const AUTODISCOVER_ASK_TIMEOUT: Duration = Duration::from_secs(30);
pub const AUTODISCOVER_ANSWER_BYTES_MAX: usize = 1024 * 1024;
pub const AUTODISCOVER_URL_BYTES_MAX: usize = 2048;
/// SRV records of one name that are looked at.
pub const AUTODISCOVER_RECORDS_MAX: usize = 16;
/// Before each look for the copy of a message whose answer was lost.
pub const DOUBT_PAUSES: [Duration; 3] =
    [Duration::ZERO, Duration::from_millis(500), Duration::from_millis(1500)];
/// A request to Microsoft Graph with a message in it, before it is encoded: 4 MiB of Base64.
pub const GRAPH_MESSAGE_BYTES_MAX: usize = 3 * 1024 * 1024;
/// Files from this size on are uploaded in ranges; below it the service wants them in one request.
/// <https://learn.microsoft.com/graph/outlook-large-attachments>
pub const GRAPH_UPLOAD_BYTES_MIN: usize = 3 * 1024 * 1024;
/// What the service takes of one file.
pub const GRAPH_FILE_BYTES_MAX: usize = 150 * 1024 * 1024;
/// One range of an upload: a multiple of 320 KiB below 4 MB.
pub const GRAPH_RANGE_BYTES: usize = 10 * 320 * 1024;
/// How often the upload of one file goes on after an answer that was lost.
pub const GRAPH_UPLOAD_RESUMES_MAX: usize = 5;
/// Attachments of one draft that are looked at.
pub const GRAPH_ATTACHMENTS_MAX: usize = 1000;
/// Rules of one inbox; the service has room for far fewer.
pub const GRAPH_RULES_MAX: usize = 1000;
/// An answer of Microsoft Graph that is no message.
pub const GRAPH_DOCUMENT_BYTES_MAX: usize = 8 * 1024 * 1024;
pub const GRAPH_DEPTH_MAX: usize = 32;
/// A `nextLink` or `deltaLink`.
pub const GRAPH_LINK_BYTES_MAX: usize = 32 * 1024;
pub const GRAPH_ID_BYTES_MAX: usize = 2048;
/// Messages of one page of changes: what is asked for first, and what a page shrinks to when the server takes too long.
pub const GRAPH_PAGE_MESSAGES: u32 = 200;
pub const GRAPH_PAGE_MESSAGES_MIN: u32 = 10;
/// Pages of one listing; some of them are empty.
pub const GRAPH_PAGES_MAX: usize = 100_000;
/// So many of them in a row lead nowhere.
pub const GRAPH_EMPTY_PAGES_MAX: usize = 500;
/// How often one listing begins again because the service has forgotten a link that it gave.
pub const GRAPH_BEGINNINGS_MAX: usize = 3;
/// Parts of one batch; the service's own limit.
pub const GRAPH_BATCH_PARTS: usize = 20;
/// A part of a batch that is to wait longer is left for the next reading.
pub const GRAPH_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often the parts of a batch that have to wait are asked again.
pub const GRAPH_PART_ATTEMPTS: usize = 3;
/// Mailboxes that are left alone because the service asked for it, at the same time.
pub const GRAPH_WAITS_KEPT_MAX: usize = 100_000;
/// How long a signed assertion is good for.
pub const ASSERTION_LIFETIME_SECONDS: i64 = 300;
