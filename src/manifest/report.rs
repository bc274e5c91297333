//! The problems and notes of one reading, as they are found.

use std::collections::BTreeSet;

use super::codes::{self, Code};
use super::decode::Reading;
use super::place::{Files, Place};
use super::trace::Trace;
use crate::model::desired::{Declared, DesiredNote};
use crate::model::likeness::nearest;
use crate::model::limits;
use crate::model::problem::{Problem, Severity};

/// Collects every problem; nothing stops at the first.
#[derive(Debug)]
pub struct Report<'a> {
    pub files: Files<'a>,
    pub problems: Vec<Problem>,
    pub notes: Vec<DesiredNote>,
    /// What is remembered to explain something; usually nothing is.
    pub trace: Option<Box<Trace>>,
    errors: usize,
    /// Problems that were not kept.
    dropped: usize,
    /// Problems and notes, those among them that had been said already.
    heard: usize,
    /// Of what could not be read whole, only what is wrong with the rest is told.
    reading: Reading,
    /// What has been said already: a value in `common` of a list is looked at once per mailbox.
    said: BTreeSet<(Place, &'static str, String)>,
}

/// What is surely wrong with a value that is there, whatever else of its resource could not be read. What seems to be missing may
/// be what could not be read.
const OF_THE_REST: [Code; 14] = [
    codes::CONTROL_CHARACTER,
    codes::DUPLICATE_NAME,
    codes::DUPLICATE_ADDRESS,
    codes::UNKNOWN_PROFILE,
    codes::UNKNOWN_SECRET,
    codes::UNKNOWN_TRUST,
    codes::PREVIOUS_NAME,
    codes::LOCATION,
    codes::NO_TLS,
    codes::PLAINTEXT_LOGIN,
    codes::WINDOWS_INTEGRATED,
    codes::ANONYMOUS,
    codes::OUT_OF_RANGE,
    codes::APPROVED_OTHER_ADDRESS,
];

/// A problem on its way into the report.
#[derive(Debug)]
pub struct Draft {
    code: Code,
    severity: Severity,
    place: Option<Place>,
    message: String,
    label: Option<String>,
    related: Vec<(Place, String)>,
    hint: Option<String>,
}

impl Draft {
    pub fn error(code: Code, place: Place, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, Some(place), message.into())
    }

    pub fn warning(code: Code, place: Place, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, Some(place), message.into())
    }

    /// A problem that no file is to blame for.
    pub fn nowhere(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, None, message.into())
    }

    fn new(code: Code, severity: Severity, place: Option<Place>, message: String) -> Self {
        Self { code, severity, place, message, label: None, related: Vec::new(), hint: None }
    }

    pub fn with_code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// The words beside the caret.
    pub fn label(mut self, words: impl Into<String>) -> Self {
        self.label = Some(words.into());
        self
    }

    pub fn hint(mut self, words: impl Into<String>) -> Self {
        self.hint = Some(words.into());
        self
    }

    pub fn hint_if(mut self, words: Option<String>) -> Self {
        self.hint = words.or(self.hint);
        self
    }

    /// A hint where there is no better one.
    pub fn or_hint(mut self, words: &str) -> Self {
        self.hint = self.hint.or_else(|| Some(words.to_owned()));
        self
    }

    pub fn related(mut self, place: Place, words: impl Into<String>) -> Self {
        self.related.push((place, words.into()));
        self
    }
}

impl<'a> Report<'a> {
    pub fn new(files: Files<'a>) -> Self {
        Self {
            files,
            problems: Vec::new(),
            notes: Vec::new(),
            trace: None,
            errors: 0,
            dropped: 0,
            heard: 0,
            reading: Reading::Whole,
            said: BTreeSet::new(),
        }
    }

    /// Adds a problem, unless the same has been said of the same place.
    pub fn add(&mut self, draft: Draft) {
        self.heard += 1;
        if self.reading == Reading::Broken && !OF_THE_REST.contains(&draft.code) {
            return;
        }
        if let Some(place) = draft.place
            && self.problems.len() < limits::PROBLEMS_KEPT_MAX
            && !self.said.insert((place, draft.code.0, draft.message.clone()))
        {
            return;
        }
        if draft.severity == Severity::Error {
            self.errors += 1;
        }
        if self.problems.len() == limits::PROBLEMS_KEPT_MAX {
            self.dropped += 1;
            return;
        }
        let related = draft.related.into_iter().map(|(place, words)| (self.files.origin(place), words));
        let related = related.collect();
        self.problems.push(Problem {
            code: draft.code.0.to_owned(),
            severity: draft.severity,
            message: draft.message,
            label: draft.label,
            origin: draft.place.map(|place| self.files.origin(place)),
            related,
            hint: draft.hint,
        });
    }

    /// Whether a problem from this one on is about a missing key.
    pub fn lacks_keys(&self, from: usize) -> bool {
        self.problems.iter().skip(from).any(|problem| problem.code == codes::MISSING_KEY.0)
    }

    /// Gives each such problem this hint, unless it has one.
    pub fn hint_at_missing_keys(&mut self, from: usize, hint: &str) {
        let latest = self.problems.iter_mut().skip(from);
        for problem in latest.filter(|it| it.code == codes::MISSING_KEY.0 && it.hint.is_none()) {
            problem.hint = Some(hint.to_owned());
        }
    }

    /// What is looked at from here on.
    pub fn looks_at(&mut self, reading: Reading) {
        self.reading = reading;
    }

    /// A remark that belongs into the plan.
    pub fn note(&mut self, subject: impl Into<String>, place: Place, message: impl Into<String>) {
        self.heard += 1;
        if self.reading == Reading::Broken {
            return;
        }
        let origin = Some(self.files.origin(place));
        self.notes.push(DesiredNote { subject: subject.into(), message: message.into(), origin });
    }

    pub fn declared<T>(&self, value: T, place: Place) -> Declared<T> {
        Declared { value, origin: self.files.origin(place) }
    }

    /// How much there was to say so far, whether or not it had been said before.
    pub fn heard(&self) -> usize {
        self.heard
    }

    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// All problems by file, line and column; those without a file come first.
    pub fn into_sorted(self) -> (Vec<Problem>, Vec<DesiredNote>) {
        let mut problems = self.problems;
        problems.sort_by(|a, b| key(a).cmp(&key(b)));
        if self.dropped > 0 {
            problems.push(not_kept(self.dropped));
        }
        (problems, self.notes)
    }
}

fn not_kept(count: usize) -> Problem {
    Problem {
        code: codes::TOO_MANY_PROBLEMS.0.to_owned(),
        severity: Severity::Error,
        message: format!("{count} more problems were found"),
        label: None,
        origin: None,
        related: Vec::new(),
        hint: Some("correct those that are listed first".to_owned()),
    }
}

/// What problems are sorted by.
type Key<'p> = (Option<(&'p str, u32, u32, u32)>, &'p str, &'p str);

fn key(problem: &Problem) -> Key<'_> {
    let place = problem.origin.as_ref().map(|o| (&*o.file, o.line, o.column, o.end));
    (place, &problem.code, &problem.message)
}

/// A hint that names the nearest of the possible words, if one is near.
pub fn did_you_mean<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    const NAMES_MAX: usize = 2000;
    let names = names.into_iter().filter(|name| name.len().abs_diff(word.len()) <= 4).take(NAMES_MAX);
    nearest(word, names).map(|name| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_problems_than_are_kept_are_counted() {
        let mut report = Report::new(Files::new(&[]));
        for number in 0..limits::PROBLEMS_KEPT_MAX + 5 {
            report.add(Draft::error(codes::INVALID_VALUE, Place::default(), format!("problem {number}")));
        }
        assert!(report.has_errors());
        let (problems, _) = report.into_sorted();
        assert_eq!(problems.len(), limits::PROBLEMS_KEPT_MAX + 1);
        assert_eq!(problems.last().map(|last| last.message.as_str()), Some("5 more problems were found"));
    }
}
