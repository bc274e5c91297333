//! Notes that servers hand out in the place of messages.

use crate::model::failure::server_words;
use crate::model::record::MessageFacts;

/// Some servers hand out a note of their own in the place of a message that they cannot convert (Exchange) or no longer have
/// (Courier). It is no mail, and must not be taken for the message either: that may be there again.
pub(super) fn stand_in(facts: &MessageFacts) -> Option<String> {
    let subject = facts.subject.as_deref()?;
    let sender = facts.from.first().map_or(String::new(), |sender| {
        format!("{} {}", sender.name.as_deref().unwrap_or_default(), sender.address).to_ascii_lowercase()
    });
    let is_note = STAND_INS.iter().any(|(begins, from)| subject.starts_with(begins) && sender.contains(from));
    is_note.then(|| {
        format!(
            "the server handed out a note of its own in the place of the message: `{}`",
            server_words(subject)
        )
    })
}

/// How the subjects of such notes begin, and what their sender is called.
const STAND_INS: [(&str, &str); 3] = [
    ("Retrieval using the IMAP4 protocol failed for the following message", "microsoft exchange"),
    ("Retrieval using the POP3 protocol failed for the following message", "microsoft exchange"),
    ("message unavailable", "system administrator root@localhost"),
];
