//! What providers have switched off: new and changed profiles that need it are refused, untouched ones only noted.

use std::collections::BTreeSet;

use crate::model::desired::DesiredNote;
use crate::model::name::Name;
use crate::model::plan::{Blocked, Effect, Step, Target};
use crate::model::retirement::Retirement;

use super::Estate;

/// What the dated rules say of a plan.
#[derive(Default)]
pub(super) struct Verdict {
    refused: BTreeSet<Name>,
    pub blocked: Vec<Blocked>,
    pub notes: Vec<DesiredNote>,
}

impl Verdict {
    /// Whether a step declares a refused profile, or leads a mailbox to one.
    pub fn refuses(&self, step: &Step) -> bool {
        match &step.effect {
            Effect::PutProfile(profile) => self.refused.contains(&profile.name),
            Effect::PutMailbox(put) => {
                put.mailbox.profile.as_ref().is_some_and(|profile| self.refused.contains(profile))
            }
            Effect::PutOrganization(_)
            | Effect::PutSecret { .. }
            | Effect::DeleteSecret(_)
            | Effect::DeleteProfile(_)
            | Effect::DeleteMailbox(_) => false,
        }
    }
}

/// Without a day in the policy nothing is dated.
pub(super) fn verdict(estate: &Estate<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    let Some(as_of) = estate.policy.as_of else { return verdict };
    for (name, declared) in &estate.desired.profiles {
        let is_untouched = estate.stored.profiles.get(name) == Some(&declared.value);
        for retirement in Retirement::of(&declared.value) {
            let (message, origin) = (retirement.words(as_of), Some(declared.origin.clone()));
            if retirement.has_ended(as_of) && !is_untouched {
                verdict.refused.insert(name.clone());
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
