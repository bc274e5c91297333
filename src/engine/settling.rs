//! Whether what was read of a manifest is all that is meant, or only as far as somebody has written it.
//!
//! A folder in the middle of a checkout, a pull or a copy can be a valid manifest in which mailboxes are missing. Nothing
//! here relies on events: where there are none, the files are read on a timer all the same.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::limits;
use crate::model::plan::{Action, Step, Target};

/// As many are named of what is missing.
const NAMED_MAX: usize = 5;

/// What is waited for before anything is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// Somebody is writing: the lock.
    Writing(PathBuf),
    /// What would be deleted has not been missing for long enough.
    Missing { targets: Vec<Target>, left: Duration },
    /// Two readings in a row did not come to the same.
    Moved,
}

impl Hold {
    /// When to look again at the latest.
    pub fn look_again(&self) -> Duration {
        match self {
            Self::Writing(_) | Self::Moved => limits::LOOK_AGAIN,
            Self::Missing { left, .. } => *left,
        }
    }

    /// What to say about it. `None`: it is over at once.
    pub fn words(&self) -> Option<String> {
        match self {
            Self::Writing(lock) => Some(format!("git is writing the files (`{}`)", lock.display())),
            Self::Missing { targets, .. } => {
                let mut names: Vec<_> = targets.iter().take(NAMED_MAX).map(Target::to_string).collect();
                if targets.len() > NAMED_MAX {
                    names.push(format!("and {} more", targets.len() - NAMED_MAX));
                }
                Some(format!(
                    "no longer declared: {}; deleted once missing for {} s",
                    names.join(", "),
                    limits::MISSING_BEFORE_DELETION.as_secs()
                ))
            }
            Self::Moved => None,
        }
    }
}

/// What is remembered from one reading to the next. Times are those of [`crate::model::clock::Clock::elapsed`].
#[derive(Debug, Default)]
pub struct Settling {
    /// Since when each is missing.
    missing: BTreeMap<Target, Duration>,
    locked_since: Option<Duration>,
}

impl Settling {
    /// Waits for a lock, but not for one that was left behind.
    pub fn writing(&mut self, lock: Option<PathBuf>, now: Duration) -> Option<Hold> {
        let Some(lock) = lock else {
            self.locked_since = None;
            return None;
        };
        let since = *self.locked_since.get_or_insert(now);
        (now.saturating_sub(since) < limits::GIT_LOCK_WAIT_MAX).then_some(Hold::Writing(lock))
    }

    /// Waits until everything that would be deleted has been missing for [`limits::MISSING_BEFORE_DELETION`].
    pub fn deletions(&mut self, steps: &[Step], now: Duration) -> Option<Hold> {
        let deleted = steps.iter().filter(|step| step.action == Action::Delete);
        let missing = deleted.map(|step| {
            let since = self.missing.get(&step.target).copied().unwrap_or(now);
            (step.target.clone(), since)
        });
        self.missing = missing.collect();
        let left =
            |since: &Duration| limits::MISSING_BEFORE_DELETION.saturating_sub(now.saturating_sub(*since));
        let left = self.missing.values().map(left).max().filter(|left| !left.is_zero())?;
        Some(Hold::Missing { targets: self.missing.keys().cloned().collect(), left })
    }

    /// A reading came to nothing: what is missing from the next one is not missing for the second time.
    pub fn unread(&mut self) {
        self.missing.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::Name;
    use crate::model::plan::Effect;

    fn deletes(names: &[&str]) -> Vec<Step> {
        let step = |name: &&str| Step {
            action: Action::Delete,
            target: Target::Mailbox(Name::parse(name).unwrap()),
            changes: Vec::new(),
            consequences: Vec::new(),
            reason: String::new(),
            origin: None,
            effect: Effect::DeleteMailbox(Name::parse(name).unwrap()),
        };
        names.iter().map(step).collect()
    }

    fn held(settling: &mut Settling, names: &[&str], seconds: u64) -> Option<u64> {
        match settling.deletions(&deletes(names), Duration::from_secs(seconds))? {
            Hold::Missing { left, .. } => Some(left.as_secs()),
            Hold::Writing(_) | Hold::Moved => None,
        }
    }

    #[test]
    fn what_is_missing_is_deleted_when_it_was_missing_for_long_enough() {
        let mut settling = Settling::default();
        assert_eq!(held(&mut settling, &[], 90), None);
        assert_eq!(held(&mut settling, &["anna"], 100), Some(5));
        assert_eq!(held(&mut settling, &["anna"], 102), Some(3));
        assert_eq!(held(&mut settling, &["anna", "ben"], 104), Some(5), "each for itself");
        assert_eq!(held(&mut settling, &["anna", "ben"], 109), None);
    }

    #[test]
    fn what_comes_back_begins_anew() {
        let mut settling = Settling::default();
        assert_eq!(held(&mut settling, &["anna"], 100), Some(5));
        assert_eq!(held(&mut settling, &[], 102), None);
        assert_eq!(held(&mut settling, &["anna"], 104), Some(5));
        settling.unread();
        assert_eq!(held(&mut settling, &["anna"], 108), Some(5));
    }

    #[test]
    fn a_lock_is_waited_for_but_not_for_ever() {
        let mut settling = Settling::default();
        let mut locked = |lock: bool, seconds| {
            let lock = lock.then(|| PathBuf::from("/m/.git/index.lock"));
            settling.writing(lock, Duration::from_secs(seconds)).is_some()
        };
        assert!(locked(true, 10) && locked(true, 69));
        assert!(!locked(true, 70), "it was left behind");
        assert!(!locked(false, 71) && locked(true, 72));
    }
}
