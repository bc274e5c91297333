//! The bundles that this process has opened. Each is opened once, however many of its values are asked for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::UnsealError;
use super::bundle::Values;
use crate::model::limits;
use crate::model::secret::BundleDigest;

/// Opened bundles, the first one first. Their values are wiped when they make room and nobody reads them any more.
#[derive(Default)]
pub(super) struct OpenBundles(Mutex<VecDeque<Arc<Slot>>>);

struct Slot {
    bundle: BundleDigest,
    values: Mutex<Option<Arc<Values>>>,
}

impl OpenBundles {
    /// Whether it is open. While somebody opens it, perhaps waiting for a person, it is not.
    pub fn holds(&self, bundle: &BundleDigest) -> bool {
        let is_open = |slot: Arc<Slot>| slot.values.try_lock().is_ok_and(|values| values.is_some());
        self.known(bundle).is_some_and(is_open)
    }

    /// The values, if it is open; waits for whoever opens it.
    pub fn find(&self, bundle: &BundleDigest) -> Option<Arc<Values>> {
        self.known(bundle)?.values.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn known(&self, bundle: &BundleDigest) -> Option<Arc<Slot>> {
        let slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.iter().find(|slot| slot.bundle == *bundle).cloned()
    }

    /// Those who ask for the same bundle wait for the first of them. A failure is not remembered.
    pub fn open(
        &self,
        bundle: &BundleDigest,
        open: impl FnOnce() -> Result<Values, UnsealError>,
    ) -> Result<(), UnsealError> {
        let slot = self.slot(bundle);
        let mut values = slot.values.lock().unwrap_or_else(PoisonError::into_inner);
        if values.is_none() {
            *values = Some(Arc::new(open()?));
        }
        Ok(())
    }

    fn slot(&self, bundle: &BundleDigest) -> Arc<Slot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.iter().find(|slot| slot.bundle == *bundle) {
            return Arc::clone(slot);
        }
        if slots.len() >= limits::BUNDLES_OPEN_MAX {
            slots.pop_front();
        }
        let slot = Arc::new(Slot { bundle: bundle.clone(), values: Mutex::new(None) });
        slots.push_back(Arc::clone(&slot));
        slot
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn digest(text: &str) -> BundleDigest {
        BundleDigest::of(text.as_bytes())
    }

    #[test]
    fn many_who_ask_at_once_open_a_bundle_once() {
        let (bundles, opened) = (OpenBundles::default(), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let open = || {
                        opened.fetch_add(1, Ordering::SeqCst);
                        Ok(Values::new())
                    };
                    bundles.open(&digest("a"), open).unwrap();
                    assert!(bundles.find(&digest("a")).is_some());
                });
            }
        });
        assert_eq!(opened.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_failure_is_tried_again_and_the_first_bundle_makes_room() {
        let bundles = OpenBundles::default();
        assert!(bundles.open(&digest("a"), || Err(UnsealError::NoIdentity)).is_err());
        assert!(bundles.find(&digest("a")).is_none());
        for n in 0..=limits::BUNDLES_OPEN_MAX {
            bundles.open(&digest(&n.to_string()), || Ok(Values::new())).unwrap();
        }
        assert!(bundles.find(&digest("0")).is_none());
        assert!(bundles.find(&digest(&limits::BUNDLES_OPEN_MAX.to_string())).is_some());
    }
}
