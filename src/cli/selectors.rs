//! Which mailboxes a listing shows.

use clap::{Args, ValueEnum};

use super::exit::Failure;
use super::mailboxes::unknown;
use super::view::StateCode;
use crate::engine::drive::state_of;
use crate::model::mailbox::{Mailbox, MailboxKind};
use crate::model::operation::Operation;
use crate::model::selection::Pattern;
use crate::store::MailboxRow;

/// Every condition that is given has to hold; without any, all mailboxes are shown.
#[derive(Debug, Clone, Args)]
pub struct Selectors {
    /// Only mailboxes with this name or address; `*` stands for any characters. May be given several times
    #[arg(long = "mailbox", value_name = "PATTERN")]
    patterns: Vec<String>,
    /// Only mailboxes with this label: KEY=VALUE, or KEY for any value. May be given several times
    #[arg(short, long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// Only mailboxes of this profile
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Only mailboxes of this kind
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
    /// Only mailboxes with an operation in this state. May be given several times
    #[arg(long = "in-state", value_name = "STATE")]
    states: Vec<StateCode>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    User,
    Queue,
    Forward,
}

impl From<Kind> for MailboxKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::User => Self::User,
            Kind::Queue => Self::Queue,
            Kind::Forward => Self::Forward,
        }
    }
}

impl Selectors {
    /// Whether no condition is given.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
            && self.labels.is_empty()
            && self.profile.is_none()
            && self.kind.is_none()
            && self.states.is_empty()
    }

    /// The rows that all conditions hold for, in their order. A name that no mailbox has is an error, a condition that
    /// holds for none is not.
    pub fn choose(&self, rows: Vec<MailboxRow>) -> Result<Vec<MailboxRow>, Failure> {
        for pattern in self.patterns.iter().filter(|pattern| Pattern::new(pattern).is_literal()) {
            if !rows.iter().any(|row| names(pattern, &row.stored.declared)) {
                return Err(unknown(pattern, &rows));
            }
        }
        if let Some(profile) = &self.profile
            && !rows.iter().any(|row| is_of(row, profile))
        {
            return Err(Failure::new(format!("no mailbox uses a profile `{profile}`"))
                .hint("`mailplumb get profiles` lists the profiles"));
        }
        Ok(rows.into_iter().filter(|row| self.selects(row)).collect())
    }

    fn selects(&self, row: &MailboxRow) -> bool {
        let declared = &row.stored.declared;
        let is_in_state = |operation: Operation| {
            self.states.contains(&StateCode::of(&state_of(&row.stored.operations, operation)))
        };
        (self.patterns.is_empty() || self.patterns.iter().any(|pattern| names(pattern, declared)))
            && self.labels.iter().all(|label| is_labelled(label, declared))
            && self.profile.as_ref().is_none_or(|profile| is_of(row, profile))
            && self.kind.is_none_or(|kind| MailboxKind::from(kind) == declared.kind)
            && (self.states.is_empty() || Operation::ALL.into_iter().any(is_in_state))
    }
}

fn names(pattern: &str, declared: &Mailbox) -> bool {
    Pattern::new(pattern).matches(declared.name.as_str())
        || Pattern::new(&pattern.to_lowercase()).matches(&declared.address.key())
}

fn is_labelled(label: &str, declared: &Mailbox) -> bool {
    match label.split_once('=') {
        Some((key, value)) => declared.labels.get(key).is_some_and(|found| found == value),
        None => declared.labels.contains_key(label),
    }
}

fn is_of(row: &MailboxRow, profile: &str) -> bool {
    row.stored.declared.profile.as_ref().is_some_and(|of| of.as_str() == profile)
}
