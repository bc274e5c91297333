//! Where messages stand that arrive one after the other: next to each other in a few buffers, each of which is used again once all
//! that stood in it is done with.
//!
//! Allocated one by one by a task that moves between threads, and let go by another thread, they would leave every thread's part of
//! the heap as large as all of them together.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// A message that is larger has a buffer of its own.
const BUFFER_BYTES: usize = 256 * 1024;
/// The first buffer is smaller, because most conversations bring little.
const FIRST_BUFFER_BYTES: usize = 16 * 1024;
/// Buffers beyond are let go, and not used again.
const BUFFERS_KEPT_MAX: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// Ends with what there is of the present message.
    open: BytesMut,
    /// The size that `open` was made with; 0: there is none yet.
    open_bytes: usize,
    /// The empty ends of buffers in which messages stand, the oldest first.
    full: VecDeque<BytesMut>,
    /// The present message, when it is larger than a buffer.
    large: Vec<u8>,
}

impl Shelf {
    /// Adds to the present message.
    pub fn append(&mut self, octets: &[u8]) {
        if !self.large.is_empty() {
            self.large.extend_from_slice(octets);
            return;
        }
        if self.open.capacity() - self.open.len() < octets.len() {
            let whole = self.open.len() + octets.len();
            if whole > BUFFER_BYTES {
                self.large.reserve_exact(whole);
                self.large.extend_from_slice(&self.open);
                self.large.extend_from_slice(octets);
                self.open.clear();
                return;
            }
            self.turn_to_next(whole);
        }
        self.open.extend_from_slice(octets);
    }

    /// Octets of the present message so far.
    pub fn bytes(&self) -> usize {
        if self.large.is_empty() { self.open.len() } else { self.large.len() }
    }

    /// Hands the present message over; another one begins.
    pub fn take(&mut self) -> Bytes {
        if self.large.is_empty() {
            self.open.split().freeze()
        } else {
            std::mem::take(&mut self.large).into()
        }
    }

    /// Forgets the present message.
    pub fn clear(&mut self) {
        self.open.clear();
        self.large = Vec::new();
    }

    /// Moves what there is of the present message, which will have this size at least, to another buffer.
    fn turn_to_next(&mut self, whole: usize) {
        let begun = self.open.split();
        let last = std::mem::take(&mut self.open);
        // Smaller ones are not worth to be kept.
        if self.open_bytes == BUFFER_BYTES {
            self.full.push_back(last);
        }
        if self.full.len() > BUFFERS_KEPT_MAX {
            self.full.pop_front();
        }
        self.open_bytes = (4 * self.open_bytes).max(FIRST_BUFFER_BYTES).max(whole).min(BUFFER_BYTES);
        let is_free = |oldest: &mut BytesMut| oldest.try_reclaim(BUFFER_BYTES);
        self.open = match self.full.front_mut().is_some_and(is_free) {
            true => self.full.pop_front().unwrap_or_default(),
            false => BytesMut::with_capacity(self.open_bytes),
        };
        self.open.extend_from_slice(&begun);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(shelf: &mut Shelf, octet: u8, size: usize) -> Bytes {
        for piece in vec![octet; size].chunks(1000) {
            shelf.append(piece);
        }
        assert_eq!(shelf.bytes(), size);
        shelf.take()
    }

    #[test]
    fn messages_of_every_size_are_as_they_were_put() {
        let mut shelf = Shelf::default();
        let sizes =
            [0, 1, 5, 16_000, 16_384, 60_000, 255_000, 262_144, 262_145, 1_000_000, 3, 200_000, 70_000];
        let taken: Vec<Bytes> = (0..).zip(sizes).map(|(octet, size)| put(&mut shelf, octet, size)).collect();
        for ((octet, size), message) in (0..).zip(sizes).zip(taken) {
            assert!(message == vec![octet; size], "{octet}");
        }
    }

    #[test]
    fn a_buffer_is_used_again_once_its_messages_are_done_with_and_not_before() {
        let mut shelf = Shelf::default();
        let mut held: VecDeque<(u8, Bytes)> = VecDeque::new();
        let mut buffers = std::collections::BTreeSet::new();
        for turn in 0..2000_u32 {
            let octet = (turn % 251) as u8;
            let message = put(&mut shelf, octet, 30_000);
            if shelf.open_bytes == BUFFER_BYTES && turn > 100 {
                buffers.insert(message.as_ptr() as usize / BUFFER_BYTES);
            }
            held.push_back((octet, message));
            if held.len() > 40 {
                let (octet, oldest) = held.pop_front().unwrap();
                assert!(oldest.iter().all(|one| *one == octet), "nobody wrote over it");
            }
        }
        // 40 messages of 30,000 octets are five buffers; each touches two places of its size.
        assert!(buffers.len() <= 16 && shelf.full.len() <= 8, "{} {}", buffers.len(), shelf.full.len());
    }

    #[test]
    fn what_is_held_for_ever_does_not_keep_buffers_without_end() {
        let mut shelf = Shelf::default();
        let held: Vec<Bytes> = (0..1000).map(|_| put(&mut shelf, 7, 100_000)).collect();
        assert!(shelf.full.len() <= BUFFERS_KEPT_MAX);
        assert!(held.iter().all(|message| message.len() == 100_000));
    }

    #[test]
    fn a_message_that_is_forgotten_leaves_nothing_to_the_next_one() {
        let mut shelf = Shelf::default();
        for size in [100, 300_000] {
            shelf.append(&vec![1; size]);
            shelf.clear();
            assert_eq!(put(&mut shelf, 2, 10), vec![2; 10]);
        }
    }
}
