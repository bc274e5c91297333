//! Whether a plan is about everything that is declared, or about a chosen part of it.

use crate::model::desired::Desired;
use crate::model::plan::Target;

use super::selection::Chosen;

/// What the plan is about.
#[derive(Clone, Copy)]
pub(super) enum Scope<'a> {
    Whole,
    /// The estate's `desired` then is what is stored, with only the chosen part as it is declared.
    Part {
        chosen: &'a Chosen,
        declared: &'a Desired,
    },
}

impl<'a> Scope<'a> {
    /// What the manifest declares, the part that is left out included.
    pub fn declared(&self, desired: &'a Desired) -> &'a Desired {
        match self {
            Self::Whole => desired,
            Self::Part { declared, .. } => declared,
        }
    }

    pub fn contains(&self, target: &Target) -> bool {
        match self {
            Self::Whole => true,
            Self::Part { chosen, .. } => chosen.targets.contains(target),
        }
    }

    /// Whether the manifest declares it although the plan leaves it as it is.
    pub fn leaves_out(&self, target: &Target) -> bool {
        match self {
            Self::Whole => false,
            Self::Part { chosen, declared } => {
                !chosen.targets.contains(target)
                    && match target {
                        Target::Organization => true,
                        Target::Secret(secret) => declared.secrets.contains_key(secret),
                        Target::Profile(name) => declared.profiles.contains_key(name),
                        Target::Mailbox(name) => declared.mailboxes.contains_key(name),
                    }
            }
        }
    }
}
