//! Who has approved which address.

use std::collections::{BTreeMap, BTreeSet};

use super::mailbox::Mailboxes;
use crate::manifest::codes;
use crate::manifest::documents::Document;
use crate::manifest::entries::Entry;
use crate::manifest::mirror::organization::ApprovalListSpec;
use crate::manifest::place::Place;
use crate::manifest::recall::Recall;
use crate::manifest::report::{Draft, Report};
use crate::model::name::Address;
use crate::model::organization::ApprovalSource;

/// The addresses of all approval lists.
#[derive(Debug)]
pub struct Approved {
    keys: BTreeMap<String, Place>,
    place: Place,
}

impl Mailboxes<'_> {
    fn source(&self) -> ApprovalSource {
        self.organization.map_or(ApprovalSource::Manifest, |it| it.declared.value.approval.source)
    }

    fn source_place(&self) -> Place {
        self.organization.map(|it| it.approval_source.unwrap_or(it.place)).unwrap_or_default()
    }

    /// The approval lists together, if there is one.
    pub fn approved(
        &self,
        lists: Vec<Document<ApprovalListSpec>>,
        entries: &[Entry],
        recall: &Recall<'_>,
        report: &mut Report<'_>,
    ) -> Option<Approved> {
        let place = lists.first()?.name.place;
        if self.source() == ApprovalSource::Command {
            for list in &lists {
                report.add(self.not_here(list.name.place));
            }
        }
        let read = entries.iter().map(|entry| entry.address.value.key());
        let known: BTreeSet<String> =
            read.chain(recall.known().map(|known| known.address().to_owned())).collect();
        let mut keys = BTreeMap::new();
        for address in lists.iter().flat_map(|list| &list.spec.addresses) {
            if !known.contains(&address.value.key()) && self.existence.all_read("Mailbox") {
                let message = format!("no mailbox has the approved address `{}`", address.value);
                report.add(Draft::warning(codes::APPROVAL_UNUSED, address.place, message));
            }
            keys.insert(address.value.key(), address.place);
        }
        Some(Approved { keys, place })
    }

    fn not_here(&self, place: Place) -> Draft {
        Draft::error(
            codes::APPROVAL_SOURCE,
            place,
            "this organization approves by command, not in the manifest",
        )
        .related(self.source_place(), "`source: command`")
        .hint("remove it, or write `approval: { source: manifest }`")
    }

    /// The approved address of a mailbox.
    pub fn approval(
        &self,
        entry: &Entry,
        list: Option<&Approved>,
        report: &mut Report<'_>,
    ) -> Option<Address> {
        let own = entry.approved.as_ref();
        match (self.source(), own, list) {
            (_, None, None) | (ApprovalSource::Command, None, Some(_)) => None,
            (ApprovalSource::Command, Some(approved), _) => {
                report.add(self.not_here(approved.place));
                None
            }
            (ApprovalSource::Manifest, Some(approved), Some(list)) => {
                report.add(
                    Draft::error(
                        codes::APPROVAL_SOURCE,
                        approved.place,
                        "this manifest approves in an ApprovalList",
                    )
                    .related(list.place, "the list")
                    .hint("move the address there, so that whoever owns the list approves it"),
                );
                None
            }
            (ApprovalSource::Manifest, Some(approved), None) => {
                if !approved.value.same_as(&entry.address.value) {
                    report.add(
                        Draft::error(
                            codes::APPROVED_OTHER_ADDRESS,
                            approved.place,
                            "this approves another address than the mailbox has",
                        )
                        .label(format!("expected `{}`", entry.address.value))
                        .related(entry.address.place, "the mailbox's address"),
                    );
                }
                Some(approved.value.clone())
            }
            (ApprovalSource::Manifest, None, Some(list)) => {
                let approved = *list.keys.get(&entry.address.value.key())?;
                if let Some(trace) = &mut report.trace {
                    trace.approvals.insert(entry.name.value.clone(), approved);
                }
                Some(entry.address.value.clone())
            }
        }
    }
}
