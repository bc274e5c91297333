//! Attachments are stored once. A large one, as it is encoded in its message, is a blob of its own, named by its BLAKE3; what is left
//! of the message is stored without it. Put together again they are the message as it was received, to the octet, which is verified
//! whenever it is read.
//!
//! The same mail to five hundred mailboxes is five hundred messages that differ in their first lines; its attachment is on the
//! disk once.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::blobs::{Appender, Extent, Put, find};
use super::columns::{count, whole};
use super::errors::at_file;
use crate::model::limits;
use crate::model::record::{Attachment, ContentHash};
use crate::store::StoreError;

/// Copied in one go.
const COPY_BYTES: u64 = 1024 * 1024;

/// Octets that are to be stored.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    Held(&'a [u8]),
    /// From the beginning of the file.
    File(&'a File),
}

impl Source<'_> {
    /// Hands a range over, in pieces of any size.
    pub(super) fn each(
        self,
        range: Range<u64>,
        mut take: impl FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        match self {
            Self::Held(octets) => {
                let end = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(octets.len());
                take(&octets[end(range.start).min(end(range.end))..end(range.end)])
            }
            Self::File(file) => {
                let mut buffer = Vec::new();
                let mut at = range.start;
                while at < range.end {
                    let length = (range.end - at).min(COPY_BYTES);
                    buffer.resize(usize::try_from(length).unwrap_or(0), 0);
                    file.read_exact_at(&mut buffer, at)
                        .map_err(|error| at_file(Path::new("a message that has arrived"), &error))?;
                    take(&buffer)?;
                    at += length;
                }
                Ok(())
            }
        }
    }

    fn hash(self, range: Range<u64>) -> Result<ContentHash, StoreError> {
        let mut hasher = blake3::Hasher::new();
        self.each(range, |octets| {
            hasher.update(octets);
            Ok(())
        })?;
        Ok(ContentHash(hasher.finalize().to_hex().to_string()))
    }
}

/// A part of a message that is a blob of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    /// Where it begins in the whole message.
    start: u64,
    extent: Extent,
}

impl Appender {
    /// Writes a message unless it is there already, its large attachments each as a blob of its own. `db` is inside a write
    /// transaction.
    pub(super) fn put_message(
        &mut self,
        db: &Connection,
        content: &ContentHash,
        (source, bytes): (Source<'_>, u64),
        attachments: &[Attachment],
    ) -> Result<Put, StoreError> {
        if let Source::Held(raw) = source {
            debug_assert_eq!(ContentHash::of(raw), *content);
        }
        let mut parts = cuts(attachments, bytes).peekable();
        if parts.peek().is_none() {
            return self.append(db, content, (source, std::slice::from_ref(&(0..bytes))));
        }
        if let Some((blob, _)) = find(db, content)? {
            return Ok(Put::Known(blob));
        }
        let (mut rest, mut named, mut done) = (Vec::new(), Vec::new(), 0);
        for part in parts {
            let piece = source.hash(part.clone())?;
            // Pieces are whole, so that none has to be put together to put a message together.
            if is_in_pieces(db, &piece)? {
                continue;
            }
            let piece = self.append(db, &piece, (source, std::slice::from_ref(&part)))?.blob();
            rest.push(done..part.start);
            done = part.end;
            named.push((part.start, piece));
        }
        rest.push(done..bytes);
        let put = self.append(db, content, (source, &rest))?;
        let sql = "INSERT INTO pieces (blob, start, piece) VALUES (?1, ?2, ?3)";
        for (start, piece) in named {
            db.prepare_cached(sql)?.execute(params![put.blob(), whole(start), piece])?;
        }
        Ok(put)
    }
}

/// The attachments that are worth a blob of their own, ascending.
fn cuts(attachments: &[Attachment], bytes: u64) -> impl Iterator<Item = Range<u64>> {
    let mut end = 0;
    attachments.iter().filter_map(move |attachment| {
        let Attachment { start, end: stop, .. } = *attachment;
        let is_large = stop.saturating_sub(start) >= limits::PIECE_STORED_BYTES_MIN;
        // A blob that is nothing but one piece would name itself.
        let is_part = start >= end && stop <= bytes && stop - start.min(stop) < bytes;
        (is_large && is_part).then(|| {
            end = stop;
            start..stop
        })
    })
}

fn is_in_pieces(db: &Connection, content: &ContentHash) -> Result<bool, StoreError> {
    let Some((blob, _)) = find(db, content)? else { return Ok(false) };
    let mut found = db.prepare_cached("SELECT 1 FROM pieces WHERE blob = ?1 LIMIT 1")?;
    Ok(found.query_row([blob], |_| Ok(())).optional()?.is_some())
}

/// The pieces of a message, ascending. Most have none.
pub(super) fn of(db: &Connection, blob: i64) -> Result<Vec<Piece>, StoreError> {
    let sql = "SELECT pieces.start, blobs.segment, blobs.start, blobs.length
               FROM pieces JOIN blobs ON blobs.id = pieces.piece WHERE pieces.blob = ?1 ORDER BY pieces.start";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([blob])?;
    let mut pieces = Vec::new();
    while let Some(row) = rows.next()? {
        let extent = Extent { segment: row.get(1)?, start: count(row.get(2)?)?, length: count(row.get(3)?)? };
        pieces.push(Piece { start: count(row.get(0)?)?, extent });
    }
    Ok(pieces)
}

/// The extents that together are the message, of which `own` is what was left of it.
pub(super) fn assembled(own: Extent, pieces: &[Piece]) -> Vec<Extent> {
    let (mut extents, mut rest, mut position) = (Vec::with_capacity(1 + 2 * pieces.len()), own, 0);
    for piece in pieces {
        let length = piece.start.saturating_sub(position).min(rest.length);
        extents.push(Extent { length, ..rest });
        rest = Extent { start: rest.start + length, length: rest.length - length, ..rest };
        extents.push(piece.extent);
        position = piece.start.saturating_add(piece.extent.length);
    }
    extents.push(rest);
    extents.retain(|extent| extent.length > 0);
    extents
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::blobs;
    use super::*;

    struct Disk {
        folder: tempfile::TempDir,
        db: Connection,
        appender: Appender,
    }

    impl Disk {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let db = Connection::open_in_memory().unwrap();
            super::super::open::schema(&db);
            let appender = Appender::new(folder.path().to_owned(), "store".to_owned());
            Self { folder, db, appender }
        }

        fn put(&mut self, raw: &[u8], attachments: &[Attachment]) -> ContentHash {
            let content = ContentHash::of(raw);
            let source = (Source::Held(raw), raw.len() as u64);
            self.appender.put_message(&self.db, &content, source, attachments).unwrap();
            content
        }

        fn bytes(&self) -> u64 {
            let sql = "SELECT sum(bytes) FROM segments";
            self.db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().unsigned_abs()
        }

        fn holds(&self, raw: &[u8]) {
            let content = ContentHash::of(raw);
            let read = blobs::read(&self.db, self.folder.path(), &content).unwrap().unwrap();
            assert!(read == raw, "octet by octet");
            let part =
                |range| blobs::read_part(&self.db, self.folder.path(), &content, range).unwrap().unwrap();
            let middle = raw.len() as u64 / 3..raw.len() as u64 / 2;
            let expected = &raw[raw.len() / 3..raw.len() / 2];
            assert!(part(middle) == expected && part(raw.len() as u64..u64::MAX).is_empty());
        }
    }

    fn large(seed: u8) -> Vec<u8> {
        let size = usize::try_from(limits::PIECE_STORED_BYTES_MIN).unwrap() + 100;
        (0..size).map(|at| (at as u8).wrapping_mul(31) ^ seed).collect()
    }

    /// A message with these parts, and where they are.
    fn message(head: &str, parts: &[&[u8]]) -> (Vec<u8>, Vec<Attachment>) {
        let (mut raw, mut attachments) = (head.as_bytes().to_vec(), Vec::new());
        for part in parts {
            let start = raw.len() as u64;
            raw.extend_from_slice(part);
            let end = raw.len() as u64;
            attachments.push(Attachment {
                name: None,
                media_type: "application/pdf".to_owned(),
                start,
                end,
                bytes: end - start,
            });
            raw.extend_from_slice(b"\r\n--b\r\n");
        }
        (raw, attachments)
    }

    #[test]
    fn an_attachment_that_many_messages_carry_is_on_the_disk_once() {
        let mut disk = Disk::new();
        let (first, second) = (large(1), large(2));
        let messages: Vec<_> =
            (0..500).map(|at| message(&format!("To: {at}\r\n\r\n"), &[&first, b"small", &second])).collect();
        for (raw, attachments) in &messages {
            disk.put(raw, attachments);
        }
        messages.iter().for_each(|(raw, _)| disk.holds(raw));
        let once = (first.len() + second.len()) as u64;
        assert!(disk.bytes() < once + 500 * 60, "{} bytes", disk.bytes());
    }

    #[test]
    fn a_message_in_a_file_is_stored_like_one_that_is_held() {
        let mut disk = Disk::new();
        let part = large(3);
        let (raw, attachments) = message("To: a\r\n\r\n", &[&part]);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&raw).unwrap();
        let content = ContentHash::of(&raw);
        let source = (Source::File(&file), raw.len() as u64);
        disk.appender.put_message(&disk.db, &content, source, &attachments).unwrap();
        disk.holds(&raw);
        let before = disk.bytes();
        disk.put(&raw, &attachments);
        assert_eq!(disk.bytes(), before);
    }

    #[test]
    fn a_message_that_another_one_carries_is_put_together_at_most_once() {
        let mut disk = Disk::new();
        let part = large(4);
        let (inner, inner_attachments) = message("Subject: inner\r\n\r\n", &[&part]);
        disk.put(&inner, &inner_attachments);
        let (outer, outer_attachments) = message("Subject: outer\r\n\r\n", &[&inner]);
        disk.put(&outer, &outer_attachments);
        let (next, next_attachments) = message("Subject: next\r\n\r\n", &[&outer]);
        disk.put(&next, &next_attachments);
        [&inner, &outer, &next].into_iter().for_each(|raw| disk.holds(raw));
        // In the other order the inner one is a whole piece first, and a message of its own afterwards.
        let mut disk = Disk::new();
        disk.put(&outer, &outer_attachments);
        disk.put(&inner, &inner_attachments);
        [&inner, &outer].into_iter().for_each(|raw| disk.holds(raw));
    }

    #[test]
    fn places_that_make_no_sense_are_not_cut_out() {
        let mut disk = Disk::new();
        let part = large(5);
        let (raw, attachments) = message("To: a\r\n\r\n", &[&part, &part]);
        let bytes = raw.len() as u64;
        let at = |start, end| Attachment { start, end, ..attachments[0].clone() };
        let odd = [at(0, bytes), at(bytes, 0), at(10, bytes - 1), at(20, u64::MAX), attachments[1].clone()];
        let cut: Vec<(u64, u64)> = cuts(&odd, bytes).map(|range| (range.start, range.end)).collect();
        assert_eq!(cut, [(10, bytes - 1)]);
        disk.put(&raw, &odd);
        disk.holds(&raw);
    }

    #[test]
    fn a_piece_that_is_damaged_is_told_with_its_place() {
        let mut disk = Disk::new();
        let part = large(6);
        let (raw, attachments) = message("To: a\r\n\r\n", &[&part]);
        let content = disk.put(&raw, &attachments);
        let segment = blobs::segment_path(disk.folder.path(), 1);
        let mut octets = std::fs::read(&segment).unwrap();
        octets[5] ^= 1;
        std::fs::write(&segment, octets).unwrap();
        let error = blobs::read(&disk.db, disk.folder.path(), &content).unwrap_err().to_string();
        assert!(error.contains("holds something else") && error.contains("000001.seg"), "{error}");
    }
}
