//! Reading a manifest beside a store, so that only what may need a step is there as a whole.

use std::collections::{BTreeSet, HashMap};

use crate::manifest::memory::Memory;
use crate::manifest::sieve::{Behind, Sieve, Sifting};
use crate::manifest::{self, Compared, Input, Remembering};
use crate::model::desired::Desired;
use crate::model::footing::{Footing, Outlook};
use crate::model::host::HostSettings;
use crate::model::mailbox::Mailbox;
use crate::model::name::Name;
use crate::model::plan::{Plan, Policy};
use crate::model::problem::{Extent, Problem, SourceFile};
use crate::model::stored::{Outline, Stored};
use crate::plan::{self, Rest, settled};
use crate::source::{Source, SourceError};
use crate::store::{Store, StoreError};

/// A manifest without some of its mailboxes.
pub struct Survey {
    /// Without files that did not need to be read.
    pub files: Vec<SourceFile>,
    /// `None`: at least one of the problems is an error.
    pub desired: Option<Desired>,
    pub problems: Vec<Problem>,
    /// What was not judged because something could not be read, in words.
    pub not_judged: Vec<&'static str>,
    /// What was left out.
    pub rest: Rest,
    /// The stored mailboxes that were not left out.
    pub unsettled: BTreeSet<Name>,
}

/// Which mailboxes are left out.
#[derive(Clone, Copy)]
pub enum Against<'a> {
    /// Those for which nothing is to be done.
    Stored(&'a Outline),
    /// All: only the rest of the manifest is asked for, and whether it is valid.
    Nothing,
}

impl Against<'_> {
    /// Whether no mailbox is stored that one of the manifest could be equal to.
    fn has_no_mailbox(&self) -> bool {
        match self {
            Self::Stored(outline) => outline.footings.is_empty(),
            Self::Nothing => false,
        }
    }
}

/// Reads a manifest as far as it has changed since it was last read beside a store, and remembers that.
pub fn survey(
    source: &dyn Source,
    host: &HostSettings,
    policy: &Policy,
    against: Against<'_>,
) -> Result<Survey, SourceError> {
    let about = about(policy, against);
    let mut counter = Counter::new(policy, against);
    // What is remembered before any mailbox is stored would not hold afterwards: their secrets are not stored either.
    let remembers = source.remembers() && !against.has_no_mailbox();
    let mut memory = if remembers { source.recall().and_then(|bytes| Memory::parse(&bytes)) } else { None };
    if let Some(memory) = &mut memory {
        let holds = about.is_none_or(|about| memory.about == about);
        memory.retain(|known| holds && counter.rows.leaves_out(known.name(), Some(&known.outlook.footing)));
    }
    loop {
        let known = |name: &str| {
            let file = memory.as_ref()?.files.get(name)?;
            file.stamp.filter(|_| file.is_whole())
        };
        let found = source.load_changed(&known)?;
        let remembering = if remembers { Remembering::On(memory.as_ref()) } else { Remembering::Off };
        let input = Input { files: &found, remembering, about: about.unwrap_or_default() };
        let (reading, fresh) = match manifest::read_compared(input, host, &mut counter) {
            Compared::ReadAll if memory.is_some() => {
                memory = None;
                continue;
            }
            Compared::Read(reading, fresh) => (*reading, fresh),
            // Without a memory there is nothing that may not hold; should it be said all the same, nothing is left out.
            Compared::ReadAll => {
                counter = Counter::new(policy, against);
                let files: Vec<SourceFile> = found.iter().map(|found| found.file.clone()).collect();
                (manifest::read(&files, host), None)
            }
        };
        if let (Some(fresh), Some(_)) = (fresh, about) {
            source.remember(&fresh.to_bytes());
        }
        let read = found.into_iter().filter(|found| found.extent == Extent::Whole);
        let manifest::Reading { desired, problems, not_judged } = reading;
        let files = read.map(|found| found.file).collect();
        return Ok(Survey { files, desired, problems, not_judged, ..counter.into_survey() });
    }
}

/// Digest of all beside the manifest that outlooks depend on. `None`: no outlook is asked for.
fn about(policy: &Policy, against: Against<'_>) -> Option<[u8; 32]> {
    let outline = match against {
        Against::Nothing => return None,
        Against::Stored(outline) => outline,
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{:?}", policy.connectors).as_bytes());
    for digests in [&outline.stored.secrets, &outline.stored.proofs] {
        hasher.update(&(digests.len() as u64).to_le_bytes());
        for (secret, digest) in digests {
            for text in [secret.secret.as_str(), &secret.key, &digest.0] {
                hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
            }
        }
    }
    for (mailbox, address) in &outline.stored.approvals {
        hasher.update(mailbox.as_str().as_bytes()).update(&[0]).update(address.key().as_bytes()).update(&[0]);
    }
    Some(*hasher.finalize().as_bytes())
}

/// What planning needs of both sides.
pub struct Inputs {
    pub survey: Survey,
    /// With the mailboxes that were not left out.
    pub stored: Stored,
}

/// Why the inputs of a plan are not at hand.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads a manifest and what a store has of it. Without a store, everything is new.
pub async fn inputs(
    source: &dyn Source,
    host: &HostSettings,
    policy: &Policy,
    store: Option<&dyn Store>,
) -> Result<Inputs, InputError> {
    if !policy.selection.is_everything() {
        return whole(source, host, store).await;
    }
    let outline = match store {
        Some(store) => store.outline().await?,
        None => Outline::of(Stored::empty()),
    };
    let survey = survey(source, host, policy, Against::Stored(&outline))?;
    let mut stored = outline.stored;
    if let Some(store) = store.filter(|_| !survey.unsettled.is_empty()) {
        stored.mailboxes = store.stored_among(survey.unsettled.clone()).await?;
    }
    Ok(Inputs { survey, stored })
}

/// What a part is chosen from: everything.
async fn whole(
    source: &dyn Source,
    host: &HostSettings,
    store: Option<&dyn Store>,
) -> Result<Inputs, InputError> {
    let files = source.load()?;
    let manifest::Reading { desired, problems, not_judged } = manifest::read(&files, host);
    let stored = match store {
        Some(store) => store.stored().await?,
        None => Stored::empty(),
    };
    let survey =
        Survey { files, desired, problems, not_judged, rest: Rest::default(), unsettled: BTreeSet::new() };
    Ok(Inputs { survey, stored })
}

impl Inputs {
    /// The plan of what was read. The selection of the policy is the one that it was read with.
    pub fn plan(&self, desired: &Desired, policy: &Policy) -> Plan {
        match policy.selection.is_everything() {
            true => plan::narrowed(desired, &self.stored, policy, &self.survey.rest),
            false => plan::plan(desired, &self.stored, policy),
        }
    }
}

/// Counts what is left out.
struct Counter<'a> {
    policy: &'a Policy,
    rows: Rows<'a>,
    rest: Rest,
}

enum Rows<'a> {
    Stored(StoredRows<'a>),
    Nothing,
}

struct StoredRows<'a> {
    outline: &'a Outline,
    /// The position of each row.
    by_name: HashMap<&'a str, usize>,
    /// Of each row, whether its mailbox is left out.
    is_out: Vec<bool>,
}

impl<'a> StoredRows<'a> {
    fn new(outline: &'a Outline) -> Self {
        let by_name = outline.footings.iter().enumerate().map(|(nth, row)| (row.name.as_str(), nth));
        Self { outline, by_name: by_name.collect(), is_out: vec![false; outline.footings.len()] }
    }

    /// The row of the mailbox, if it has this footing.
    fn find(&self, name: &str, footing: Option<&Footing>) -> Option<usize> {
        let nth = *self.by_name.get(name)?;
        let row = self.outline.footings.get(nth)?;
        (footing.is_some() && row.footing.as_ref() == footing).then_some(nth)
    }
}

impl Rows<'_> {
    fn leaves_out(&self, name: &str, footing: Option<&Footing>) -> bool {
        match self {
            Self::Nothing => true,
            Self::Stored(rows) => rows.find(name, footing).is_some(),
        }
    }
}

impl<'a> Counter<'a> {
    fn new(policy: &'a Policy, against: Against<'a>) -> Self {
        let rows = match against {
            Against::Nothing => Rows::Nothing,
            Against::Stored(outline) => Rows::Stored(StoredRows::new(outline)),
        };
        Self { policy, rows, rest: Rest::default() }
    }

    /// The parts of a survey that are counted.
    fn into_survey(self) -> Survey {
        let unsettled = match &self.rows {
            Rows::Nothing => BTreeSet::new(),
            Rows::Stored(rows) => {
                let left = rows.outline.footings.iter().zip(&rows.is_out).filter(|(_, is_out)| !**is_out);
                left.map(|(row, _)| row.name.clone()).collect()
            }
        };
        Survey {
            files: Vec::new(),
            desired: None,
            problems: Vec::new(),
            not_judged: Vec::new(),
            rest: self.rest,
            unsettled,
        }
    }
}

impl<'s> Sieve for Counter<'s> {
    fn start<'a>(&'a mut self, behind: Behind<'a>) -> Box<dyn Sifting + 'a> {
        self.rest = Rest::default();
        let behind = match &mut self.rows {
            Rows::Nothing => None,
            // Nothing is stored that a mailbox could be equal to.
            Rows::Stored(rows) if rows.outline.footings.is_empty() => None,
            Rows::Stored(rows) => {
                rows.is_out.fill(false);
                let profiles = behind.profiles.values().map(|declared| &declared.value);
                let secrets = plan::secret_digests(behind.secrets);
                let approval = &behind.organization.approval;
                let stored = &rows.outline.stored;
                Some(settled::Behind::new(approval, profiles, secrets, (stored, self.policy)))
            }
        };
        Box::new(Counting { behind, rows: &mut self.rows, rest: &mut self.rest })
    }
}

struct Counting<'a, 's> {
    /// `None`: no outlook is asked for.
    behind: Option<settled::Behind<'a>>,
    rows: &'a mut Rows<'s>,
    rest: &'a mut Rest,
}

impl Sifting for Counting<'_, '_> {
    fn outlook(&mut self, mailbox: &Mailbox) -> Option<Outlook> {
        self.behind.as_ref()?.outlook(mailbox)
    }

    fn leaves_out(&mut self, name: &str, outlook: Option<&Outlook>) -> bool {
        if let Rows::Stored(rows) = self.rows {
            let Some(nth) = rows.find(name, outlook.map(|outlook| &outlook.footing)) else { return false };
            if let (Some(is_out), Some(row)) = (rows.is_out.get_mut(nth), rows.outline.footings.get(nth)) {
                *is_out = true;
                self.rest.untested.add(row.untested);
            }
        }
        self.rest.mailboxes += 1;
        if let Some(kind) = outlook.and_then(|outlook| outlook.awaiting) {
            *self.rest.awaiting.entry(kind).or_default() += 1;
        }
        true
    }
}
