//! Where a problem stands, as other programs want it: a path from where the command runs, and an end.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use crate::manifest::LineIndex;
use crate::model::problem::{Origin, Problem, SourceFile};

/// The files that problems stand in, with one line index each.
#[derive(Debug)]
pub struct Places<'f> {
    files: BTreeMap<&'f str, (String, LineIndex, &'f [u8])>,
}

/// A stretch of a file. Lines and columns count from 1, columns in characters; the end is behind the last character.
#[derive(Debug, PartialEq, Eq)]
pub struct Region {
    /// From the directory in which the command runs, with `/`, where it is below that; else absolute.
    pub path: String,
    pub line: u32,
    pub column: u32,
    pub end_line: u32,
    pub end_column: u32,
}

impl<'f> Places<'f> {
    pub fn new(files: &'f [SourceFile], problems: &[Problem]) -> Self {
        let places = problems.iter().flat_map(|it| it.origin.iter().chain(it.related.iter().map(|it| &it.0)));
        let named: std::collections::BTreeSet<&str> = places.map(|origin| &*origin.file).collect();
        let here = std::env::current_dir().unwrap_or_default();
        let shown = files.iter().filter(|file| named.contains(&*file.name));
        let indexed = shown.map(|file| {
            let path = relative(&file.path, &here);
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

/// `./mail/a.yaml` → `mail/a.yaml`; a path below `here` → relative to it.
fn relative(path: &Path, here: &Path) -> String {
    let path = path.strip_prefix(here).unwrap_or(path);
    let parts = path.components().filter(|part| *part != Component::CurDir);
    parts.collect::<std::path::PathBuf>().to_string_lossy().into_owned()
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
