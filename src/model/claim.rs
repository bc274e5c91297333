//! Who synchronises a mailbox: a mark in the mailbox itself, for other installations to see.

use jiff::{SignedDuration, Timestamp};

use super::limits;

/// One installation and its mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The id of its store.
    pub holder: String,
    /// The machine that it was made on, for people.
    pub host: String,
    pub since: Timestamp,
}

/// What an installation wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub claim: Claim,
    /// From whom the mailbox may be taken: a holder's id, or the first eight or more of its letters.
    pub take_over_from: Option<String>,
}

/// Fewer letters of an id may mean many.
const ID_LETTERS_MIN: usize = 8;

/// What is to be done about the mark that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// There is none, or that of the installation that may be taken over.
    Mark,
    /// It is ours.
    Keep,
    /// Another installation has it.
    Refuse,
}

impl Wish {
    pub fn judge(&self, found: Option<&Claim>) -> Verdict {
        let Some(found) = found else { return Verdict::Mark };
        if found.holder == self.claim.holder {
            return Verdict::Keep;
        }
        let is_named = |id: &String| id.len() >= ID_LETTERS_MIN && found.holder.starts_with(id.as_str());
        match self.take_over_from.as_ref().is_some_and(is_named) {
            true => Verdict::Mark,
            false => Verdict::Refuse,
        }
    }
}

/// What became of the mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// The mailbox holds our mark.
    Ours,
    /// The server has no place for one, or does not let us write there.
    NoMark,
    /// The server had no time to say.
    Unknown,
}

impl Claimed {
    const ALL: [Self; 3] = [Self::Ours, Self::NoMark, Self::Unknown];

    /// How it is stored.
    pub fn key(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::NoMark => "no-mark",
            Self::Unknown => "unknown",
        }
    }

    pub fn parse(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|claimed| claimed.key() == key)
    }
}

/// When a server was last asked for the mark. Nobody asks in each cycle: a mailbox is read far more often than it changes hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    pub at: Timestamp,
    pub answer: Claimed,
}

impl Asked {
    /// Whether it is time to ask again. A clock that was set back makes it so.
    pub fn is_due(self, now: Timestamp) -> bool {
        let every = match self.answer {
            Claimed::Ours | Claimed::NoMark => limits::CLAIM_EVERY,
            Claimed::Unknown => limits::CLAIM_UNANSWERED_EVERY,
        };
        let since = now.duration_since(self.at);
        since < SignedDuration::ZERO || since >= every
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(holder: &str) -> Claim {
        Claim { holder: holder.to_owned(), host: "h".to_owned(), since: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_mark_is_asked_for_again_after_an_hour_and_sooner_without_an_answer() {
        let at = Timestamp::from_second(10_000).unwrap();
        let due = |answer, seconds| {
            Asked { at, answer }.is_due(at.saturating_add(SignedDuration::from_secs(seconds)).unwrap())
        };
        assert_eq!([0, 3599, 3600, -1].map(|after| due(Claimed::Ours, after)), [false, false, true, true]);
        assert_eq!([299, 300].map(|after| due(Claimed::Unknown, after)), [false, true]);
        let keys = Claimed::ALL.map(|claimed| Claimed::parse(claimed.key()));
        assert_eq!(keys, Claimed::ALL.map(Some));
    }

    #[test]
    fn a_mailbox_is_taken_over_only_from_whom_the_declaration_names() {
        let wish =
            |from: Option<&str>| Wish { claim: claim("aaaaaaaaaa"), take_over_from: from.map(str::to_owned) };
        let other = claim("bbbbbbbbbb");
        assert_eq!(wish(None).judge(None), Verdict::Mark);
        assert_eq!(wish(None).judge(Some(&claim("aaaaaaaaaa"))), Verdict::Keep);
        assert_eq!(wish(None).judge(Some(&other)), Verdict::Refuse);
        for (from, verdict) in [
            ("bbbbbbbb", Verdict::Mark),
            ("bbbbbbbbbb", Verdict::Mark),
            ("bbbb", Verdict::Refuse),
            ("cccccccc", Verdict::Refuse),
            ("", Verdict::Refuse),
        ] {
            assert_eq!(wish(Some(from)).judge(Some(&other)), verdict, "{from}");
        }
    }
}
