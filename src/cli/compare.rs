//! Which changed secrets hold another value: asked before a plan is made, and only when a ciphertext changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use tokio_util::sync::CancellationToken;

use super::context::{run, warn_about};
use super::exit::Failure;
use super::{Global, output};
use crate::engine::compare;
use crate::model::desired::Desired;
use crate::model::secret::{Comparison, SecretRef, Verdict};
use crate::model::stored::Stored;
use crate::secrets::identity::Keyring;
use crate::secrets::{Presence, Unseal};

/// How changed secrets are compared.
#[derive(Debug, Clone, Copy, Args)]
pub struct Comparing {
    /// Tell changed values from re-encrypted ones, with these identities
    #[arg(long, value_name = "HOW", default_value = "unattended")]
    compare_secrets: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum How {
    /// With those that open without asking: no passphrase, plugin or command
    Unattended,
    /// With all; a passphrase, a touch or a PIN may be asked for
    Attended,
    /// Not at all
    Never,
}

impl Comparing {
    /// What is known of the secrets whose ciphertext changed. Without an identity, nothing.
    pub fn compared(
        self,
        global: &Global,
        desired: &Desired,
        stored: &Stored,
    ) -> Result<BTreeMap<SecretRef, Comparison>, Failure> {
        let changed = compare::changed(desired, stored);
        // Where the stored state is a snapshot, the store itself need not be here.
        let store = if changed.is_empty() { None } else { global.store_if_there()? };
        let Some(store) = store else { return Ok(BTreeMap::new()) };
        let (keyring, presence) = match self.compare_secrets {
            How::Unattended => (global.unattended_keyring(), Presence::Unattended),
            How::Attended => (global.keyring()?, Presence::Attended),
            How::Never => (global.no_keyring(), Presence::Unattended),
        };
        warn_about(&keyring);
        let has_identities = !keyring.is_empty();
        let is_encrypted = |name: &&SecretRef| {
            desired.secrets.get(*name).is_some_and(|declared| declared.value.is_encrypted())
        };
        let encrypted = changed.iter().filter(is_encrypted).count();
        if !has_identities && encrypted > 0 && self.compare_secrets != How::Never {
            tell(&keyring, encrypted);
        }
        let secrets: Arc<dyn Unseal> = Arc::new(keyring);
        let compared: BTreeMap<SecretRef, Comparison> = run(CancellationToken::new(), async {
            Ok(compare::compare(&store, &secrets, desired, &changed, presence).await?)
        })?;
        let is_unknown = |name: &&SecretRef| {
            compared.get(*name).is_some_and(|comparison| comparison.verdict == Verdict::Unknown)
        };
        let unknown = changed.iter().filter(is_encrypted).filter(is_unknown).count();
        if has_identities && unknown > 0 {
            let secrets = output::counted(unknown, "changed secret was", "changed secrets were");
            output::talk(&format!(
                "{secrets} not compared: no identity here opens both the new value and the old one"
            ));
        }
        Ok(compared)
    }
}

fn tell(keyring: &Keyring, changed: usize) {
    let secrets = output::counted(changed, "changed secret was", "changed secrets were");
    output::talk(&format!("{secrets} not compared: no age identity is at hand that opens without asking"));
    for left_out in keyring.left_out() {
        output::talk(&format!("  {left_out}"));
    }
    if !keyring.left_out().is_empty() {
        output::hint("`--compare-secrets attended` uses these too");
    }
}
