//! The symbolic links by which a path is reached: whoever switches one of them changes what the path means.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// As many as Linux follows.
const LINKS_MAX: usize = 40;

/// Each link on the way, as its real folder and its name there, in the order in which they are met.
pub fn on_the_way(path: &Path) -> Vec<(PathBuf, OsString)> {
    let mut links = Vec::new();
    let Ok(mut path) = std::path::absolute(path) else { return links };
    while links.len() < LINKS_MAX {
        let Some(link) = first_link(&path) else { break };
        let (Some(folder), Some(name)) = (link.parent(), link.file_name()) else { break };
        let (Ok(folder), Ok(target)) = (folder.canonicalize(), link.read_link()) else { break };
        let Ok(rest) = path.strip_prefix(&link) else { break };
        let next = folder.join(target);
        links.push((folder, name.to_owned()));
        // Joined with nothing it would end in a slash, behind which the system follows a link by itself.
        path = if rest.as_os_str().is_empty() { next } else { next.join(rest) };
    }
    links
}

/// The first part of a path that is a link.
fn first_link(path: &Path) -> Option<PathBuf> {
    let mut parts: Vec<&Path> = path.ancestors().collect();
    parts.reverse();
    parts.into_iter().find(|part| part.is_symlink()).map(Path::to_owned)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_link_on_the_way_is_found_and_a_circle_ends() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("rev-a/mail")).unwrap();
        symlink("rev-a", root.join("now")).unwrap();
        symlink("now", root.join("current")).unwrap();
        let names = |path: &str| -> Vec<OsString> {
            on_the_way(&root.join(path)).into_iter().map(|(_, name)| name).collect()
        };
        assert_eq!(names("current/mail"), ["current", "now"]);
        assert_eq!(names("current"), ["current", "now"]);
        assert_eq!(names("rev-a/mail"), Vec::<OsString>::new());
        symlink("circle", root.join("circle")).unwrap();
        assert_eq!(names("circle").len(), LINKS_MAX);
    }
}
