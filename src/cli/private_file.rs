//! Files that are written for their owner only: there whole or not at all. What is no file is written into as it is.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::context::shown;
use super::exit::{Failure, next_step};

/// Writes `what` in the place of an older file: whoever reads it sees the old one or the new one.
pub fn replace(path: &Path, octets: &[u8], what: &str) -> Result<(), Failure> {
    written(path, octets).map_err(|error| {
        let hint = next_step(error.kind()).unwrap_or("name a place where this user may write");
        Failure::new(format!("{what} cannot be written into `{}`", shown(path))).cause(error).hint(hint)
    })
}

fn written(path: &Path, octets: &[u8]) -> io::Result<()> {
    match place(path)? {
        Place::File(path) => replaced(&path, octets),
        Place::Open => OpenOptions::new().write(true).open(path)?.write_all(octets),
    }
}

const OPEN_FILES: [&str; 5] = ["/proc", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr"];

/// Where the octets go.
enum Place {
    /// A file, which is there or is not.
    File(PathBuf),
    /// A pipe, a terminal, a device: whoever reads it has it open, and it must not be replaced.
    Open,
}

fn place(path: &Path) -> io::Result<Place> {
    // What the system shows as files there are the open ones of a process, whatever they are.
    let is_open = OPEN_FILES.iter().any(|folder| path.starts_with(folder));
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        // Behind a link, the file that it leads to.
        Ok(found) if found.is_file() && !is_open => Ok(Place::File(path.canonicalize()?)),
        Ok(_) => Ok(Place::Open),
        // Nothing is there, or a link that leads nowhere.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() && !is_open => {
            Ok(Place::File(path.to_owned()))
        }
        Err(error) => Err(error),
    }
}

fn replaced(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let mut options = OpenOptions::new();
    let written = options.write(true).create_new(true).mode(0o600).open(&beside).and_then(|mut file| {
        file.write_all(octets)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_is_replaced_also_behind_a_link_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a.plan"), folder.path().join("latest"));
        replace(&file, b"one", "the plan").unwrap();
        symlink("a.plan", &link).unwrap();
        replace(&link, b"two", "the plan").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        symlink("nowhere", folder.path().join("dangling")).unwrap();
        assert!(replace(&folder.path().join("dangling"), b"x", "the plan").is_err());
    }

    #[test]
    fn a_pipe_stays_a_pipe_and_its_reader_gets_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::read(pipe).unwrap()
        });
        replace(&pipe, b"the plan", "the plan").unwrap();
        assert_eq!(reader.join().unwrap(), b"the plan");
        assert!(std::fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
        for open in ["/dev/null", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/2"] {
            assert!(matches!(place(Path::new(open)), Ok(Place::Open)), "{open}");
        }
    }
}
