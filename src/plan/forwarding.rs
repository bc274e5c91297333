//! What a plan does about the inbox rules that forward the mail of mailboxes.

use crate::model::mailbox::{IncomingMethod, Mailbox};
use crate::model::name::Address;
use crate::model::plan::Consequence;

/// What becomes of the rule of a mailbox that is declared.
pub(super) fn consequences(declared: &Mailbox, before: Option<&Mailbox>) -> Vec<Consequence> {
    let former = before.and_then(|before| Some((before, before.forward_to.as_ref()?)));
    let made = |to: &Address| Consequence::ForwardsMail { to: to.to_string() };
    match (former, &declared.forward_to) {
        (None, None) => Vec::new(),
        (None, Some(to)) => vec![made(to)],
        (Some((before, former)), Some(to)) => match (is_same_place(before, declared), former.same_as(to)) {
            (true, true) => Vec::new(),
            (true, false) => vec![made(to)],
            (false, _) => vec![made(to), left(former)],
        },
        (Some((before, former)), None) => match declared.incoming {
            IncomingMethod::ServerSideSync if is_same_place(before, declared) => {
                vec![Consequence::RemovesRule { to: former.to_string() }]
            }
            IncomingMethod::ServerSideSync | IncomingMethod::ForwardMailbox | IncomingMethod::None => {
                vec![left(former)]
            }
        },
    }
}

/// What becomes of the rule of a mailbox that is not declared any more: nobody logs in there again.
pub(super) fn of_deletion(before: &Mailbox) -> Option<Consequence> {
    before.forward_to.as_ref().map(left)
}

fn left(to: &Address) -> Consequence {
    Consequence::LeavesRule { to: to.to_string() }
}

fn is_same_place(before: &Mailbox, declared: &Mailbox) -> bool {
    before.address.same_as(&declared.address) && before.profile == declared.profile
}
