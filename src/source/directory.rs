//! A manifest in a directory, in a single file, or in several of them as layers.

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cache::{self, Begun, Cache};
use super::{Source, SourceError, git, layers};
use crate::model::limits;
use crate::model::problem::{Extent, FileStamp, FoundFile, Layer, SourceFile};

/// What a manifest may consist of: documents, tables of mailboxes, sealed bundles, certificates.
const ENDINGS: [&str; 6] = ["yaml", "yml", "csv", "age", "crt", "pem"];

/// One or several paths, each a directory or a file. Several are layers, of which a later one wins over an earlier one.
/// They are read in the order given; inside a directory the order is that of the names, so that two readings of the same
/// files are equal.
#[derive(Debug, Clone)]
pub struct Directory {
    paths: Vec<PathBuf>,
    cache: Option<Cache>,
}

impl Directory {
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self { paths, cache: None }
    }

    /// Remembers readings in this file, which nobody else may read or write.
    pub fn remembering(self, path: PathBuf) -> Self {
        Self { cache: Some(Cache::new(path)), ..self }
    }

    fn found(
        &self,
        begun: Option<Begun>,
        known: &dyn Fn(&str) -> Option<FileStamp>,
    ) -> Result<Vec<FoundFile>, SourceError> {
        let mut reading = Reading { files: Vec::new(), folders: 0, bytes: 0, layer: None, begun, known };
        for (path, layer) in self.paths.iter().zip(layers::of(&self.paths)?) {
            let before = reading.files.len();
            reading.layer = layer;
            reading.root(path)?;
            if !reading.files[before..].iter().any(|found| is_yaml(&found.file.path)) {
                return Err(SourceError::Empty(path.clone()));
            }
        }
        Ok(reading.files)
    }
}

impl Source for Directory {
    /// Reads every file each time.
    fn load(&self) -> Result<Vec<SourceFile>, SourceError> {
        let files = self.found(None, &|_| None)?.into_iter().map(|found| found.file);
        let readable = |file: SourceFile| match &file.fault {
            Some(fault) => Err(SourceError::Unreadable { path: file.path, detail: fault.to_string() }),
            None => Ok(file),
        };
        files.map(readable).collect()
    }

    fn load_changed(&self, known: &dyn Fn(&str) -> Option<FileStamp>) -> Result<Vec<FoundFile>, SourceError> {
        self.found(self.cache.as_ref().and_then(Cache::begin), known)
    }

    fn write_lock(&self) -> Option<PathBuf> {
        self.paths.iter().find_map(|path| git::index_lock(path))
    }

    fn remembers(&self) -> bool {
        self.cache.is_some()
    }

    fn recall(&self) -> Option<Vec<u8>> {
        self.cache.as_ref()?.read()
    }

    fn remember(&self, bytes: &[u8]) {
        if let Some(cache) = &self.cache {
            cache.write(bytes);
        }
    }
}

/// Whether an entry of this name is left out of a manifest: hidden files and folders (`.git`, `.mailplumb`, the `..data`
/// of a mounted ConfigMap, whose files are reached by links beside it) and build output.
pub(super) fn is_left_out(name: &str) -> bool {
    name.starts_with('.') || name == "target"
}

/// Whether a file of this name can be part of a manifest.
pub(super) fn is_manifest_file(path: &Path) -> bool {
    has_ending(path, &ENDINGS)
}

fn is_yaml(path: &Path) -> bool {
    has_ending(path, &["yaml", "yml"])
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| endings.iter().any(|known| known.eq_ignore_ascii_case(ending)))
}

struct Reading<'k> {
    files: Vec<FoundFile>,
    /// Folders met so far.
    folders: usize,
    bytes: u64,
    layer: Option<Arc<Layer>>,
    /// `None`: nothing will be remembered.
    begun: Option<Begun>,
    known: &'k dyn Fn(&str) -> Option<FileStamp>,
}

impl Reading<'_> {
    fn root(&mut self, path: &Path) -> Result<(), SourceError> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(SourceError::Missing(path.to_owned()));
            }
            Err(error) => return Err(unreadable(path, &error)),
        };
        let label = self.layer.as_ref().map(|layer| Arc::clone(&layer.label));
        if metadata.is_dir() {
            let prefix = label.map_or_else(String::new, |label| format!("{label}/"));
            return self.folder(path, &prefix, 0);
        }
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        self.file(path, label.as_deref().unwrap_or(&name), &metadata)
    }

    fn folder(&mut self, path: &Path, prefix: &str, depth: usize) -> Result<(), SourceError> {
        self.folders += 1;
        if self.folders > limits::MANIFEST_FOLDERS_MAX {
            let detail = format!("there are more than {} folders", limits::MANIFEST_FOLDERS_MAX);
            return Err(SourceError::Unreadable { path: path.to_owned(), detail });
        }
        if depth > limits::MANIFEST_FOLDER_DEPTH_MAX {
            let detail = format!("folders are nested deeper than {}", limits::MANIFEST_FOLDER_DEPTH_MAX);
            return Err(SourceError::Unreadable { path: path.to_owned(), detail });
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(path).map_err(|error| unreadable(path, &error))? {
            let entry = entry.map_err(|error| unreadable(path, &error))?;
            entries.push((entry.file_name().to_string_lossy().into_owned(), entry));
        }
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        for (name, entry) in entries.iter().filter(|(name, _)| !is_left_out(name)) {
            self.entry(entry, &format!("{prefix}{name}"), depth)?;
        }
        Ok(())
    }

    /// Links are followed, also out of the directory; one that leads back to a folder that it is in adds nothing.
    fn entry(&mut self, entry: &fs::DirEntry, name: &str, depth: usize) -> Result<(), SourceError> {
        let path = entry.path();
        if name.contains(char::is_control) {
            // It would be printed beside every problem, and a line feed begins a line that looks like another one.
            let shown: String = name.escape_debug().collect();
            return self.refused(&path, &shown, "its name has a control character in it".to_owned());
        }
        let kind = entry.file_type().map_err(|error| unreadable(&path, &error))?;
        if kind.is_dir() {
            return self.folder(&path, &format!("{name}/"), depth + 1);
        }
        if kind.is_symlink() && path.is_dir() {
            return self.linked_folder(&path, name, depth);
        }
        if !is_manifest_file(&path) {
            return Ok(());
        }
        if entry.file_name().to_str().is_none() {
            return self.refused(&path, name, "its name is not UTF-8 text".to_owned());
        }
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(metadata) => self.file(&path, name, &metadata),
            Err(error) if kind.is_symlink() => {
                self.refused(&path, name, format!("it is a link that leads to no file ({error})"))
            }
            Err(error) => self.refused(&path, name, error.to_string()),
        }
    }

    fn linked_folder(&mut self, path: &Path, name: &str, depth: usize) -> Result<(), SourceError> {
        let real = |path: &Path| fs::canonicalize(path).map_err(|error| unreadable(path, &error));
        let (target, holder) = (real(path)?, real(path.parent().unwrap_or(path))?);
        if holder.starts_with(&target) {
            return Ok(());
        }
        self.folder(path, &format!("{name}/"), depth + 1)
    }

    fn file(&mut self, path: &Path, name: &str, metadata: &Metadata) -> Result<(), SourceError> {
        if !metadata.is_file() {
            return self.refused(path, name, "it is not a regular file".to_owned());
        }
        let stamp = cache::stamp(metadata);
        let is_known = is_yaml(path) && (self.known)(name) == Some(stamp);
        let (bytes, extent) = if is_known {
            (Vec::new(), Extent::Unread)
        } else {
            match content(path, metadata) {
                Ok(bytes) => (bytes, Extent::Whole),
                Err(fault) => return self.refused(path, name, fault),
            }
        };
        self.bytes += if is_known { stamp.bytes } else { bytes.len() as u64 };
        if self.bytes > limits::MANIFEST_BYTES_MAX {
            return Err(SourceError::TooLarge(limits::MANIFEST_BYTES_MAX));
        }
        let stamp = if is_known { Some(stamp) } else { self.begun.and_then(|begun| begun.lasting(stamp)) };
        let file = self.source(path, name, bytes, None);
        self.push(FoundFile { file, stamp, extent })
    }

    /// A file that cannot be read is one problem of the manifest among others.
    fn refused(&mut self, path: &Path, name: &str, fault: String) -> Result<(), SourceError> {
        let file = self.source(path, name, Vec::new(), Some(fault.into()));
        self.push(FoundFile { file, stamp: None, extent: Extent::Whole })
    }

    fn source(&self, path: &Path, name: &str, bytes: Vec<u8>, fault: Option<Arc<str>>) -> SourceFile {
        let layer = self.layer.clone();
        SourceFile { name: Arc::from(name), path: path.to_owned(), bytes: bytes.into(), layer, fault }
    }

    fn push(&mut self, found: FoundFile) -> Result<(), SourceError> {
        if self.files.len() == limits::MANIFEST_FILES_MAX {
            return Err(SourceError::TooMany(limits::MANIFEST_FILES_MAX));
        }
        self.files.push(found);
        Ok(())
    }
}

/// The words say why it cannot be read.
fn content(path: &Path, metadata: &Metadata) -> Result<Vec<u8>, String> {
    let too_large = || {
        let limit = limits::MANIFEST_FILE_BYTES_MAX / (1024 * 1024);
        format!("it is larger than {limit} MiB; split it, or put mailboxes of one kind into a CSV file")
    };
    if metadata.len() > limits::MANIFEST_FILE_BYTES_MAX {
        return Err(too_large());
    }
    // One more than expected, so that the end is found without growing.
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len() + 1).unwrap_or_default());
    File::open(path)
        .and_then(|file| file.take(limits::MANIFEST_FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > limits::MANIFEST_FILE_BYTES_MAX { Err(too_large()) } else { Ok(bytes) }
}

fn unreadable(path: &Path, error: &std::io::Error) -> SourceError {
    SourceError::Unreadable { path: path.to_owned(), detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files; the text of each is its own name.
    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        folder
    }

    fn load(path: &Path) -> Result<Vec<(String, String)>, SourceError> {
        let shown =
            |file: SourceFile| (file.name.to_string(), String::from_utf8_lossy(&file.bytes).into_owned());
        Ok(Directory::new(vec![path.to_owned()]).load()?.into_iter().map(shown).collect())
    }

    fn names(path: &Path) -> Vec<String> {
        load(path).unwrap().into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn files_come_sorted_with_names_relative_to_the_directory() {
        let folder = folder(&["b.yaml", "a/z.yml", "a/c.csv", "ca.pem", "README.md", "notes.txt", "s.age"]);
        assert_eq!(names(folder.path()), ["a/c.csv", "a/z.yml", "b.yaml", "ca.pem", "s.age"]);
    }

    #[test]
    fn hidden_entries_state_and_build_output_are_left_out() {
        let folder = folder(&["a.yaml", ".hidden.yaml", ".mailplumb/b.yaml", ".git/c.yaml", "target/d.yaml"]);
        assert_eq!(names(folder.path()), ["a.yaml"]);
    }

    #[test]
    fn a_single_file_is_a_manifest() {
        let folder = folder(&["sub/a.yaml", "b.yaml"]);
        assert_eq!(names(&folder.path().join("sub/a.yaml")), ["a.yaml"]);
    }

    #[test]
    fn a_directory_without_yaml_and_a_missing_one_are_errors() {
        let folder = folder(&["a.csv"]);
        assert!(matches!(load(folder.path()), Err(SourceError::Empty(_))));
        assert!(matches!(load(&folder.path().join("absent")), Err(SourceError::Missing(_))));
    }

    /// Names, names inside of their layer, and the layers' numbers.
    fn layered(folder: &Path, layers: &[&str]) -> Result<Vec<(String, String, u16)>, SourceError> {
        let files = Directory::new(layers.iter().map(|layer| folder.join(layer)).collect()).load()?;
        let shown =
            |file: &SourceFile| (file.name.to_string(), file.name_in_layer().to_owned(), file.layer_number());
        Ok(files.iter().map(shown).collect())
    }

    #[test]
    fn files_of_several_layers_are_told_apart_by_the_names_of_their_layers() {
        let folder = folder(&["base/a.yaml", "base/sub/b.csv", "over/prod/a.yaml", "last.yaml"]);
        let expected = [
            ("base/a.yaml", "a.yaml", 0),
            ("base/sub/b.csv", "sub/b.csv", 0),
            ("over/prod/a.yaml", "a.yaml", 1),
            ("last.yaml", "last.yaml", 2),
        ];
        let expected: Vec<_> =
            expected.into_iter().map(|(name, inner, layer)| (name.into(), inner.into(), layer)).collect();
        assert_eq!(layered(folder.path(), &["base", "./over/../over/prod/", "last.yaml"]).unwrap(), expected);
    }

    #[test]
    fn layers_that_overlap_and_a_layer_without_yaml_are_errors() {
        let folder = folder(&["base/a.yaml", "base/sub/b.yaml", "over/c.csv"]);
        let refused = |layers: &[&str]| layered(folder.path(), layers).unwrap_err();
        assert!(matches!(refused(&["base", "base/"]), SourceError::Twice(_)));
        assert!(matches!(refused(&["base", "base/sub"]), SourceError::Overlap { .. }));
        assert!(
            matches!(refused(&["base/sub/b.yaml", "base"]), SourceError::Overlap { outer, .. } if outer.ends_with("base"))
        );
        assert!(matches!(refused(&["base", "absent"]), SourceError::Missing(_)));
        assert!(matches!(refused(&["base", "over"]), SourceError::Empty(path) if path.ends_with("over")));
    }

    #[cfg(unix)]
    #[test]
    fn the_same_layer_behind_a_link_is_recognised_and_links_keep_their_names() {
        use std::os::unix::fs::symlink;
        let folder = folder(&["releases/1/a.yaml", "over/a.yaml"]);
        symlink("releases/1", folder.path().join("current")).unwrap();
        assert!(matches!(layered(folder.path(), &["current", "releases/1"]), Err(SourceError::Twice(_))));
        let names: Vec<_> =
            layered(folder.path(), &["current", "over"]).unwrap().into_iter().map(|it| it.0).collect();
        assert_eq!(names, ["current/a.yaml", "over/a.yaml"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_to_files_are_followed_as_a_mounted_config_map_needs() {
        use std::os::unix::fs::symlink;
        let folder = folder(&["..2026_01/a.yaml", "..2026_02/a.yaml"]);
        let at = |name: &str| folder.path().join(name);
        symlink("..2026_01", at("..data")).unwrap();
        symlink("..data/a.yaml", at("a.yaml")).unwrap();
        assert_eq!(load(folder.path()).unwrap(), [("a.yaml".to_owned(), "..2026_01/a.yaml".to_owned())]);
        symlink("..2026_02", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert_eq!(load(folder.path()).unwrap(), [("a.yaml".to_owned(), "..2026_02/a.yaml".to_owned())]);
    }

    #[cfg(unix)]
    #[test]
    fn links_to_folders_are_followed() {
        use std::os::unix::fs::symlink;
        let folder = folder(&["m/a.yaml", "shared/team/b.yaml", "shared/team/deep/c.yaml"]);
        symlink("../shared/team", folder.path().join("m/team")).unwrap();
        assert_eq!(names(&folder.path().join("m")), ["a.yaml", "team/b.yaml", "team/deep/c.yaml"]);
        symlink("../../m", folder.path().join("shared/team/back")).unwrap();
        let refused = load(&folder.path().join("m"));
        assert!(matches!(refused, Err(SourceError::Unreadable { detail, .. }) if detail.contains("nested")));
    }

    #[test]
    fn endings_are_read_whatever_their_case() {
        let folder = folder(&["a.YAML", "B.Yml", "c.CSV"]);
        assert_eq!(names(folder.path()), ["B.Yml", "a.YAML", "c.CSV"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_in_a_circle_end_and_a_dangling_link_is_an_error() {
        use std::os::unix::fs::symlink;
        let folder = folder(&["a.yaml", "sub/b.yaml"]);
        symlink("..", folder.path().join("sub/up")).unwrap();
        symlink("..", folder.path().join("sub/up.yaml")).unwrap();
        assert_eq!(names(folder.path()), ["a.yaml", "sub/b.yaml"]);
        symlink("absent.yaml", folder.path().join("c.yaml")).unwrap();
        assert!(
            matches!(load(folder.path()), Err(SourceError::Unreadable { path, .. }) if path.ends_with("c.yaml"))
        );
    }

    #[test]
    fn folders_that_are_nested_too_deeply_are_an_error() {
        let deep = format!("{}a.yaml", "d/".repeat(limits::MANIFEST_FOLDER_DEPTH_MAX + 1));
        assert!(matches!(load(folder(&[&deep]).path()), Err(SourceError::Unreadable { .. })));
        let allowed = format!("{}a.yaml", "d/".repeat(limits::MANIFEST_FOLDER_DEPTH_MAX));
        assert!(load(folder(&[&allowed]).path()).is_ok());
    }

    #[test]
    fn a_file_above_the_limit_is_an_error() {
        let folder = folder(&["a.yaml"]);
        let file = File::options().write(true).open(folder.path().join("a.yaml")).unwrap();
        file.set_len(limits::MANIFEST_FILE_BYTES_MAX + 1).unwrap();
        let refused = load(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("larger than 64 MiB"), "{refused}");
    }
}
