//! Who uses what, among the stored things.

use std::collections::BTreeMap;

use crate::model::name::Name;
use crate::model::secret::SecretRef;
use crate::model::stored::Stored;
use crate::plan::references::secrets_of;

/// Looked up once for all of a listing.
pub struct Uses {
    profiles: BTreeMap<Name, usize>,
    secrets: BTreeMap<SecretRef, Vec<String>>,
}

impl Uses {
    pub fn of(stored: &Stored) -> Self {
        let mut uses = Self { profiles: BTreeMap::new(), secrets: BTreeMap::new() };
        for (name, profile) in &stored.profiles {
            for secret in secrets_of(profile) {
                uses.secrets.entry(secret.clone()).or_default().push(format!("profile/{name}"));
            }
        }
        for (name, mailbox) in &stored.mailboxes {
            if let Some(profile) = &mailbox.declared.profile {
                *uses.profiles.entry(profile.clone()).or_default() += 1;
            }
            if let Some(own) = &mailbox.declared.credentials {
                uses.secrets.entry(own.password.clone()).or_default().push(format!("mailbox/{name}"));
            }
        }
        uses
    }

    /// How many mailboxes use this profile.
    pub fn mailboxes_of(&self, profile: &Name) -> usize {
        self.profiles.get(profile).copied().unwrap_or(0)
    }

    /// The addresses of the profiles and mailboxes that name this secret.
    pub fn users_of(&self, secret: &SecretRef) -> Vec<String> {
        self.secrets.get(secret).cloned().unwrap_or_default()
    }
}
