//! Problems for programs. Nothing of the files' text is in it.

use schemars::JsonSchema;
use serde::Serialize;

use super::places::Places;
use crate::cli::listing::FORMAT_VERSION;
use crate::model::problem::{Problem, Severity};

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Document<'p> {
    /// `major.minor`
    format_version: &'static str,
    /// Whether a plan can be made from the manifest: there is no error.
    valid: bool,
    errors: usize,
    warnings: usize,
    problems: Vec<Entry<'p>>,
    /// What was not checked because it may stand in what could not be read. What does not exist is left out.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    not_checked: &'p [&'static str],
}

/// What does not exist is left out.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Entry<'p> {
    /// Stable: `MP0023`.
    code: &'p str,
    /// `error`, `warning` or `note`.
    severity: &'static str,
    message: &'p str,
    #[serde(flatten)]
    place: Option<Place<'p>>,
    /// What was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'p str>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'p str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related: Vec<Related<'p>>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Place<'p> {
    /// Within the manifest.
    file: &'p str,
    /// From the directory in which the command ran.
    path: String,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Related<'p> {
    message: &'p str,
    #[serde(flatten)]
    place: Place<'p>,
}

pub fn document<'p>(
    problems: &'p [Problem],
    places: &Places<'_>,
    not_checked: &'p [&'static str],
) -> Document<'p> {
    let (errors, warnings) =
        (super::count(problems, Severity::Error), super::count(problems, Severity::Warning));
    let problems = problems.iter().map(|problem| entry(problem, places)).collect();
    Document { format_version: FORMAT_VERSION, valid: errors == 0, errors, warnings, problems, not_checked }
}

fn entry<'p>(problem: &'p Problem, places: &Places<'_>) -> Entry<'p> {
    let place = |origin: &'p crate::model::problem::Origin| {
        let region = places.region(origin);
        Place {
            file: &origin.file,
            path: region.path,
            line: region.line,
            column: region.column,
            end_line: region.end_line,
            end_column: region.end_column,
        }
    };
    let related =
        problem.related.iter().map(|(origin, words)| Related { message: words, place: place(origin) });
    Entry {
        code: &problem.code,
        severity: problem.severity.word(),
        message: &problem.message,
        place: problem.origin.as_ref().map(place),
        label: problem.label.as_deref(),
        hint: problem.hint.as_deref(),
        related: related.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_get_places_and_words_but_no_source() {
        let text = "apiVersion: mailplumb/v1\nkind: Secret\nmetadata: { name: x }\nspec: { values: { x: hunter2 } }\n";
        let (files, problems) = super::super::problems_of(text);
        let json = serde_json::to_value(document(&problems, &Places::new(&files, &problems), &[])).unwrap();
        assert!(!json.to_string().contains("hunter2"));
        assert_eq!(
            (&json["formatVersion"], &json["valid"], &json["errors"]),
            (&"1.0".into(), &false.into(), &2.into())
        );
        let found = &json["problems"][1];
        assert_eq!((&found["code"], &found["severity"]), (&"MP0030".into(), &"error".into()));
        assert_eq!(
            (&found["path"], &found["line"], &found["endColumn"]),
            (&"mail/a b.yaml".into(), &4.into(), &29.into())
        );
    }
}
