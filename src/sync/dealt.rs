//! How far a mailbox has been dealt with while its messages come in any order: the cursor never passes one that was not
//! answered for.

use std::collections::BTreeSet;

use crate::model::cursor::{Cursor, CursorAdvance, Extent, Listed, Listing, Mark, RemoteId, SyncState};

/// Which of the fresh messages of a listing have been dealt with.
#[derive(Debug)]
pub enum Dealt {
    Imap {
        validity: u32,
        /// Of all fresh messages, ascending.
        uids: Vec<u32>,
        /// All before this one have been dealt with.
        front: usize,
        /// Those beyond it that have been, too.
        ahead: BTreeSet<u32>,
        /// The front that the cursor is at.
        told: usize,
        extent: Extent,
        /// The extent in the cursor.
        extent_told: Extent,
    },
    Pop3 {
        /// Fresh messages that have not been dealt with.
        open: usize,
        /// The announced size of each fresh message, by `key`, sorted.
        sizes: Vec<(u64, Option<u64>)>,
        /// Dealt with, and not yet in the cursor.
        seen: Vec<(String, Option<u64>)>,
        /// To be forgotten with the next advance.
        gone: Vec<String>,
    },
    Exchange {
        /// Fresh messages that have not been dealt with.
        open: usize,
        /// Dealt with, and not yet in the cursor.
        ahead: Vec<String>,
        /// The listing's; it becomes the cursor's once all messages have been dealt with. `None`: it is so already.
        state: Option<String>,
    },
}

impl Dealt {
    /// `gone`: what the server no longer lists, see [`super::incoming::gone`].
    pub fn nothing(listing: &Listing, gone: Vec<String>) -> Self {
        match listing {
            Listing::Imap { validity, extent, .. } => Self::Imap {
                validity: *validity,
                uids: Vec::new(),
                front: 0,
                ahead: BTreeSet::new(),
                told: 0,
                extent: *extent,
                extent_told: Extent::default(),
            },
            Listing::Pop3 { .. } => Self::Pop3 { open: 0, sizes: Vec::new(), seen: Vec::new(), gone },
            Listing::Exchange { state, .. } => {
                Self::Exchange { open: 0, ahead: Vec::new(), state: Some(state.clone()) }
            }
        }
    }

    /// The cursor that the listing was made from: when it is where the listing ends, there is nothing to tell.
    pub fn since(mut self, cursor: &Cursor) -> Self {
        if let (Self::Exchange { state, .. }, Cursor::Exchange { state: SyncState(known), ahead }) =
            (&mut self, cursor)
            && ahead.is_empty()
            && state == known
        {
            *state = None;
        }
        self
    }

    /// Before any is noted: these are all of the fresh messages.
    pub fn expect(mut self, fresh: &[Listed]) -> Self {
        match &mut self {
            Self::Imap { uids, .. } => {
                uids.extend(fresh.iter().filter_map(|message| uid(&message.id)));
                uids.sort_unstable();
            }
            Self::Pop3 { open, sizes, .. } => {
                *open = fresh.len();
                sizes
                    .extend(fresh.iter().filter_map(|message| Some((key(uidl(&message.id)?), message.size))));
                sizes.sort_unstable();
            }
            Self::Exchange { open, .. } => *open = fresh.len(),
        }
        self
    }

    /// One message has been dealt with. Each is noted once.
    pub fn note(&mut self, id: &RemoteId) {
        match self {
            Self::Imap { uids, front, ahead, .. } => {
                ahead.extend(uid(id));
                while uids.get(*front).is_some_and(|next| ahead.remove(next)) {
                    *front += 1;
                }
            }
            Self::Pop3 { open, sizes, seen, .. } => {
                *open = open.saturating_sub(1);
                seen.extend(uidl(id).map(|uidl| {
                    let at = sizes.binary_search_by_key(&key(uidl), |(key, _)| *key);
                    (uidl.to_owned(), at.ok().and_then(|at| sizes.get(at)?.1))
                }));
            }
            Self::Exchange { open, ahead, .. } => {
                *open = open.saturating_sub(1);
                ahead.extend(item(id));
            }
        }
    }

    /// Whether [`Dealt::advance`] would move the cursor.
    pub fn has_news(&self) -> bool {
        match self {
            Self::Imap { uids, front, told, extent, extent_told, .. } => {
                front > told || (*front == uids.len() && extent != extent_told)
            }
            Self::Pop3 { seen, gone, .. } => !(seen.is_empty() && gone.is_empty()),
            Self::Exchange { open, ahead, state } => !ahead.is_empty() || (*open == 0 && state.is_some()),
        }
    }

    /// The cursor behind all that was noted so far.
    pub fn advance(&mut self) -> CursorAdvance {
        match self {
            Self::Imap { validity, uids, front, told, extent, extent_told, .. } => {
                *told = *front;
                let last = front.checked_sub(1).and_then(|last| uids.get(last));
                let mark = if *front == uids.len() {
                    *extent_told = *extent;
                    extent.mark
                } else {
                    Mark::default()
                };
                let uid_last = last.copied().unwrap_or(extent.passed);
                CursorAdvance::Imap { validity: *validity, uid_last, mark }
            }
            Self::Pop3 { seen, gone, .. } => {
                CursorAdvance::Pop3 { seen: std::mem::take(seen), gone: std::mem::take(gone) }
            }
            Self::Exchange { open, ahead, state } => CursorAdvance::Exchange {
                ahead: std::mem::take(ahead),
                state: if *open == 0 { state.take() } else { None },
            },
        }
    }

    /// How many messages have not been dealt with.
    pub fn left(&self) -> usize {
        match self {
            Self::Imap { uids, front, ahead, .. } => uids.len() - front - ahead.len(),
            Self::Pop3 { open, .. } | Self::Exchange { open, .. } => *open,
        }
    }
}

fn uid(id: &RemoteId) -> Option<u32> {
    match id {
        RemoteId::Uid { uid, .. } => Some(*uid),
        RemoteId::Uidl(_) | RemoteId::Item(_) => None,
    }
}

fn uidl(id: &RemoteId) -> Option<&str> {
    match id {
        RemoteId::Uidl(uidl) => Some(uidl),
        RemoteId::Uid { .. } | RemoteId::Item(_) => None,
    }
}

fn item(id: &RemoteId) -> Option<String> {
    match id {
        RemoteId::Item(item) => Some(item.clone()),
        RemoteId::Uid { .. } | RemoteId::Uidl(_) => None,
    }
}

/// Eight octets of a digest in the place of the id, so that a large mailbox is not in memory twice. Two ids with the same key
/// would at worst get each other's size, and a message would be looked at once more.
fn key(uidl: &str) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(uidl.as_bytes()).as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cursor::Shown;

    fn id(uid: u32) -> RemoteId {
        RemoteId::Uid { validity: 7, uid }
    }

    fn listed(id: RemoteId) -> Listed {
        Listed { id, size: None, received: None }
    }

    fn imap(uids: &[u32]) -> Dealt {
        let messages: Vec<Listed> = uids.iter().map(|uid| listed(id(*uid))).collect();
        of(&messages, Extent::default())
    }

    fn of(messages: &[Listed], extent: Extent) -> Dealt {
        Dealt::nothing(&Listing::Imap { validity: 7, messages: vec![], extent }, vec![]).expect(messages)
    }

    fn uid_last(dealt: &mut Dealt) -> u32 {
        match dealt.advance() {
            CursorAdvance::Imap { uid_last, .. } => uid_last,
            CursorAdvance::Pop3 { .. } | CursorAdvance::Exchange { .. } => panic!(),
        }
    }

    #[test]
    fn the_cursor_waits_for_the_first_message_without_an_answer() {
        let mut dealt = imap(&[3, 5, 9]);
        dealt.note(&id(5));
        assert!(!dealt.has_news());
        assert_eq!((uid_last(&mut dealt), dealt.left()), (0, 2));
        dealt.note(&id(3));
        assert!(dealt.has_news());
        assert_eq!((uid_last(&mut dealt), dealt.left()), (5, 1));
        dealt.note(&id(9));
        assert_eq!((uid_last(&mut dealt), dealt.left(), dealt.has_news()), (9, 0, false));
    }

    #[test]
    fn pop3_ids_go_into_the_cursor_in_any_order_and_once() {
        let ids = ["a", "b", "c"].map(|id| RemoteId::Uidl(id.to_owned()));
        let sized = |id: RemoteId| Listed { size: Some(7), ..listed(id) };
        let messages: Vec<Listed> = ids.iter().cloned().map(sized).collect();
        let listing = Listing::Pop3 { messages: vec![] };
        let mut dealt = Dealt::nothing(&listing, vec!["old".to_owned()]).expect(&messages);
        dealt.note(&ids[2]);
        let expected =
            CursorAdvance::Pop3 { seen: vec![("c".to_owned(), Some(7))], gone: vec!["old".to_owned()] };
        assert_eq!((dealt.advance(), dealt.left()), (expected, 2));
        assert!(!dealt.has_news());
    }

    #[test]
    fn what_an_inbox_looked_like_is_noted_with_its_last_message_and_not_before() {
        let mark = Mark { uid_next: Some(10), modseq: Some(99) };
        let mut dealt = of(&[listed(id(3)), listed(id(9))], Extent { passed: 2, mark });
        assert!(!dealt.has_news());
        let at = |uid_last, mark| CursorAdvance::Imap { validity: 7, uid_last, mark };
        assert_eq!(dealt.advance(), at(2, Mark::default()));
        dealt.note(&id(3));
        assert_eq!(dealt.advance(), at(3, Mark::default()));
        dealt.note(&id(9));
        assert!(dealt.has_news());
        assert_eq!(dealt.advance(), at(9, mark));
        assert!(!dealt.has_news());
        let mut empty = of(&[], Extent { passed: 9, mark });
        assert!(empty.has_news(), "a listing that shows nothing spares the next one");
        assert_eq!(empty.advance(), at(9, mark));
        assert!(!empty.has_news() && !of(&[], Extent::default()).has_news());
    }

    #[test]
    fn a_sync_state_is_taken_over_only_when_all_before_it_has_been_dealt_with() {
        let ids = ["a", "b"].map(|id| RemoteId::Item(id.to_owned()));
        let messages: Vec<Listed> = ids.iter().cloned().map(listed).collect();
        let listing = Listing::Exchange {
            messages: messages.clone(),
            gone: vec![],
            state: "s2".to_owned(),
            shown: Shown::Changes,
        };
        let mut dealt = Dealt::nothing(&listing, vec![]).expect(&messages);
        assert!(!dealt.has_news());
        let advance = |ahead: &str, state: Option<&str>| CursorAdvance::Exchange {
            ahead: vec![ahead.to_owned()],
            state: state.map(str::to_owned),
        };
        dealt.note(&ids[1]);
        assert_eq!((dealt.advance(), dealt.left()), (advance("b", None), 1));
        dealt.note(&ids[0]);
        assert_eq!((dealt.advance(), dealt.has_news()), (advance("a", Some("s2")), false));

        let at_end = Cursor::Exchange { state: SyncState(Some("s2".to_owned())), ahead: BTreeSet::new() };
        assert!(
            !Dealt::nothing(&listing, vec![]).since(&at_end).has_news(),
            "an idle reading writes nothing"
        );
        assert!(Dealt::nothing(&listing, vec![]).since(&Cursor::Start).has_news());
    }
}
