//! `mailplumb fmt`

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use similar::{ChangeTag, TextDiff};

use super::context::{directories_of, shown};
use super::exit::{CHANGES, DONE, ERROR, Failure, Outcome};
use super::rewriting::{Folders, Rewrite};
use super::{Global, output, problems};
use crate::manifest;
use crate::manifest::codes::{Showing, showing};
use crate::manifest::format::{self, Order};
use crate::model::host::HostSettings;
use crate::model::limits;
use crate::model::problem::SourceFile;
use crate::source::Source;
use crate::source::directory::Directory;

/// Write the manifest's files in the canonical form, comments kept
///
/// Two spaces for each level, keys in the order of the reference, quotes only where some YAML reader needs them. Values, texts and
/// comments stay as they are. Prints the names of the files that it has written. A file that is not good YAML is reported and
/// left alone; CSV files are not touched.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb fmt\n  mailplumb fmt --check        # in a pipeline: 0 canonical, 2 not, 1 error\n  \
                        mailplumb fmt - < mail.yaml  # to stdout"
)]
pub struct Fmt {
    /// Format these files and folders, `-` for stdin [default: the manifest]
    #[arg(value_name = "FILES")]
    files: Vec<PathBuf>,
    /// Write nothing, show what would change, and exit with 2 if anything would
    #[arg(long)]
    check: bool,
    /// Write nothing and show what would change
    #[arg(long)]
    diff: bool,
}

/// What one file came to.
enum Formatted {
    Canonical,
    Changed(String),
    Refused,
}

impl Fmt {
    pub fn run(self, global: &Global) -> Outcome {
        if self.files.iter().any(|file| file == Path::new("-")) {
            return self.stdin();
        }
        // Between reading a file and writing it nobody else writes it.
        let mut folders =
            if self.writes() { Folders::hold(self.folders(global))? } else { Folders::default() };
        let files = self.yaml_files(global)?;
        let order = Order::of_manifest();
        let (mut changed, mut refused) = (0, 0);
        for file in &files {
            match formatted(file, &order) {
                Formatted::Canonical => {}
                Formatted::Refused => refused += 1,
                Formatted::Changed(text) => {
                    changed += 1;
                    self.settle(file, &text, &mut folders)?;
                }
            }
        }
        let all = output::counted(files.len(), "file", "files");
        output::talk(&match (changed, self.writes()) {
            (0, _) if refused == 0 => format!("{all} in canonical form"),
            (_, true) => format!("formatted {changed} of {all}"),
            (_, false) => format!("{changed} of {all} would be formatted; nothing was written"),
        });
        Ok(match (refused, changed) {
            (1.., _) => ERROR,
            (_, 1..) if self.check => CHANGES,
            (_, _) => DONE,
        })
    }

    fn writes(&self) -> bool {
        !self.check && !self.diff
    }

    fn yaml_files(&self, global: &Global) -> Result<Vec<SourceFile>, Failure> {
        let mut files = Vec::new();
        if self.files.is_empty() {
            files = global.source().load()?;
        }
        for path in &self.files {
            files.extend(Directory::new(vec![path.clone()]).load()?);
        }
        let mut seen = BTreeSet::new();
        let is_yaml = |file: &SourceFile| file.name.ends_with(".yaml") || file.name.ends_with(".yml");
        files.retain(|file| is_yaml(file) && seen.insert(file.path.clone()));
        Ok(files)
    }

    fn folders(&self, global: &Global) -> Vec<PathBuf> {
        if self.files.is_empty() { global.directories() } else { directories_of(&self.files) }
    }

    fn settle(&self, file: &SourceFile, text: &str, folders: &mut Folders) -> Result<(), Failure> {
        if self.writes() {
            let (before, after) = (Some(&*file.bytes), text.as_bytes());
            folders.replace(&[Rewrite { path: &file.path, before, after }])?;
            return output::data(&shown(&file.path));
        }
        output::data(&difference(file, &shown(&file.path), text))
    }

    fn stdin(&self) -> Outcome {
        if self.files.len() > 1 {
            return Err(Failure::new("`-` cannot be formatted together with files").code(super::exit::USAGE));
        }
        let mut bytes = Vec::new();
        let limit = limits::MANIFEST_FILE_BYTES_MAX;
        std::io::stdin()
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::new("stdin cannot be read").cause(error))?;
        let file = SourceFile {
            name: "stdin.yaml".into(),
            path: PathBuf::from("-"),
            bytes: bytes.into(),
            layer: None,
            fault: None,
        };
        let formatted = formatted(&file, &Order::of_manifest());
        match (&formatted, self.writes()) {
            (Formatted::Refused, _) => return Ok(ERROR),
            (Formatted::Canonical, true) => output::bytes(&file.bytes)?,
            (Formatted::Changed(text), true) => output::bytes(text.as_bytes())?,
            (Formatted::Canonical, false) => {}
            (Formatted::Changed(text), false) => output::data(&difference(&file, "stdin", text))?,
        }
        Ok(if self.check && matches!(formatted, Formatted::Changed(_)) { CHANGES } else { DONE })
    }
}

/// Formats a file; what stands in the way is printed.
fn formatted(file: &SourceFile, order: &Order) -> Formatted {
    match format::format(file, order) {
        Ok(text) if text.as_bytes() == &*file.bytes => Formatted::Canonical,
        Ok(text) => Formatted::Changed(text),
        Err(found) => {
            problems::print(&found, std::slice::from_ref(file));
            Formatted::Refused
        }
    }
}

/// A unified difference in colour. What may be a secret in plain text is not shown.
fn difference(file: &SourceFile, name: &str, after: &str) -> String {
    let found = manifest::read(std::slice::from_ref(file), &HostSettings::default()).problems;
    if found.iter().any(|problem| showing(&problem.code) != Showing::Source) {
        return format!(
            "{name}: not shown, because a secret may stand in it in plain text; see `mailplumb validate`\n"
        );
    }
    let before = String::from_utf8_lossy(&file.bytes);
    let mut configuration = TextDiff::configure();
    configuration.timeout(Duration::from_secs(5));
    let difference = configuration.diff_lines(&*before, after);
    let mut text = format!("--- {name}\n+++ {name} (formatted)\n");
    for hunk in difference.unified_diff().context_radius(3).iter_hunks() {
        text.push_str(&format!("{}\n", hunk.header()));
        for change in hunk.iter_changes() {
            let line = problems::without_passwords(change.value().trim_end_matches(['\n', '\r']));
            let (sign, style) = match change.tag() {
                ChangeTag::Delete => ('-', output::BAD),
                ChangeTag::Insert => ('+', output::GOOD),
                ChangeTag::Equal => (' ', output::FAINT),
            };
            text.push_str(&format!("{style}{sign}{line}{style:#}\n"));
        }
    }
    text
}
