//! Fetching: a few messages or their headers at once, and whole messages, each handed over as it arrives.

use std::collections::{BTreeMap, BTreeSet};

use super::{ImapInbox, Session, uid_of};
use jiff::Timestamp;

use crate::model::cursor::{Content, Fetched, Listed, Part};
use crate::model::failure::Cause;
use crate::model::limits;
use crate::protocol::imap;
use crate::remote::Arrivals;
use crate::remote::hand_over::hand_over;

impl ImapInbox {
    pub(super) async fn fetch_all(&mut self, messages: &[Listed], part: Part) -> Result<Vec<Fetched>, Cause> {
        let validity = self.validity();
        let mut fetched = Vec::with_capacity(messages.len());
        let mut wanted = BTreeMap::new();
        for message in messages {
            match before_asking(message, part, validity) {
                Ok(uid) => drop(wanted.insert(uid, message)),
                Err(content) => fetched.push(answer(message, None, content)),
            }
        }
        if wanted.is_empty() {
            return Ok(fetched);
        }
        let uids: BTreeSet<u32> = wanted.keys().copied().collect();
        for (uid, (received, content)) in self.session.fetch(uids, part).await? {
            if let Some(message) = wanted.get(&uid) {
                fetched.push(answer(message, received, content));
            }
        }
        Ok(fetched)
    }

    /// Hands over each message as it arrives; what the server refuses to answer for, or leaves out although it is there, is asked
    /// for once more, alone.
    pub(super) async fn fetch_all_each(
        &mut self,
        messages: &[Listed],
        arrivals: &mut dyn Arrivals,
    ) -> Result<(), Cause> {
        let validity = self.validity();
        let mut wanted = BTreeMap::new();
        for message in messages {
            match before_asking(message, Part::Whole, validity) {
                Ok(uid) => drop(wanted.insert(uid, message)),
                Err(content) => arrivals.message(answer(message, None, content)).await?,
            }
        }
        let first = self.fetch_wanted(&wanted, wanted.keys().copied().collect(), arrivals).await?;
        let mut alone: BTreeSet<u32> = first.refused.into_keys().collect();
        alone.extend(self.still_there((&wanted, first.left_out), arrivals).await?);
        let mut left_out = BTreeSet::new();
        for uid in alone {
            let again = self.fetch_wanted(&wanted, BTreeSet::from([uid]), arrivals).await?;
            left_out.extend(again.left_out);
            for (uid, cause) in again.refused {
                if let Some(message) = wanted.get(&uid) {
                    arrivals.message(answer(message, None, refused_alone(&cause))).await?;
                }
            }
        }
        for uid in self.still_there((&wanted, left_out), arrivals).await? {
            if let Some(message) = wanted.get(&uid) {
                let said = "it lists the message, and leaves it out of its answers".to_owned();
                arrivals.message(answer(message, None, Content::Deferred(said))).await?;
            }
        }
        Ok(())
    }

    async fn fetch_wanted(
        &mut self,
        wanted: &BTreeMap<u32, &Listed>,
        uids: BTreeSet<u32>,
        arrivals: &mut dyn Arrivals,
    ) -> Result<Unanswered, Cause> {
        let Session { connection, tags, timeout, numbering: _ } = &mut self.session;
        let mut fetch = imap::FetchEach::new(tags, uids);
        let mut left_out = BTreeSet::new();
        let refused = hand_over(connection, &mut fetch, *timeout, arrivals, |(uid, (received, content))| {
            if content == Content::Vanished {
                left_out.insert(uid);
                return None;
            }
            wanted.get(&uid).map(|message| answer(message, received, content))
        })
        .await?;
        Ok(Unanswered { refused, left_out })
    }

    /// Of the messages that an answer left out, those that the server still lists. The others are gone, and handed over as such:
    /// a server that is in trouble for a moment leaves out what is there, and the cursor would pass it for ever.
    async fn still_there(
        &mut self,
        (wanted, left_out): (&BTreeMap<u32, &Listed>, BTreeSet<u32>),
        arrivals: &mut dyn Arrivals,
    ) -> Result<BTreeSet<u32>, Cause> {
        let Some(first) = left_out.first() else { return Ok(left_out) };
        let opened = self.opened();
        let validity = opened.validity;
        let listed = self.session.list_from(&opened, *first).await?;
        let listed: BTreeSet<u32> =
            listed.iter().filter_map(|message| uid_of(&message.id, validity)).collect();
        for message in left_out.difference(&listed).filter_map(|uid| wanted.get(uid)) {
            arrivals.message(answer(message, None, Content::Vanished)).await?;
        }
        Ok(left_out.intersection(&listed).copied().collect())
    }
}

/// The messages of one command without an answer.
struct Unanswered {
    refused: BTreeMap<u32, Cause>,
    /// The server said that it had answered for all.
    left_out: BTreeSet<u32>,
}

/// The UID to ask for, or what is known without asking. Under another validity the UID names another message or
/// none: the one that was listed is gone.
fn before_asking(message: &Listed, part: Part, validity: u32) -> Result<u32, Content> {
    let uid = uid_of(&message.id, validity).ok_or(Content::Vanished)?;
    match (part, message.size) {
        // A size is a hint: servers count wrongly. Only what would not even be read to its end is not asked for.
        (Part::Whole, Some(size)) if size > limits::LITERAL_DROPPED_BYTES_MAX => Err(Content::TooLarge(size)),
        (Part::Whole | Part::Headers, _) => Ok(uid),
    }
}

fn answer(message: &Listed, received: Option<Timestamp>, content: Content) -> Fetched {
    Fetched { id: message.id.clone(), received: received.or(message.received), content, rebuilt: None }
}

/// Response codes that say of a message that it will never be handed over (RFC 5530 section 3, RFC 3516 section 4.3).
const NEVER_CODES: [&str; 2] = ["[CANNOT]", "[UNKNOWN-CTE]"];

/// What a refusal means for the only message asked for. Most servers say the same words whether the trouble passes or not.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other cause says that it stays so")]
pub(super) fn refused_alone(cause: &Cause) -> Content {
    match cause {
        Cause::Refused { said } if NEVER_CODES.iter().any(|code| said.starts_with(code)) => {
            Content::Refused(cause.to_string())
        }
        cause => Content::Deferred(cause.to_string()),
    }
}
