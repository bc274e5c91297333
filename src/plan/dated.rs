//! What providers have switched off: new and changed profiles that need it are refused, untouched ones only noted.

use crate::model::desired::DesiredNote;
use crate::model::plan::{Blocked, Target};
use crate::model::retirement::Retirement;

use super::Estate;

/// What the dated rules say of a plan.
#[derive(Default)]
pub(super) struct Verdict {
    pub blocked: Vec<Blocked>,
    pub notes: Vec<DesiredNote>,
}

/// Without a day in the policy nothing is dated.
pub(super) fn verdict(estate: &Estate<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    let Some(as_of) = estate.policy.as_of else { return verdict };
    for (name, declared) in &estate.desired.profiles {
        // Whoever switches it off may do so on any day.
        let is_untouched =
            estate.stored.profiles.get(name) == Some(&declared.value) || !declared.value.active;
        for retirement in Retirement::of(&declared.value) {
            let (message, origin) = (retirement.words(as_of), Some(declared.origin.clone()));
            if retirement.has_ended(as_of) && !is_untouched {
                verdict.blocked.push(Blocked {
                    guard: None,
                    target: Some(Target::Profile(name.clone())),
                    message,
                    remedy: retirement.remedy.to_owned(),
                    origin,
                });
            } else {
                verdict.notes.push(DesiredNote { subject: format!("profile/{name}"), message, origin });
            }
        }
    }
    verdict
}
