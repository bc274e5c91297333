//! What a person decides about a message: it is sent again, it arrived after all, it is withdrawn.

use jiff::Timestamp;

use super::{explained, overall};
use crate::model::name::Address;
use crate::model::outbox::{OutgoingMessage, OutgoingState, Recipient, Resolution, Resolved};

/// Why a resolution does not fit a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unresolvable {
    /// It cannot be made about a message in its state.
    State,
    /// This address is none of its recipients.
    NoRecipient(Address),
    /// There is no doubt about that recipient.
    NoDoubt(Recipient),
}

/// The message as the resolution makes it.
pub fn resolve(
    message: &OutgoingMessage,
    resolution: &Resolution,
    now: Timestamp,
) -> Result<Resolved, Unresolvable> {
    if !fits(resolution, message.state) {
        return Err(Unresolvable::State);
    }
    if let Resolution::Arrived(named) = resolution {
        named.iter().try_for_each(|address| is_in_doubt(message, address))?;
    }
    let recipients: Vec<Recipient> =
        message.recipients.iter().map(|recipient| resolved(recipient, resolution)).collect();
    let state = overall(&recipients);
    let begins_anew = *resolution == Resolution::SendAgain;
    let after = OutgoingMessage {
        state,
        attempts: if begins_anew { 0 } else { message.attempts },
        round: message.round.saturating_add(u16::from(begins_anew)),
        failure: if begins_anew { None } else { explained(message.id, state, &recipients) },
        next_attempt_at: (state == OutgoingState::Pending).then_some(now),
        changed_at: now,
        recipients,
        ..message.clone()
    };
    Ok(Resolved { before: message.clone(), after })
}

/// Whether a message in that state can be resolved so. What is being sent belongs to whoever sends it.
fn fits(resolution: &Resolution, state: OutgoingState) -> bool {
    match resolution {
        Resolution::SendAgain => {
            matches!(state, OutgoingState::Failed | OutgoingState::Unsure | OutgoingState::Cancelled)
        }
        Resolution::Arrived(_) => state == OutgoingState::Unsure,
        Resolution::Cancel => {
            matches!(state, OutgoingState::Pending | OutgoingState::Failed | OutgoingState::Unsure)
        }
    }
}

fn is_in_doubt(message: &OutgoingMessage, address: &Address) -> Result<(), Unresolvable> {
    let found = message.recipients.iter().find(|recipient| is_same(&recipient.address, address));
    let recipient = found.ok_or_else(|| Unresolvable::NoRecipient(address.clone()))?;
    match recipient.state {
        OutgoingState::Unsure => Ok(()),
        OutgoingState::Pending
        | OutgoingState::Sending
        | OutgoingState::Sent
        | OutgoingState::Failed
        | OutgoingState::Cancelled => Err(Unresolvable::NoDoubt(recipient.clone())),
    }
}

fn is_same(one: &Address, other: &Address) -> bool {
    one.as_str().eq_ignore_ascii_case(other.as_str())
}

/// What the server said of a recipient stays, because it is all that is known of what happened.
fn resolved(recipient: &Recipient, resolution: &Resolution) -> Recipient {
    let is_sent = recipient.state == OutgoingState::Sent;
    match resolution {
        Resolution::SendAgain if !is_sent => Recipient { state: OutgoingState::Pending, ..recipient.clone() },
        Resolution::Cancel if !is_sent => Recipient { state: OutgoingState::Cancelled, ..recipient.clone() },
        Resolution::Arrived(named)
            if recipient.state == OutgoingState::Unsure
                && (named.is_empty() || named.iter().any(|one| is_same(one, &recipient.address))) =>
        {
            let said = recipient.said.as_deref().unwrap_or("no words");
            let said = Some(format!("marked as sent by a person; before that: {said}"));
            Recipient { state: OutgoingState::Sent, said, ..recipient.clone() }
        }
        Resolution::SendAgain | Resolution::Cancel | Resolution::Arrived(_) => recipient.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::message;
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn states(message: &OutgoingMessage) -> Vec<OutgoingState> {
        message.recipients.iter().map(|recipient| recipient.state).collect()
    }

    fn of(state: OutgoingState, recipients: &[OutgoingState]) -> OutgoingMessage {
        OutgoingMessage { state, attempts: 3, ..message(recipients) }
    }

    fn after(message: &OutgoingMessage, resolution: &Resolution) -> (OutgoingState, Vec<OutgoingState>) {
        let after = resolve(message, resolution, NOW).unwrap().after;
        (after.state, states(&after))
    }

    #[test]
    fn only_whoever_has_not_got_it_is_sent_it_again() {
        use OutgoingState::{Cancelled, Failed, Pending, Sent, Unsure};
        for state in [Failed, Unsure, Cancelled] {
            let Resolved { before, after } =
                resolve(&of(state, &[Sent, state]), &Resolution::SendAgain, NOW).unwrap();
            assert_eq!((after.state, states(&after)), (Pending, vec![Sent, Pending]));
            assert_eq!((after.attempts, after.round), (0, before.round + 1));
            assert_eq!((after.failure, after.next_attempt_at), (None, Some(NOW)));
        }
    }

    #[test]
    fn what_arrived_is_sent_and_the_rest_goes_its_way() {
        use OutgoingState::{Failed, Pending, Sent, Unsure};
        let all = Resolution::Arrived(Vec::new());
        assert_eq!(after(&of(Unsure, &[Unsure, Unsure]), &all), (Sent, vec![Sent, Sent]));
        // Whoever was deferred while another one was in doubt is tried again by itself.
        let Resolved { after: rest, .. } = resolve(&of(Unsure, &[Unsure, Pending]), &all, NOW).unwrap();
        assert_eq!((rest.state, rest.next_attempt_at), (Pending, Some(NOW)));
        assert_eq!((rest.attempts, rest.round), (3, 1), "nothing begins anew");
        assert_eq!(after(&of(Unsure, &[Unsure, Failed]), &all), (Failed, vec![Sent, Failed]));

        let first = Resolution::Arrived(vec![Address::parse("R0@x.example").unwrap()]);
        let half = resolve(&of(Unsure, &[Unsure, Unsure]), &first, NOW).unwrap().after;
        assert_eq!((half.state, states(&half)), (Unsure, vec![Sent, Unsure]));
        assert!(half.failure.unwrap().cause.starts_with("r1@x.example"), "the words are of the one in doubt");
        assert!(half.recipients[0].said.as_ref().unwrap().starts_with("marked as sent by a person"));
    }

    #[test]
    fn what_is_withdrawn_waits_no_more_and_takes_back_nothing() {
        use OutgoingState::{Cancelled, Failed, Pending, Sent, Unsure};
        for state in [Pending, Unsure, Failed] {
            let after = resolve(&of(state, &[Sent, state]), &Resolution::Cancel, NOW).unwrap().after;
            assert_eq!((after.state, states(&after)), (Cancelled, vec![Sent, Cancelled]));
            assert_eq!((after.failure, after.next_attempt_at), (None, None));
        }
    }

    #[test]
    fn a_resolution_that_does_not_fit_is_refused() {
        use OutgoingState::{Cancelled, Failed, Pending, Sending, Sent, Unsure};
        let refused = |state, resolution: &Resolution| {
            assert_eq!(resolve(&of(state, &[state]), resolution, NOW), Err(Unresolvable::State), "{state:?}");
        };
        let arrived = Resolution::Arrived(Vec::new());
        [Pending, Sending, Sent].iter().for_each(|state| refused(*state, &Resolution::SendAgain));
        [Pending, Sending, Sent, Failed, Cancelled].iter().for_each(|state| refused(*state, &arrived));
        [Sending, Sent, Cancelled].iter().for_each(|state| refused(*state, &Resolution::Cancel));

        let named = |address: &str| Resolution::Arrived(vec![Address::parse(address).unwrap()]);
        let doubted = of(Unsure, &[Unsure, Failed]);
        assert!(matches!(resolve(&doubted, &named("x@x.example"), NOW), Err(Unresolvable::NoRecipient(_))));
        assert!(matches!(resolve(&doubted, &named("r1@x.example"), NOW), Err(Unresolvable::NoDoubt(_))));
    }
}
