//! Where a problem stands, as other programs want it: a path from where the command runs, and an end.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::manifest::LineIndex;
use crate::model::problem::{Origin, Problem, SourceFile};
use crate::secrets::environment::Environment;

/// The files that problems stand in, with one line index each.
#[derive(Debug)]
pub struct Places<'f> {
    files: BTreeMap<&'f str, (String, LineIndex, &'f [u8])>,
}

/// A stretch of a file. Lines and columns count from 1, columns in characters; the end is behind the last character.
#[derive(Debug, PartialEq, Eq)]
pub struct Region {
    /// With `/`, from the directory that paths are told from where it is below that; else as it was named.
    pub path: String,
    pub line: u32,
    pub column: u32,
    pub end_line: u32,
    pub end_column: u32,
}

impl<'f> Places<'f> {
    #[cfg(test)]
    pub fn new(files: &'f [SourceFile], problems: &[Problem]) -> Self {
        Self::within(&here(), files, problems)
    }

    /// With paths from `base` on.
    pub fn within(base: &Path, files: &'f [SourceFile], problems: &[Problem]) -> Self {
        let places = problems.iter().flat_map(|it| it.origin.iter().chain(it.related.iter().map(|it| &it.0)));
        let named: std::collections::BTreeSet<&str> = places.map(|origin| &*origin.file).collect();
        let shown = files.iter().filter(|file| named.contains(&*file.name));
        let indexed = shown.map(|file| {
            let path = relative(&file.path, base);
            (&*file.name, (path, LineIndex::new(&file.bytes), &*file.bytes))
        });
        Self { files: indexed.collect() }
    }

    pub fn region(&self, origin: &Origin) -> Region {
        let (line, column) = (origin.line, origin.column);
        let Some((path, lines, bytes)) = self.files.get(&*origin.file) else {
            let path = origin.file.to_string();
            return Region { path, line, column, end_line: line, end_column: column };
        };
        let (end_line, end_column) = lines.position(bytes, origin.end.max(origin.start));
        Region { path: path.clone(), line, column, end_line, end_column }
    }
}

/// The directory in which the command runs.
pub fn here() -> PathBuf {
    std::env::current_dir().unwrap_or_default()
}

/// What GitHub takes paths from: the workspace of the job, else the root of the git repository, else where the command runs.
pub fn repository(environment: &Environment) -> PathBuf {
    let here = here();
    let workspace = environment.variable("GITHUB_WORKSPACE").map(PathBuf::from);
    let workspace = workspace.and_then(|path| path.canonicalize().ok()).filter(|path| here.starts_with(path));
    let root = || here.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_owned);
    workspace.or_else(root).unwrap_or(here)
}

/// `./mail/a.yaml` → `mail/a.yaml`; a path below `base` → relative to it.
fn relative(path: &Path, base: &Path) -> String {
    let found = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let path = found.strip_prefix(base).or_else(|_| path.strip_prefix(base)).unwrap_or(path);
    let parts = path.components().filter(|part| *part != Component::CurDir);
    parts.collect::<PathBuf>().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_where_the_command_runs() {
        let here = Path::new("/repository");
        assert_eq!(relative(Path::new("./mail/a.yaml"), here), "mail/a.yaml");
        assert_eq!(relative(Path::new("/repository/mail/a.yaml"), here), "mail/a.yaml");
        assert_eq!(relative(Path::new("/elsewhere/a.yaml"), here), "/elsewhere/a.yaml");
    }

    #[test]
    fn an_end_is_behind_the_last_character() {
        let (files, problems) = super::super::problems_of("apiVersion: mailplumb/v1\nkind: Mälbox\n");
        let places = Places::new(&files, &problems);
        let found = problems.iter().find(|problem| problem.code == "MP0022").unwrap();
        let region = places.region(found.origin.as_ref().unwrap());
        assert_eq!((region.line, region.column, region.end_line, region.end_column), (2, 7, 2, 13));
    }
}
