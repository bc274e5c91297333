//! `cargo bench --bench plan`: what reading, planning and applying cost, written into `docs/performance-plan.md`.
//!
//! Options: `--max N` leaves larger manifests out, `--runs N` (default 5), `--no-peers`, `--out FILE`, `--scratch FOLDER` (kept).
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own that prints figures")]

mod errors;
mod floor;
mod generate;
mod measure;
mod peers;
mod report;
mod scenarios;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use generate::{Layout, Version};
use report::{Circumstances, PeerLine};
use scenarios::{Case, Estate, Prepare};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["rusage", ..] => return measure::rusage(&arguments[1..]),
        ["events", folder] => floor::events(Path::new(folder)).map(|events| println!("{events} events")),
        ["stat", folder] => floor::stat(Path::new(folder)).map(|bytes| println!("{bytes} bytes")),
        ["errors", folder] => errors::printed(Path::new(folder)).map(|usage| measure::print(0, usage)),
        ["generate", folder, mailboxes, layout] => generated(folder, mailboxes, layout),
        options => Options::parse(options).and_then(|options| options.measure()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes a manifest for looking at.
fn generated(folder: &str, mailboxes: &str, layout: &str) -> io::Result<()> {
    let layout = Layout::ALL.into_iter().find(|known| known.key() == layout);
    let layout =
        layout.ok_or_else(|| io::Error::other("a layout is one-file, team-files or file-per-mailbox"))?;
    let mailboxes = mailboxes.parse().map_err(io::Error::other)?;
    generate::write(Path::new(folder), mailboxes, layout, Version::First)
}

struct Options {
    max: usize,
    runs: usize,
    peers: bool,
    out: PathBuf,
    scratch: Option<PathBuf>,
    command: String,
}

impl Options {
    fn parse(words: &[&str]) -> io::Result<Self> {
        // Cargo adds `--bench`.
        let words: Vec<&str> = words.iter().copied().filter(|word| *word != "--bench").collect();
        let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance-plan.md");
        let mut options =
            Self { max: 100_000, runs: 5, peers: true, out, scratch: None, command: String::new() };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| io::Error::other(format!("{word} needs a value")));
            match word {
                "--max" => options.max = value()?.parse().map_err(io::Error::other)?,
                "--runs" => options.runs = value()?.parse().map_err(io::Error::other)?,
                "--out" => options.out = value()?.into(),
                "--scratch" => options.scratch = Some(value()?.into()),
                "--no-peers" => options.peers = false,
                other => return Err(io::Error::other(format!("unknown option {other}"))),
            }
        }
        options.command = options.command_to_repeat();
        Ok(options)
    }

    /// Without what only says where files are.
    fn command_to_repeat(&self) -> String {
        let mut command = "cargo bench --bench plan".to_owned();
        let shorter = [
            (self.max < 100_000).then(|| format!(" --max {}", self.max)),
            (self.runs != 5).then(|| format!(" --runs {}", self.runs)),
            (!self.peers).then(|| " --no-peers".to_owned()),
        ];
        let shorter: String = shorter.into_iter().flatten().collect();
        if !shorter.is_empty() {
            command = format!("{command} --{shorter}");
        }
        command
    }

    fn measure(self) -> io::Result<()> {
        let temporary = tempfile::tempdir()?;
        let scratch = self.scratch.clone().unwrap_or_else(|| temporary.path().to_owned());
        let own = std::env::current_exe()?;
        let mut cases = Vec::new();
        for mailboxes in [1000, 10_000, 100_000].into_iter().filter(|count| *count <= self.max) {
            let estate = Estate::applied(&scratch, mailboxes, Layout::TeamFiles)?;
            cases.extend(self.rounds(&estate, estate.reading(&own))?);
            cases.extend(self.rounds(&estate, estate.changing())?);
            for layout in [Layout::OneFile, Layout::FilePerMailbox] {
                let estate = Estate::applied(&scratch, mailboxes, layout)?;
                cases.extend(self.rounds(&estate, estate.reading(&own))?);
            }
        }
        if self.max >= 100_000 {
            let (estate, mistakes) = scenarios::mistakes(&scratch, &own)?;
            cases.extend(self.rounds(&estate, mistakes)?);
        }
        let peers = if self.peers { self.beside(&scratch) } else { Vec::new() };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let how = Circumstances { command: self.command.clone(), runs: self.runs, cores };
        std::fs::write(&self.out, report::markdown(&cases, &peers, &how))?;
        println!("written to {}", self.out.display());
        Ok(())
    }

    /// All cases by turns, so that what the machine does meanwhile meets all of them.
    fn rounds(&self, estate: &Estate, mut cases: Vec<Case>) -> io::Result<Vec<Case>> {
        for round in 0..=self.runs {
            for case in &mut cases {
                estate.prepare(case.prepare)?;
                let usage = measure::run(&case.work)?;
                if round > 0 {
                    case.runs.push(usage);
                }
            }
        }
        if cases.iter().any(|case| case.prepare == Prepare::ForgetStore) {
            estate.prepare(Prepare::ForgetStore)?;
        }
        for case in &cases {
            let usage = case.runs.last().map_or(f64::NAN, |usage| usage.cpu_seconds);
            println!("{} {} {}: {usage:.3} s", case.mailboxes, case.layout.key(), case.name);
        }
        Ok(cases)
    }

    /// A failure is a line of the report, because the peers need what this machine may not have.
    fn beside(&self, scratch: &Path) -> Vec<PeerLine> {
        let mut lines = Vec::new();
        for mailboxes in peers::SIZES.into_iter().filter(|count| *count <= self.max) {
            for peer in [peers::octodns(scratch, mailboxes), peers::cfengine(scratch, mailboxes)] {
                let usage = peer.work.and_then(|work| measure::run(&work).map_err(|error| error.to_string()));
                lines.push(PeerLine { name: peer.name, mailboxes, usage });
            }
        }
        lines
    }
}
