//! Which mailboxes need no step, told from their footing alone, so that a plan of a large estate looks at few of them whole.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::footing::{Bearing, Footing, Mark, Outlook};
use crate::model::mailbox::{IncomingMethod, Mailbox};
use crate::model::name::{Address, Name};
use crate::model::operation::{OffReason, Operation};
use crate::model::organization::Approval;
use crate::model::plan::Policy;
use crate::model::profile::Profile;
use crate::model::secret::{SecretDigest, SecretRef};
use crate::model::stored::Stored;

use super::connection::Outline;
use super::readiness;
use super::secrets::kept_proofs;

/// What stands behind the mailboxes of a manifest, prepared for asking about many of them.
pub struct Behind<'a> {
    approval: &'a Approval,
    /// The addresses that were approved by command.
    given: &'a BTreeMap<Name, Address>,
    policy: &'a Policy,
    profiles: BTreeMap<&'a Name, Prepared<'a>>,
    /// Under which digests connections have to be proved.
    proofs: BTreeMap<SecretRef, SecretDigest>,
    /// The secrets that are not stored as they are declared: whether their values changed is another question.
    changed: BTreeSet<SecretRef>,
}

struct Prepared<'a> {
    profile: &'a Profile,
    outlines: [Option<Outline<'a>>; 3],
    /// Whether it logs in with one of the changed secrets.
    login: Login,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Login {
    AsStored,
    Changed,
}

impl<'a> Behind<'a> {
    /// `secrets`: the digests of the declared ones. `stored`: what is stored of them; its mailboxes do not matter.
    pub fn new(
        approval: &'a Approval,
        profiles: impl Iterator<Item = &'a Profile>,
        secrets: BTreeMap<SecretRef, SecretDigest>,
        (stored, policy): (&'a Stored, &'a Policy),
    ) -> Self {
        let is_changed =
            |(name, digest): &(&SecretRef, &SecretDigest)| stored.secrets.get(*name) != Some(*digest);
        let changed: BTreeSet<SecretRef> =
            secrets.iter().filter(is_changed).map(|(name, _)| name.clone()).collect();
        let proofs = kept_proofs(&secrets, stored, policy).unwrap_or(secrets);
        let prepared = |profile: &'a Profile| {
            let outlines = Operation::ALL.map(|operation| Outline::of(profile, &proofs, operation));
            let uses_changed =
                outlines.iter().flatten().flat_map(Outline::used).any(|secret| changed.contains(secret));
            let login = if uses_changed { Login::Changed } else { Login::AsStored };
            (&profile.name, Prepared { profile, outlines, login })
        };
        let profiles = profiles.map(prepared).collect();
        Self { approval, given: &stored.approvals, policy, profiles, proofs, changed }
    }

    /// `None`: the mailbox has to be looked at whole, because of a former name, a changed secret, or something that it refers
    /// to in vain.
    pub fn outlook(&self, mailbox: &Mailbox) -> Option<Outlook> {
        let is_open = |secret: &SecretRef| !self.proofs.contains_key(secret) || self.changed.contains(secret);
        if mailbox.credentials.as_ref().is_some_and(|own| is_open(&own.password))
            || !mailbox.lifecycle.previous_names.is_empty()
        {
            return None;
        }
        let prepared = match &mailbox.profile {
            Some(name) => Some(self.profiles.get(name).filter(|it| it.login == Login::AsStored)?),
            None => None,
        };
        let bearings = [
            self.bearing(mailbox, prepared, 0),
            self.bearing(mailbox, prepared, 1),
            self.bearing(mailbox, prepared, 2),
        ];
        let waits = bearings.contains(&Bearing::NoConnector);
        let awaiting = prepared.filter(|_| waits).map(|prepared| prepared.profile.server.kind());
        Some(Outlook { footing: Footing::of(mailbox, &bearings), awaiting })
    }

    fn bearing(&self, mailbox: &Mailbox, prepared: Option<&Prepared<'_>>, nth: usize) -> Bearing {
        let operation = Operation::ALL[nth];
        if operation == Operation::Incoming
            && mailbox.incoming == IncomingMethod::ForwardMailbox
            && mailbox.forward_to.is_none()
        {
            return Bearing::Off(OffReason::ForwardMailbox);
        }
        if !mailbox.wants(operation) {
            return Bearing::Off(OffReason::MethodNone);
        }
        let Some(Prepared { profile, outlines, login: _ }) = prepared else {
            return Bearing::Off(OffReason::NoProfile);
        };
        let Some(outline) = &outlines[nth] else { return Bearing::Off(OffReason::MethodNone) };
        if let Some(reason) =
            readiness::held_back(mailbox, profile, (self.approval, self.given.get(&mailbox.name)))
        {
            return Bearing::Off(reason);
        }
        if !readiness::is_spoken(self.policy, profile.server.kind(), operation) {
            return Bearing::NoConnector;
        }
        Bearing::Connected(Mark::of_hash(&outline.hash(mailbox, &self.proofs)))
    }
}
