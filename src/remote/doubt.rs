//! A message whose sending began, and whose answer was lost. Before anybody is told that nobody knows, the server is asked: it may
//! need a moment until the copy of what it has sent can be seen.

use std::time::Duration;

use async_trait::async_trait;

use crate::model::failure::Cause;
use crate::model::outbox::RecipientResult;

/// What the server holds of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// It has gone out: its copy is where copies of sent messages are.
    Copy,
    /// The draft that was to be sent lies there as before. A draft can be sent once only.
    Draft,
    /// Neither, or nothing that tells this sending from an earlier one. It may still be at work.
    Nothing,
}

/// How the answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// The connection ended before a single octet of an answer: so does one that the server closes because nothing has come over it
    /// for a while.
    Unanswered,
    /// A time-out, an answer that broke off or cannot be understood, an error of whatever stands in between.
    InBetween,
}

/// Whoever can look for it.
#[async_trait]
pub(super) trait Witness: Send {
    async fn look(&mut self) -> Result<Held, Cause>;
}

/// Decides what is said of such a message, after as many looks as there are pauses before them. An error means that it was certainly not sent, and may be tried again.
pub(super) async fn resolve(
    witness: &mut dyn Witness,
    (loss, cause): (Loss, Cause),
    pauses: &[Duration],
) -> Result<RecipientResult, Cause> {
    let mut last = None;
    for pause in pauses {
        tokio::time::sleep(*pause).await;
        match witness.look().await {
            Ok(Held::Copy) => {
                let said = format!("its copy is in Sent Items; the answer was lost: {cause}");
                return Ok(RecipientResult::Accepted { said });
            }
            Ok(held) => last = Some(held),
            // A server that does not answer now is asked again, and not believed to hold nothing.
            Err(_) => last = None,
        }
    }
    match (loss, last) {
        // Had the request come through, the draft would not be one any more.
        (Loss::Unanswered, Some(Held::Draft)) => Err(cause),
        (Loss::Unanswered | Loss::InBetween, Some(Held::Copy | Held::Draft | Held::Nothing) | None) => {
            Ok(RecipientResult::Unsure { detail: cause.to_string() })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    struct Says(VecDeque<Option<Held>>);

    #[async_trait]
    impl Witness for Says {
        async fn look(&mut self) -> Result<Held, Cause> {
            self.0.pop_front().flatten().ok_or_else(lost)
        }
    }

    fn lost() -> Cause {
        Cause::ConnectionLost { detail: "reset".to_owned() }
    }

    async fn told(loss: Loss, says: &[Option<Held>]) -> Result<RecipientResult, Cause> {
        resolve(&mut Says(says.iter().copied().collect()), (loss, lost()), &[Duration::ZERO; 8]).await
    }

    #[tokio::test]
    async fn a_copy_that_is_seen_late_is_a_copy() {
        for loss in [Loss::Unanswered, Loss::InBetween] {
            for before in [&[][..], &[Some(Held::Nothing)], &[Some(Held::Draft), None]] {
                let says = [before, &[Some(Held::Copy)]].concat();
                let told = told(loss, &says).await.unwrap();
                assert!(matches!(told, RecipientResult::Accepted { .. }), "{loss:?} {says:?}: {told:?}");
            }
        }
    }

    #[tokio::test]
    async fn only_a_draft_that_stays_behind_a_request_without_any_answer_proves_that_nothing_was_sent() {
        let drafts = [Some(Held::Draft); 8];
        assert_eq!(told(Loss::Unanswered, &drafts).await, Err(lost()));
        let doubtful = [
            (Loss::InBetween, &drafts[..]),
            (Loss::Unanswered, &[Some(Held::Nothing); 8]),
            (Loss::Unanswered, &[]),
        ];
        for (loss, says) in doubtful {
            let told = told(loss, says).await.unwrap();
            assert!(matches!(told, RecipientResult::Unsure { .. }), "{loss:?} {says:?}: {told:?}");
        }
    }
}
