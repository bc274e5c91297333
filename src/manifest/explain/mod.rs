//! Where each effective value comes from. The values are those of the resolution, and so are the reasons: what counts is
//! recognised by the place that the resolution has taken it from.

mod mailbox;
mod profile;
mod sources;

use std::collections::BTreeSet;

use self::sources::Sources;
use super::codes;
use super::documents;
use super::place::Files;
use super::recall::Recall;
use super::report::{Report, did_you_mean};
use super::resolve::{self, Resolved};
use super::sieve::Whole;
use super::trace::Trace;
use crate::model::explanation::{Explained, Explanation, Subject, WrittenAt};
use crate::model::host::HostSettings;
use crate::model::name::Name;
use crate::model::problem::{Origin, Problem, SourceFile};

/// What came of it: one answer for each subject, in their order.
#[derive(Debug)]
pub struct Explaining {
    pub answers: Vec<Result<Explanation, Unexplained>>,
    /// All problems of the manifest. Errors do not keep from explaining what could be resolved all the same.
    pub problems: Vec<Problem>,
}

/// Why something cannot be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unexplained {
    /// `hint`: a name that is near.
    Missing { hint: Option<String> },
    /// Several things have this name.
    Ambiguous(Vec<String>),
    /// It is there, but has errors.
    Broken,
}

/// Explains subjects of a manifest. Needs neither key nor store.
pub fn explain(files: &[SourceFile], host: &HostSettings, subjects: &[Subject]) -> Explaining {
    let mut report = Report::new(Files::new(files));
    if let Some(draft) = super::too_large(files.len(), super::bytes_of(files)) {
        report.add(draft);
        let answers = subjects.iter().map(|_| Err(Unexplained::Broken)).collect();
        return Explaining { answers, problems: report.into_sorted().0 };
    }
    let wanted = subjects.iter().filter_map(|subject| match subject {
        Subject::Organization => None,
        Subject::Profile(word) | Subject::Mailbox(word) | Subject::Any(word) => Some(word.clone()),
    });
    report.trace = Some(Box::new(Trace::new(wanted)));
    let documents = documents::read(files, &mut Recall::Off, &mut report);
    let broken = documents.broken.clone();
    let resolved = resolve::resolve(documents, host, &mut Whole, &mut Recall::Off, &mut report);
    let trace = report.trace.take().unwrap_or_default();
    let known = Known { resolved: &resolved, trace: &trace, broken: &broken, files: &report.files };
    let answers = subjects.iter().map(|subject| known.answer(subject)).collect();
    Explaining { answers, problems: report.into_sorted().0 }
}

/// What a code of a problem means, in one line.
pub fn meaning(code: &str) -> Option<&'static str> {
    codes::ALL.iter().find(|(known, _)| known.0.eq_ignore_ascii_case(code)).map(|(_, meaning)| *meaning)
}

struct Known<'k> {
    resolved: &'k Resolved,
    trace: &'k Trace,
    broken: &'k BTreeSet<(&'static str, String)>,
    files: &'k Files<'k>,
}

/// Something that has the name.
enum Found {
    Profile(Name),
    Mailbox(Name),
}

impl Known<'_> {
    fn answer(&self, subject: &Subject) -> Result<Explanation, Unexplained> {
        let found = match subject {
            Subject::Organization => return self.organization(),
            Subject::Profile(word) => self.profiles(word),
            Subject::Mailbox(word) => self.mailboxes(word),
            Subject::Any(word) => [self.mailboxes(word), self.profiles(word)].into_iter().flatten().collect(),
        };
        match found.as_slice() {
            [Found::Profile(name)] => self.profile(name),
            [Found::Mailbox(name)] => self.mailbox(name),
            [] => Err(self.missing(subject)),
            several => Err(Unexplained::Ambiguous(
                several
                    .iter()
                    .map(|found| match found {
                        Found::Profile(name) => format!("profile/{name}"),
                        Found::Mailbox(name) => format!("mailbox/{name}"),
                    })
                    .collect(),
            )),
        }
    }

    fn profiles(&self, word: &str) -> Vec<Found> {
        let names = self.resolved.profiles.keys().filter(|name| name.as_str() == word);
        names.map(|name| Found::Profile(name.clone())).collect()
    }

    fn mailboxes(&self, word: &str) -> Vec<Found> {
        let key = word.to_lowercase();
        let fits = |declared: &crate::model::mailbox::Mailbox| {
            declared.name.as_str() == word || declared.address.key() == key
        };
        let found = self.resolved.mailboxes.values().filter(|declared| fits(&declared.value));
        found.map(|declared| Found::Mailbox(declared.value.name.clone())).collect()
    }

    fn missing(&self, subject: &Subject) -> Unexplained {
        let (word, kinds): (&str, &[&str]) = match subject {
            Subject::Organization => return Unexplained::Broken,
            Subject::Profile(word) => (word, &["EmailServerProfile"]),
            Subject::Mailbox(word) => (word, &["Mailbox"]),
            Subject::Any(word) => (word, &["EmailServerProfile", "Mailbox"]),
        };
        if kinds.iter().any(|kind| self.broken.iter().any(|(broken, name)| broken == kind && name == word)) {
            return Unexplained::Broken;
        }
        let profiles = self.resolved.profiles.keys().filter(|_| kinds.contains(&"EmailServerProfile"));
        let mailboxes = self.resolved.mailboxes.values().filter(|_| kinds.contains(&"Mailbox"));
        let words = mailboxes
            .flat_map(|it| [it.value.name.as_str(), it.value.address.as_str()])
            .chain(profiles.map(Name::as_str));
        Unexplained::Missing { hint: did_you_mean(word, words) }
    }

    fn declared(&self, origin: &Origin) -> WrittenAt {
        let file = self.files.files.iter().find(|file| file.name == origin.file);
        WrittenAt {
            origin: origin.clone(),
            layer: file.and_then(|file| file.layer.as_ref()).map(|layer| layer.label.clone()),
            is_overlay: file.is_some_and(|file| file.layer_number() > 0),
        }
    }

    fn organization(&self) -> Result<Explanation, Unexplained> {
        let declared = self.resolved.organization.as_ref().ok_or(Unexplained::Broken)?;
        let name = declared.value.name.to_string();
        let mut sources = Sources::new(self.files, self.trace);
        sources.document(("Organization", &name));
        Ok(Explanation {
            subject: "organization".to_owned(),
            value: Explained::Organization(Box::new(declared.value.clone())),
            declared: self.declared(&declared.origin),
            sources: sources.found,
        })
    }

    fn profile(&self, name: &Name) -> Result<Explanation, Unexplained> {
        let declared = self.resolved.profiles.get(name).ok_or(Unexplained::Broken)?;
        let mut sources = Sources::new(self.files, self.trace);
        sources.document(("EmailServerProfile", name.as_str()));
        profile::complete(&declared.value, &mut sources);
        Ok(Explanation {
            subject: format!("profile/{name}"),
            value: Explained::Profile(Box::new(declared.value.clone())),
            declared: self.declared(&declared.origin),
            sources: sources.found,
        })
    }

    fn mailbox(&self, name: &Name) -> Result<Explanation, Unexplained> {
        let declared = self.resolved.mailboxes.get(name).ok_or(Unexplained::Broken)?;
        let mut sources = Sources::new(self.files, self.trace);
        mailbox::complete(&declared.value, self.resolved, &mut sources);
        Ok(Explanation {
            subject: format!("mailbox/{name}"),
            value: Explained::Mailbox(Box::new(declared.value.clone())),
            declared: self.declared(&declared.origin),
            sources: sources.found,
        })
    }
}
