//! What is measured: each case is a command, and what has to be put in place before it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mailplumb::store::sqlite::{Open, SqliteStore};

use crate::generate::{self, Layout, Version};
use crate::measure::{self, Usage, Work};

/// One line of the report.
pub struct Case {
    pub name: &'static str,
    pub mailboxes: usize,
    pub layout: Layout,
    pub work: Work,
    pub prepare: Prepare,
    pub runs: Vec<Usage>,
}

/// What is put in place before each run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prepare {
    Nothing,
    /// What the last reading remembers is removed.
    ForgetReading,
    /// Manifest and store are as they were applied, and remembered; then one mailbox of a hundred is changed.
    Change,
    /// As [`Prepare::Change`], and the plan of the change is saved.
    SavePlan,
    ForgetStore,
    /// What was read is remembered.
    Remember,
}

/// A manifest with its store, in a folder of its own.
pub struct Estate {
    pub folder: PathBuf,
    pub mailboxes: usize,
    pub layout: Layout,
}

impl Estate {
    /// Written, applied, and with all tests passed.
    pub fn applied(scratch: &Path, mailboxes: usize, layout: Layout) -> io::Result<Self> {
        let estate = Self::written(scratch, mailboxes, layout)?;
        estate.run(&["apply", "--auto-approve", "--tests", "defer"])?;
        estate.pass_tests()?;
        fs::copy(estate.state(), estate.backup())?;
        estate.run(&["plan"])?;
        Ok(estate)
    }

    fn written(scratch: &Path, mailboxes: usize, layout: Layout) -> io::Result<Self> {
        let folder = scratch.join(format!("{}-{mailboxes}", layout.key()));
        let estate = Self { folder, mailboxes, layout };
        estate.write(Version::First)?;
        Ok(estate)
    }

    pub fn write(&self, version: Version) -> io::Result<()> {
        generate::write(&self.folder, self.mailboxes, self.layout, version)
    }

    fn state(&self) -> PathBuf {
        self.folder.join(".mailplumb/state.db")
    }

    /// Beside the folder, so that it outlives the store.
    fn backup(&self) -> PathBuf {
        self.folder.with_extension("backup")
    }

    fn plan_file(&self) -> String {
        self.folder.with_extension("plan").display().to_string()
    }

    fn run(&self, arguments: &[&str]) -> io::Result<()> {
        measure::run(&self.mailplumb(arguments)).map(drop)
    }

    fn mailplumb(&self, arguments: &[&str]) -> Work {
        let folder = self.folder.display().to_string();
        let all: Vec<&str> = arguments.iter().copied().chain(["--file", &folder]).collect();
        Work::new(env!("CARGO_BIN_EXE_mailplumb"), &all)
    }

    /// There are no servers to test with, so the store is told that all tests passed. Its footings are derived anew.
    fn pass_tests(&self) -> io::Result<()> {
        let db = rusqlite::Connection::open(self.state()).map_err(io::Error::other)?;
        db.execute_batch(
            "UPDATE operations SET state = '\"enabled\"', proved = connection, tested_at = changed_at
             WHERE connection IS NOT NULL;
             DELETE FROM footings;
             PRAGMA wal_checkpoint(TRUNCATE);",
        )
        .map_err(io::Error::other)?;
        drop(db);
        SqliteStore::open(&self.state(), Open::Existing).map(drop).map_err(io::Error::other)
    }

    fn restore(&self) -> io::Result<()> {
        fs::create_dir_all(self.folder.join(".mailplumb"))?;
        for ending in ["-wal", "-shm"] {
            let _none = fs::remove_file(format!("{}{ending}", self.state().display()));
        }
        fs::copy(self.backup(), self.state()).map(drop)
    }

    pub fn prepare(&self, what: Prepare) -> io::Result<()> {
        match what {
            Prepare::Nothing => Ok(()),
            Prepare::Remember => self.run(&["plan"]),
            Prepare::ForgetReading => match fs::remove_file(self.folder.join(".mailplumb/reading.cache")) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                Ok(()) | Err(_) => Ok(()),
            },
            Prepare::Change => {
                self.restore()?;
                self.write(Version::First)?;
                self.run(&["plan"])?;
                self.write(Version::OnePercentChanged)
            }
            Prepare::SavePlan => {
                self.prepare(Prepare::Change)?;
                self.run(&["plan", "--out", &self.plan_file()])
            }
            Prepare::ForgetStore => {
                self.write(Version::First)?;
                let folder = self.folder.join(".mailplumb");
                let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
                fs::remove_dir_all(&folder)
                    .or_else(|error| if is_missing(&error) { Ok(()) } else { Err(error) })
            }
        }
    }

    fn case(&self, name: &'static str, work: Work, prepare: Prepare) -> Case {
        Case { name, mailboxes: self.mailboxes, layout: self.layout, work, prepare, runs: Vec::new() }
    }

    /// The bare floor, and reading and planning with nothing changed.
    pub fn reading(&self, own: &Path) -> Vec<Case> {
        let folder = self.folder.display().to_string();
        vec![
            self.case(EVENTS, Work::new(own, &["events", &folder]), Prepare::Nothing),
            self.case(STAT, Work::new(own, &["stat", &folder]), Prepare::Nothing),
            self.case(COLD, self.mailplumb(&["plan"]), Prepare::ForgetReading),
            self.case("plan, nothing changed, warm", self.mailplumb(&["plan"]), Prepare::Nothing),
        ]
    }

    /// What changes something, in an order in which each leaves the estate as the next expects it.
    pub fn changing(&self) -> Vec<Case> {
        let defer = ["apply", "--auto-approve", "--tests", "defer"];
        let saved = self.plan_file();
        vec![
            self.case("plan, 1 % changed, warm", self.mailplumb(&["plan"]), Prepare::Change),
            self.case(
                "apply a saved plan of 1 %, tests deferred",
                self.mailplumb(&["apply", &saved, "--tests", "defer"]),
                Prepare::SavePlan,
            ),
            self.case("create all, tests deferred", self.mailplumb(&defer), Prepare::ForgetStore),
            self.case(
                "plan, nothing changed, all tests wait, warm",
                self.mailplumb(&["plan"]),
                Prepare::Remember,
            ),
        ]
    }
}

pub const EVENTS: &str = "bare parser events over the same bytes";
pub const STAT: &str = "bare stat walk over the same files";
pub const COLD: &str = "plan, nothing changed, cold";

/// A file of 29 MB, read with and without twenty mistakes in it, and what showing them takes once it was read.
pub fn mistakes(scratch: &Path, own: &Path) -> io::Result<(Estate, Vec<Case>)> {
    const MAILBOXES: usize = 172_000;
    let estate = |name: &str| -> io::Result<Estate> {
        let estate = Estate { folder: scratch.join(name), mailboxes: MAILBOXES, layout: Layout::OneFile };
        estate.write(Version::First)?;
        Ok(estate)
    };
    let (faultless, broken) = (estate("faultless")?, estate("mistakes")?);
    misspell(&broken.folder.join("mail.yaml"))?;
    let shown = |estate: &Estate| estate.folder.display().to_string();
    let printed = Work::new(own, &["errors", &shown(&broken)]).printed();
    let case = |name, work| faultless.case(name, work, Prepare::Nothing);
    let cases = vec![
        case(EVENTS, Work::new(own, &["events", &shown(&faultless)])),
        case("validate 29 MB", faultless.mailplumb(&["validate"])),
        case("validate 29 MB with 20 errors", broken.mailplumb(&["validate"]).codes(&[1])),
        case("printing 20 errors of 29 MB, once it was read", printed),
    ];
    Ok((faultless, cases))
}

/// Twenty keys, spread over the file.
fn misspell(path: &Path) -> io::Result<()> {
    const MISTAKES: usize = 20;
    let mut text = fs::read_to_string(path)?;
    for nth in 0..MISTAKES {
        let at = text.len() / (MISTAKES + 1) * (nth + 1);
        if let Some(found) = text[at..].find("  approved:") {
            text.replace_range(at + found..at + found + 11, "  aproved: ");
        }
    }
    fs::write(path, text)
}
