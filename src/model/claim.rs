//! Who synchronises a mailbox: a mark in the mailbox itself, for other installations to see.

use jiff::Timestamp;

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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(holder: &str) -> Claim {
        Claim { holder: holder.to_owned(), host: "h".to_owned(), since: Timestamp::UNIX_EPOCH }
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
