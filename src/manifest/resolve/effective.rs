//! Where a setting of a mailbox comes from: its own value, its assignments', the organization's default.

use std::collections::BTreeSet;

use crate::manifest::codes;
use crate::manifest::decode::spanned::Spanned;
use crate::manifest::documents::Document;
use crate::manifest::entries::Entry;
use crate::manifest::mirror::mailbox::{Accept, AssignmentSpec, IncomingMethod, Method, Select, Settings};
use crate::manifest::report::{Draft, Report};
use crate::manifest::trace::SettingsTrace;
use crate::model::mailbox::{self, ActMethod, MailboxKind, OutgoingMethod};

/// The assignments, and which of them have selected something.
#[derive(Debug)]
pub struct Assignments {
    documents: Vec<(Document<AssignmentSpec>, Settings)>,
    used: BTreeSet<usize>,
    /// Those that selected the last mailbox.
    selecting: Vec<usize>,
    /// Pairs of assignments and the setting that they disagree about: said once, not for every mailbox.
    disagreed: BTreeSet<(usize, usize, &'static str)>,
}

impl Assignments {
    pub fn new(documents: Vec<Document<AssignmentSpec>>) -> Self {
        let documents = documents.into_iter().map(|document| {
            let settings = document.spec.clone().take_settings();
            (document, settings)
        });
        Self {
            documents: documents.collect(),
            used: BTreeSet::new(),
            selecting: Vec::new(),
            disagreed: BTreeSet::new(),
        }
    }

    /// The mailbox's own settings and, where it has none, those that its assignments give it.
    pub fn complete(&mut self, entry: &mut Entry, report: &mut Report<'_>) -> Settings {
        let selecting: Vec<usize> = (0..self.documents.len())
            .filter(|index| {
                self.documents.get(*index).is_some_and(|(it, _)| selects(&it.spec.select.value, entry))
            })
            .collect();
        self.used.extend(selecting.iter().copied());
        let mut given = std::mem::take(&mut entry.own);
        macro_rules! complete {
            ($($field:ident $key:literal),*) => {$(
                if given.$field.is_none() {
                    given.$field = self.agreed(&selecting, $key, &entry.name.value, |it| &it.$field, report);
                }
            )*};
        }
        complete!(
            profile "profile", incoming "incoming", forward_to "forwardTo", outgoing "outgoing",
            appointments_contacts_tasks "appointmentsContactsTasks", accept "accept", owner "owner",
            active "active", process_from "processFrom", credentials "credentials",
            tracked_folders "trackedFolders"
        );
        self.remember(entry, &selecting, &given, report);
        self.selecting = selecting;
        given
    }

    /// What the settings of a mailbox were completed with, if that is to be explained.
    fn remember(&self, entry: &Entry, selecting: &[usize], given: &Settings, report: &mut Report<'_>) {
        let Some(trace) = &mut report.trace else { return };
        if !trace.mailboxes.contains_key(&entry.name.value) {
            return;
        }
        let documents = selecting.iter().filter_map(|index| self.documents.get(*index));
        let assignments =
            documents.map(|(document, settings)| (document.name.value.clone(), settings.clone())).collect();
        let traced = SettingsTrace { given: given.clone(), assignments };
        trace.settings.insert(entry.name.value.clone(), traced);
    }

    /// The assignments that selected the last mailbox, a bit for each. `None`: they are too many for that.
    pub fn last_selected(&self) -> Option<u64> {
        let bit = |index: &usize| 1_u64.checked_shl(u32::try_from(*index).unwrap_or(u32::MAX));
        self.selecting.iter().try_fold(0, |bits, index| Some(bits | bit(index)?))
    }

    /// Takes in which assignments selected a mailbox that was not read.
    pub fn note_used(&mut self, selected: u64) {
        if selected != 0 {
            let bits = 0..u64::BITS;
            self.used.extend(bits.filter(|bit| selected >> bit & 1 == 1).map(|bit| bit as usize));
        }
    }

    fn agreed<T: PartialEq + Clone>(
        &mut self,
        selecting: &[usize],
        key: &'static str,
        mailbox: &crate::model::name::Name,
        field: impl Fn(&Settings) -> &Option<Spanned<T>>,
        report: &mut Report<'_>,
    ) -> Option<Spanned<T>> {
        let mut chosen: Option<(usize, Spanned<T>)> = None;
        for index in selecting {
            let Some((document, settings)) = self.documents.get(*index) else { continue };
            let Some(value) = field(settings) else { continue };
            match &chosen {
                None => chosen = Some((*index, value.clone())),
                Some((_, first)) if first == value => {}
                Some((first_index, first)) => {
                    if self.disagreed.insert((*first_index, *index, key)) {
                        let other =
                            self.documents.get(*first_index).map_or("", |(it, _)| it.name.value.as_str());
                        let message = format!(
                            "the assignments `{other}` and `{}` give mailbox `{mailbox}` different values of `{key}`",
                            document.name.value
                        );
                        report.add(
                            Draft::error(codes::ASSIGNMENTS_DISAGREE, value.place, message)
                                .related(first.place, format!("what `{other}` says"))
                                .hint(
                                    "narrow one of the selectors, or write the value on the mailbox itself",
                                ),
                        );
                    }
                }
            }
        }
        chosen.map(|(_, value)| value)
    }

    /// A selector that says nothing would select everything or nothing; one that selects nothing is probably a mistake.
    pub fn report_selectors(&self, report: &mut Report<'_>) {
        for (index, (document, _)) in self.documents.iter().enumerate() {
            let select = &document.spec.select;
            if let Some(message) = empty_part(&select.value) {
                let draft = Draft::error(codes::EMPTY_SELECTOR, select.place, message);
                report.add(draft.hint("to reach every mailbox, write `addresses: ['*']`"));
            } else if !self.used.contains(&index) {
                let message = format!("the assignment `{}` selects no mailbox", document.name.value);
                report.add(Draft::warning(codes::SELECTS_NOTHING, document.spec.select.place, message));
            }
        }
    }
}

/// What a selector leaves open.
fn empty_part(select: &Select) -> Option<&'static str> {
    let Select { labels, addresses, types } = select;
    match (labels, addresses, types) {
        (None, None, None) => Some("the selector says nothing"),
        (Some(labels), _, _) if labels.is_empty() => Some("the selector names no label"),
        (_, Some(addresses), _) if addresses.is_empty() => Some("the selector names no address"),
        (_, _, Some(types)) if types.is_empty() => Some("the selector names no type"),
        (Some(_), _, _) | (_, Some(_), _) | (_, _, Some(_)) => None,
    }
}

fn selects(select: &Select, entry: &Entry) -> bool {
    let Select { labels, addresses, types } = select;
    let labelled = labels
        .as_ref()
        .is_none_or(|labels| labels.iter().all(|(key, value)| entry.labels.get(key) == Some(value)));
    let addressed = addresses.as_ref().is_none_or(|globs| {
        let address = entry.address.value.key();
        globs.iter().any(|glob| glob_matches(&glob.to_lowercase(), &address))
    });
    let typed =
        types.as_ref().is_none_or(|types| types.iter().any(|kind| MailboxKind::from(*kind) == entry.kind));
    let says_something = labels.is_some() || addresses.is_some() || types.is_some();
    says_something && labelled && addressed && typed
}

/// `*` stands for any characters; the rest for itself.
fn glob_matches(glob: &str, text: &str) -> bool {
    let mut parts = glob.split('*');
    let Some(rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    let mut rest = rest;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

impl From<IncomingMethod> for mailbox::IncomingMethod {
    fn from(method: IncomingMethod) -> Self {
        match method {
            IncomingMethod::None => Self::None,
            IncomingMethod::ServerSideSync => Self::ServerSideSync,
            IncomingMethod::ForwardMailbox => Self::ForwardMailbox,
        }
    }
}

impl From<Method> for OutgoingMethod {
    fn from(method: Method) -> Self {
        match method {
            Method::None => Self::None,
            Method::ServerSideSync => Self::ServerSideSync,
        }
    }
}

impl From<Method> for ActMethod {
    fn from(method: Method) -> Self {
        match method {
            Method::None => Self::None,
            Method::ServerSideSync => Self::ServerSideSync,
        }
    }
}

impl From<Accept> for mailbox::Accept {
    fn from(accept: Accept) -> Self {
        match accept {
            Accept::All => Self::All,
            Accept::Replies => Self::Replies,
            Accept::KnownParties => Self::KnownParties,
            Accept::AnyRecord => Self::AnyRecord,
            Accept::None => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (glob, text) in
            [("*", ""), ("*@a.b", "x@a.b"), ("x*@a.*", "xy@a.b"), ("a*b*c", "abbc"), ("x@a", "x@a")]
        {
            assert!(glob_matches(glob, text), "{glob} {text}");
        }
        for (glob, text) in [("", "x"), ("*@a.b", "x@a.c"), ("a*a", "a"), ("x@a", "x@ab")] {
            assert!(!glob_matches(glob, text), "{glob} {text}");
        }
    }
}
