//! Problems of a manifest as people read them: a caret below the source line.
//!
//! What may be a secret value is masked: the bytes that a problem says hold one, in every line that is shown, and what
//! follows a key like `password`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{
    Annotation, AnnotationKind, Element, Level, Origin as Heading, Renderer as Snippets, Snippet,
};

use super::{output, typed};
use crate::manifest::LineIndex;
use crate::manifest::codes::{Showing, showing};
use crate::model::limits;
use crate::model::problem::{Origin, Problem, Severity, SourceFile};

/// How problems are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    Coloured,
}

/// Bytes of a line shown on each side of the caret; longer lines are cut.
const CONTEXT_BYTES: usize = 60;
const LINE_BYTES_MAX: usize = 160;
const MASK: &str = "********";

/// Renders many problems of some files, with one line index per file.
#[derive(Debug)]
pub struct Renderer<'a> {
    sources: BTreeMap<&'a str, Source<'a>>,
    style: Style,
}

#[derive(Debug)]
struct Source<'a> {
    text: &'a str,
    lines: LineIndex,
    masked: Vec<Range<usize>>,
    /// What is masked on the lines that were shown already, by their start: a line can be a whole file, and many problems
    /// can stand in it.
    on_lines: RefCell<BTreeMap<usize, Vec<Range<usize>>>>,
}

/// Prints problems to stderr, at most [`limits::PROBLEMS_SHOWN_MAX`] of them.
pub fn print(problems: &[Problem], files: &[SourceFile]) {
    let (told, repeated) = without_repetition(problems);
    let shown = &told[..told.len().min(limits::PROBLEMS_SHOWN_MAX)];
    // Colour is taken out again where it does not belong.
    let renderer = Renderer::new(files, problems, Style::Coloured);
    for problem in shown {
        output::talk(&renderer.render(problem));
    }
    if told.len() > shown.len() {
        output::talk(&format!("… and {} more", told.len() - shown.len()));
    }
    for (problem, count) in repeated {
        let places = output::counted(count, "more place", "more places");
        output::warning(&format!("[{}] {}: at {places}", problem.code, problem.message));
    }
}

/// Places at which one warning is shown before the others are only counted.
const PLACES_SHOWN: usize = 5;

/// Every error; of the same warning, the first places, and how many more there are.
fn without_repetition(problems: &[Problem]) -> (Vec<&Problem>, Vec<(&Problem, usize)>) {
    let mut told = Vec::new();
    let mut places: BTreeMap<(&str, &str), (&Problem, usize)> = BTreeMap::new();
    for problem in problems {
        let (_, count) = places.entry((&problem.code, &problem.message)).or_insert((problem, 0));
        *count += 1;
        if problem.severity == Severity::Error || *count <= PLACES_SHOWN {
            told.push(problem);
        }
    }
    let repeated = places
        .into_values()
        .filter(|(problem, count)| problem.severity != Severity::Error && *count > PLACES_SHOWN);
    (told, repeated.map(|(problem, count)| (problem, count - PLACES_SHOWN)).collect())
}

/// Renders one problem; `text` is that of its file.
pub fn render(problem: &Problem, text: Option<&str>, style: Style) -> String {
    let mut sources = BTreeMap::new();
    if let (Some(origin), Some(text)) = (&problem.origin, text) {
        sources.insert(&*origin.file, Source::new(&origin.file, text, std::slice::from_ref(problem)));
    }
    Renderer { sources, style }.render(problem)
}

impl<'a> Renderer<'a> {
    pub fn new(files: &'a [SourceFile], problems: &[Problem], style: Style) -> Self {
        let named = |name: &str| {
            let places = problems
                .iter()
                .flat_map(|problem| problem.origin.iter().chain(problem.related.iter().map(|it| &it.0)));
            places.into_iter().any(|origin| &*origin.file == name)
        };
        let shown = files.iter().filter(|file| named(&file.name));
        let sources = shown.filter_map(|file| {
            let text = std::str::from_utf8(&file.bytes).ok()?;
            Some((&*file.name, Source::new(&file.name, text, problems)))
        });
        Self { sources: sources.collect(), style }
    }

    /// One problem: title, place, source line with carets, related places, hint. Ends with a line end.
    pub fn render(&self, problem: &Problem) -> String {
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let mut group =
            level.primary_title(&problem.message).id(&problem.code).elements(Vec::<Element<'_>>::new());
        if let Some(origin) = &problem.origin {
            let shown = (origin, AnnotationKind::Primary, problem.label.as_deref(), showing(&problem.code));
            group = group.elements(self.place(shown));
        }
        for (origin, words) in &problem.related {
            let shown = (origin, AnnotationKind::Context, Some(words.as_str()), related(&problem.code));
            group = group.elements(self.place(shown));
        }
        if let Some(hint) = &problem.hint {
            group = group.element(Level::HELP.message(typed::advice(hint)));
        }
        let renderer = match self.style {
            Style::Plain => Snippets::plain(),
            Style::Coloured => Snippets::styled(),
        };
        let mut text = renderer.decor_style(DecorStyle::Ascii).render(&[group]);
        text.push('\n');
        text
    }

    fn place<'p>(&self, shown: (&'p Origin, AnnotationKind, Option<&'p str>, Showing)) -> Vec<Element<'p>> {
        let (origin, kind, label, showing) = shown;
        let heading =
            Heading::path(&*origin.file).line(origin.line as usize).char_column(origin.column as usize);
        let line = self.sources.get(&*origin.file).and_then(|source| source.line(origin, showing));
        let Some(Shown { text, span, moved }) = line else { return vec![heading.into()] };
        let annotation: Annotation<'p> = kind.span(span).label(label);
        let snippet = Snippet::source(text).line_start(origin.line as usize).annotation(annotation);
        // The snippet counts the column in what it shows; where that is not the column in the file, a heading says it.
        if moved { vec![heading.into(), snippet.into()] } else { vec![snippet.path(&*origin.file).into()] }
    }
}

/// A source line as it is shown, and the marked bytes in it.
struct Shown {
    text: String,
    span: Range<usize>,
    /// The marked bytes begin at another place than in the file.
    moved: bool,
}

impl<'a> Source<'a> {
    fn new(name: &str, text: &'a str, problems: &[Problem]) -> Self {
        let masks = problems.iter().flat_map(|problem| {
            let primary = problem.origin.iter().map(|origin| (origin, showing(&problem.code)));
            primary.chain(problem.related.iter().map(|(origin, _)| (origin, related(&problem.code))))
        });
        let masked = masks.filter(|(origin, _)| &*origin.file == name).filter_map(|(origin, showing)| {
            let marked = origin.start as usize..origin.end as usize;
            match showing {
                Showing::MaskSpan => Some(marked),
                Showing::MaskValue => value_behind(text, marked.end),
                // A line is masked where it is shown.
                Showing::Source | Showing::MaskLine => None,
            }
        });
        let masked = masked.collect();
        Self { text, lines: LineIndex::new(text.as_bytes()), masked, on_lines: RefCell::default() }
    }

    fn line(&self, origin: &Origin, showing: Showing) -> Option<Shown> {
        let (start, line) = self.lines.line(self.text, origin.line)?;
        let (start, line) = line.strip_prefix('\u{FEFF}').map_or((start, line), |rest| (start + 3, rest));
        let within = |at: u32| line.floor_char_boundary((at as usize).saturating_sub(start));
        let span = within(origin.start)..within(origin.end.max(origin.start));
        let mut masks =
            self.on_lines.borrow_mut().entry(start).or_insert_with(|| self.masks(start, line)).clone();
        match showing {
            Showing::Source | Showing::MaskSpan | Showing::MaskValue => {}
            Showing::MaskLine => masks.push(line.len() - line.trim_start().len()..line.len()),
        }
        let before = span.start;
        let shown = cut(&masked(line, span, masks));
        Some(Shown { moved: shown.moved || shown.span.start != before, ..shown })
    }

    /// What is masked on the line that begins there, whatever problem is shown.
    fn masks(&self, start: usize, line: &str) -> Vec<Range<usize>> {
        let is_here = |mask: &&Range<usize>| mask.start < start + line.len() && mask.end > start;
        let on_line =
            |mask: &Range<usize>| mask.start.saturating_sub(start)..(mask.end - start).min(line.len());
        let known = self.masked.iter().filter(is_here).map(on_line);
        let mut masks: Vec<Range<usize>> = known.map(|mask| with_neighbours(line, mask)).collect();
        let guessed = after_secret_key(line);
        masks.extend(
            guessed
                .into_iter()
                .filter(|guess| !masks.iter().any(|known| guess.contains(&known.start)))
                .collect::<Vec<_>>(),
        );
        masks
    }
}

/// What may be shown of another place that a problem with this code names.
fn related(code: &str) -> Showing {
    match showing(code) {
        Showing::MaskValue => Showing::MaskValue,
        Showing::Source | Showing::MaskSpan | Showing::MaskLine => Showing::Source,
    }
}

/// What stands behind the `:` of the key that ends at `key_end`, on its line.
fn value_behind(text: &str, key_end: usize) -> Option<Range<usize>> {
    let line = text.get(key_end..)?.lines().next()?;
    let value = line.trim_start_matches([' ', '\t', '"', '\'']).strip_prefix(':')?.trim_start();
    let start = key_end + line.len() - value.len();
    let value = &value[..value_length(value)];
    let is_harmless =
        value.is_empty() || value.starts_with('#') || ["true", "false", "{}", "[]"].contains(&value);
    (!is_harmless).then(|| start..start + value.len())
}

/// How much of the rest of a line belongs to the value that it begins with.
fn value_length(rest: &str) -> usize {
    let closing = match rest.chars().next() {
        Some('{') => return rest.rfind('}').map_or(rest.len(), |at| at + 1),
        Some('[') => return rest.rfind(']').map_or(rest.len(), |at| at + 1),
        Some(quote @ ('"' | '\'')) => rest[1..].find(quote).map(|at| at + 2),
        Some(_) | None => rest.find([',', '}', ']']),
    };
    rest[..closing.unwrap_or(rest.len())].trim_end().len()
}

/// Whoever wrote one value by mistake may have written it under another key too: those on the same line are masked with it.
fn with_neighbours(line: &str, mask: Range<usize>) -> Range<usize> {
    let is_key = |text: &str, at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric());
    let first = |text: &str| {
        let places = |key: &'static str| memchr::memmem::find_iter(text.as_bytes(), key);
        let keys = ["age:", "env:", "file:", "value:"].into_iter().flat_map(places);
        keys.filter(|at| is_key(text, *at)).min()
    };
    let before = line.get(..mask.start).and_then(first).filter(|at| line[*at..mask.start].contains(','));
    let after = line.get(mask.end..).and_then(first);
    before.unwrap_or(mask.start)..after.map_or(mask.end, |_| line.len())
}

/// A line without what follows `password:` and the like.
pub fn without_passwords(line: &str) -> String {
    let masks = after_secret_key(line);
    masked(line, 0..0, masks).text
}

/// What follows `password:` and the like on a line, unless a reference begins there.
fn after_secret_key(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for key in ["password", "passphrase", "clientSecret", "privateKey"] {
        for at in memchr::memmem::find_iter(line.as_bytes(), key) {
            let after = line.get(at + key.len()..).unwrap_or_default().trim_start_matches(['"', '\'']);
            let Some(value) = after.strip_prefix(':') else { continue };
            let value = value.trim_start();
            if !value.is_empty() && !value.starts_with(['{', '#', '|', '>']) {
                found.push(line.len() - value.len()..line.len());
            }
        }
    }
    found
}

/// The line with masks over the given ranges, and where the span is then.
fn masked(line: &str, span: Range<usize>, mut masks: Vec<Range<usize>>) -> Shown {
    masks.retain(|mask| mask.start < mask.end);
    masks.sort_by_key(|mask| (mask.start, mask.end));
    let mut shown = Shown { text: String::new(), span: span.clone(), moved: false };
    let mut at = 0;
    for mask in masks {
        let mask = mask.start.max(at)..mask.end.max(at);
        if mask.is_empty() {
            continue;
        }
        shown.text.push_str(line.get(at..mask.start).unwrap_or_default());
        let from = shown.text.len();
        shown.text.push_str(MASK);
        let moved = |place: usize, inside: usize| match place {
            place if place >= mask.end => place - mask.end + shown.text.len(),
            place if place > mask.start => inside,
            _ => usize::MAX,
        };
        let (start, end) = (moved(span.start, from), moved(span.end, shown.text.len()));
        shown.span.start = if start == usize::MAX { shown.span.start } else { start };
        shown.span.end = if end == usize::MAX { shown.span.end } else { end };
        at = mask.end;
    }
    shown.text.push_str(line.get(at..).unwrap_or_default());
    shown.span.end = shown.span.end.clamp(shown.span.start.min(shown.text.len()), shown.text.len());
    shown.span.start = shown.span.start.min(shown.span.end);
    shown
}

/// The part of a long line around its span.
fn cut(shown: &Shown) -> Shown {
    if shown.text.len() <= LINE_BYTES_MAX {
        return Shown { text: shown.text.clone(), span: shown.span.clone(), moved: shown.moved };
    }
    let text = &shown.text;
    let from = text.floor_char_boundary(shown.span.start.saturating_sub(CONTEXT_BYTES));
    let marked = shown.span.end.min(shown.span.start + CONTEXT_BYTES);
    let to = text.ceil_char_boundary((marked + CONTEXT_BYTES).min(text.len()));
    let before = if from > 0 { "..." } else { "" };
    let after = if to < text.len() { "..." } else { "" };
    let part = text.get(from..to).unwrap_or_default();
    let start = before.len() + shown.span.start - from;
    let end = before.len() + text.ceil_char_boundary(marked).min(to) - from;
    Shown { text: format!("{before}{part}{after}"), span: start..end, moved: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest;
    use crate::model::host::HostSettings;

    fn file(text: &str) -> SourceFile {
        SourceFile {
            name: "a.yaml".into(),
            path: "a.yaml".into(),
            bytes: text.as_bytes().into(),
            layer: None,
            fault: None,
        }
    }

    fn shown(text: &str) -> String {
        let files = [file(text)];
        let problems = manifest::read(&files, &HostSettings::default()).problems;
        let renderer = Renderer::new(&files, &problems, Style::Plain);
        problems.iter().map(|problem| renderer.render(problem)).collect()
    }

    #[test]
    fn a_problem_is_shown_with_its_line_and_a_caret() {
        let text = shown("apiVersion: mailplumb/v1\nkind: Mailboxx\n");
        assert!(text.contains("error[MP0022]: this `kind` is not known\n"), "{text}");
        assert!(text.contains("--> a.yaml:2:7\n"), "{text}");
        assert!(text.contains("2 | kind: Mailboxx\n"), "{text}");
        assert!(text.contains("did you mean `Mailbox`?"), "{text}");
    }

    #[test]
    fn a_plaintext_secret_is_shown_nowhere() {
        let head = "apiVersion: mailplumb/v1\nkind: Secret\nmetadata: { name: x }\n";
        for spec in [
            "spec:\n  values:\n    x: hunter2\n",
            "spec: { values: { x: hunter2, y: { sealdTo: [] }, z: {} } }\n",
            "spec: { values: { x: { value: hunter2 } } }\n",
            "spec: { values: { x: [hunter2] } }\n",
            "spec: { values: hunter2 }\n",
            "spec: { value: { x: hunter2 } }\n",
            "spec: { values: { x: { age: hunter2 } } }\n",
            "spec: { values: { x: !age hunter2 } }\n",
            "spec: { values: { x: &a hunter2 } }\n",
            "spec:\n  values:\n    x: 'hunter2\n",
            "spec:\n  values:\n    x: hunter2: y\n",
            "spec:\n  values:\n    x: |\n      hunter2\n",
        ] {
            let text = shown(&format!("{head}{spec}"));
            assert!(text.contains("error["), "{spec}{text}");
            assert!(!text.contains("hunter2"), "{spec}{text}");
        }
    }

    #[test]
    fn a_password_on_the_line_of_another_problem_is_masked() {
        let text = shown("a: 1\nb: [1\n\"password\": hunter2, x: [\n");
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let text = shown(&format!("apiVersion: mailplumb/v1\nkind: {{ {}: 1 }}\n", "ü".repeat(5000)));
        assert!(text.lines().all(|line| line.chars().count() < 400), "{text}");
        let shown = cut(&Shown { text: "x".repeat(1000), span: 500..510, moved: false });
        assert_eq!((shown.text.len(), shown.span), (136, 63..73));
    }

    #[test]
    fn places_move_with_the_masks_before_them() {
        let shown = masked("a: b, c: d", 9..10, vec![3..4, 3..4]);
        assert_eq!((shown.text.as_str(), &shown.text[shown.span.clone()]), ("a: ********, c: d", "d"));
        let shown = masked("a: b, c: d", 3..4, vec![3..4, 9..10]);
        assert_eq!(
            (&shown.text[shown.span.clone()], shown.text.as_str()),
            (MASK, "a: ********, c: ********")
        );
    }
}
