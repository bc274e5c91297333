//! What is told beside the failures of single mailboxes: troubles of whole profiles, and the end of old alerts.

use jiff::{SignedDuration, Timestamp};

use super::{Engine, Settings};
use crate::model::alert::{Trouble, TroubleChanges};
use crate::model::name::Name;
use crate::model::profile::Profile;
use crate::store::{AlertPlace, MailboxRow, StoreError};
use crate::sync::mass;

impl Engine {
    /// Tells of profiles most of whose mailboxes fail, and drops alerts that are old enough. To be called when work has ended, and now
    /// and then while it goes on.
    pub async fn look_after_alerts(&self) -> Result<(), StoreError> {
        let has_told = !self.store.troubles().await?.is_empty();
        let rows = match has_told
            || self.store.profiles().await?.values().any(|profile: &Profile| profile.mass_failure_alert)
        {
            true => self.store.mailboxes().await?,
            false => Vec::new(),
        };
        self.look_after_alerts_of(&rows).await
    }

    /// The same with all mailboxes at hand.
    pub(super) async fn look_after_alerts_of(&self, rows: &[MailboxRow]) -> Result<(), StoreError> {
        let settings = self.settings().await?;
        let standing = self.store.troubles().await?;
        let mailboxes = rows.iter().filter_map(|row| Some((row.profile.as_ref()?, &row.stored)));
        let changes = mass::judge(mailboxes, &standing, self.clock.now());
        if !changes.is_empty() {
            self.note_troubles(changes, &settings).await?;
        }
        self.drop_old_alerts(&settings).await
    }

    /// Notes troubles of profiles, with those of their alerts that are wanted.
    pub(super) async fn note_troubles(
        &self,
        changes: TroubleChanges,
        settings: &Settings,
    ) -> Result<(), StoreError> {
        let alerts = self.raise(changes.alerts, &settings.alerts);
        self.store.note_troubles(&TroubleChanges { alerts, ..changes }).await
    }

    /// The first tests of a profile say nothing against it any more.
    pub(super) async fn end_halt(&self, profile: &Name) -> Result<(), StoreError> {
        let trouble = (profile.clone(), Trouble::Halted);
        if !self.store.troubles().await?.contains(&trouble) {
            return Ok(());
        }
        self.store.note_troubles(&TroubleChanges { ended: vec![trouble], ..TroubleChanges::default() }).await
    }

    async fn drop_old_alerts(&self, settings: &Settings) -> Result<(), StoreError> {
        let now = self.clock.now();
        let keep = SignedDuration::try_from(settings.alerts.keep).unwrap_or(SignedDuration::MAX);
        let before = now.saturating_sub(keep).unwrap_or(Timestamp::MIN);
        let mut place = Some(AlertPlace::FIRST);
        while let Some(from) = place {
            place = self.store.drop_alerts(before, from).await?;
            if self.stopping.is_cancelled() {
                return Ok(());
            }
        }
        Ok(())
    }
}
