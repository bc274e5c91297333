//! Warnings about what providers switch off on a date: the table is `model::retirement`.

use jiff::civil::Date;

use super::codes::{self, Code};
use crate::model::desired::Desired;
use crate::model::problem::{Problem, Severity};
use crate::model::retirement::Retirement;

/// A warning for each profile and each thing that it needs and a provider takes away, as of a day.
pub fn warnings(desired: &Desired, as_of: Date) -> Vec<Problem> {
    let profiles = desired.profiles.values();
    profiles
        .flat_map(|declared| {
            Retirement::of(&declared.value).map(move |retirement| {
                let ended = retirement.has_ended(as_of);
                let Code(code) = if ended { codes::RETIRED } else { codes::RETIRING };
                let label = if ended { "a plan refuses to add or change it" } else { "this profile" };
                Problem {
                    code: code.to_owned(),
                    severity: Severity::Warning,
                    message: retirement.words(as_of),
                    label: Some(label.to_owned()),
                    origin: Some(declared.origin.clone()),
                    related: Vec::new(),
                    hint: Some(format!("{} (source: {})", retirement.remedy, retirement.source)),
                }
            })
        })
        .collect()
}
