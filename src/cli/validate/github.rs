//! Problems as commands of a GitHub workflow, which become annotations of the changed lines.
//!
//! GitHub shows ten errors and ten warnings of a step and drops the rest, so the rest is counted in a last notice.

use super::places::Places;
use crate::model::problem::{Problem, Severity};

/// Annotations of one kind that GitHub shows of one step.
const SHOWN_MAX: usize = 10;

pub fn commands(problems: &[Problem], places: &Places<'_>) -> String {
    let mut text = String::new();
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        let of_kind = problems.iter().filter(|problem| problem.severity == severity);
        of_kind.take(SHOWN_MAX).for_each(|problem| text.push_str(&command(problem, places)));
    }
    let more = |severity| super::count(problems, severity).saturating_sub(SHOWN_MAX);
    let (errors, warnings) = (more(Severity::Error), more(Severity::Warning));
    if errors + warnings > 0 {
        let words = format!("{errors} more errors and {warnings} more warnings are in the log of this step");
        text.push_str(&format!("::notice title=mailplumb validate::{}\n", escaped(&words)));
    }
    text
}

fn command(problem: &Problem, places: &Places<'_>) -> String {
    let name = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let place = problem.origin.as_ref().map(|origin| places.region(origin));
    let place = place.map_or_else(String::new, |region| {
        // Columns are only shown where a problem begins and ends on one line.
        let columns = if region.line == region.end_line && region.end_column > region.column {
            format!(",col={},endColumn={}", region.column, region.end_column)
        } else {
            format!(",col={}", region.column)
        };
        format!("file={},line={},endLine={}{columns},", property(&region.path), region.line, region.end_line)
    });
    let words = [Some(&problem.message), problem.label.as_ref(), problem.hint.as_ref()];
    let words: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
    format!("::{name} {place}title={}::{}\n", property(&problem.code), escaped(&words.join("\n")))
}

fn escaped(data: &str) -> String {
    data.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(value: &str) -> String {
    escaped(value).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_has_its_place_its_code_and_one_line() {
        let (files, problems) = super::super::problems_of("apiVersion: mailplumb/v1\nkind: Mailboxx\n");
        let text = commands(&problems, &Places::new(&files, &problems));
        let line = text.lines().find(|line| line.contains("MP0022")).unwrap();
        let start = "::error file=mail/a b.yaml,line=2,endLine=2,col=7,endColumn=15,title=MP0022::this `kind` is not known%0Aexpected";
        assert!(line.starts_with(start), "{line}");
        assert!(line.ends_with("%0Adid you mean `Mailbox`?"), "{line}");
    }

    #[test]
    fn what_would_end_a_command_is_escaped() {
        assert_eq!(property("a,b:c%\n"), "a%2Cb%3Ac%25%0A");
        assert_eq!(escaped("100 %\r\n::error::x"), "100 %25%0D%0A::error::x");
    }

    #[test]
    fn ten_of_a_kind_are_annotated_and_the_rest_is_counted() {
        let (files, problems) = super::super::problems_of(&"---\nkind: X\n".repeat(12));
        let text = commands(&problems, &Places::new(&files, &problems));
        assert_eq!(text.lines().filter(|line| line.starts_with("::error ")).count(), 10);
        let more = super::super::count(&problems, Severity::Error) - 10;
        let last = text.lines().last().unwrap();
        assert!(last.starts_with("::notice ") && last.contains(&format!("{more} more errors")), "{last}");
    }
}
