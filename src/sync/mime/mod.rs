//! Taking a message apart: where its parts are, how their octets are encoded, which of them is its text.
//!
//! Mail is written by strangers. The parts are found in one pass over the lines, without recursion, so that time and memory
//! are bounded by the size of the message, by [`crate::model::limits::MIME_PARTS_MAX`] and by
//! [`crate::model::limits::MIME_DEPTH_MAX`]. A library reads the header fields of each part.

mod content;
mod decode;
mod fields;
mod file_name;
mod flowed;
mod header;
mod pieces;
mod split;
mod words;

pub use content::{Allowed, Attachments, beginning, content, forwarded, octets};
pub use header::{Extent, looked_at, mended};
pub use split::{Attached, attached};

/// The position behind the next such octet, or the end.
fn behind(octet: u8, raw: &[u8], from: usize) -> usize {
    let found = memchr::memchr(octet, raw.get(from..).unwrap_or_default());
    found.map_or(raw.len(), |at| from + at + 1)
}
