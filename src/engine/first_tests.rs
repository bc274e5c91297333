//! Which mailboxes of a changed profile `watch` may test: a few first, then all, or none while the first ones fail for
//! a reason that holds for all. Known from the store alone, so that a restart changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::alert::{Trouble, TroubleChanges};
use crate::model::name::{Address, Name};
use crate::model::stored::{StoredMailbox, StoredOperation};
use crate::store::MailboxRow;
use crate::sync::canary::{self, Judgement};

use super::run::halted;

/// What was last judged of the profiles.
#[derive(Debug, Default)]
pub struct FirstTests {
    /// Profiles of which not every mailbox may be tested.
    judgements: BTreeMap<Name, Judgement>,
    /// The mailboxes of those profiles.
    undecided: BTreeSet<Name>,
}

impl FirstTests {
    /// Judges all profiles anew. `standing`: those troubles that were told before, by whichever process.
    pub fn judge(
        &mut self,
        rows: &[MailboxRow],
        standing: &BTreeSet<(Name, Trouble)>,
        now: Timestamp,
    ) -> TroubleChanges {
        let mut profiles: BTreeMap<&Name, (&Address, Vec<&StoredMailbox>)> = BTreeMap::new();
        for row in rows {
            if let Some(profile) = &row.profile {
                let (_, mailboxes) = profiles.entry(&profile.name).or_insert((&profile.owner, Vec::new()));
                mailboxes.push(&row.stored);
            }
        }
        let mut changes = TroubleChanges::default();
        let mut halts = BTreeSet::new();
        self.judgements.clear();
        self.undecided.clear();
        for (profile, (owner, mailboxes)) in profiles {
            let judgement = canary::judge(&mailboxes);
            if let Judgement::Halted { failure, first, .. } = &judgement {
                let trouble = (profile.clone(), Trouble::Halted);
                if !standing.contains(&trouble) {
                    let waiting = mailboxes.len().saturating_sub(first.len());
                    changes.alerts.push(halted((profile, Some(owner)), waiting, failure, now));
                    changes.begun.push(trouble.clone());
                }
                halts.insert(trouble);
            }
            if judgement != Judgement::Free {
                self.undecided.extend(mailboxes.iter().map(|mailbox| mailbox.declared.name.clone()));
                self.judgements.insert(profile.clone(), judgement);
            }
        }
        let is_over = |trouble: &&(Name, Trouble)| trouble.1 == Trouble::Halted && !halts.contains(*trouble);
        changes.ended.extend(standing.iter().filter(is_over).cloned());
        changes
    }

    /// Whether an operation may be tested at its time.
    pub fn allows(&self, profile: &Name, mailbox: &Name, operation: &StoredOperation) -> bool {
        match self.judgements.get(profile) {
            None | Some(Judgement::Free) => true,
            Some(Judgement::First(first)) => first.contains(mailbox) || !canary::is_waiting(operation),
            Some(Judgement::Halted { first, .. }) => {
                first.contains(mailbox) || !canary::is_waiting(operation)
            }
        }
    }

    pub fn is_undecided_about(&self, mailbox: &Name) -> bool {
        self.undecided.contains(mailbox)
    }
}
