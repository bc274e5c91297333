//! `cargo bench --bench outgoing`: how fast the durable outbox is sent, beside `smtp-source`, to `smtp-sink`, in one run.
//!
//! Options: `--messages N` (default 10000), `--bytes N` (default 12000), `--runs N` (default 3; the median counts),
//! `--sessions N` (several times; default 1 and 10), `--scratch FOLDER` (several times; the store is there; default the
//! system's folder for temporary files and, where it exists, /dev/shm).
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own that prints figures")]

mod estate;
mod floor;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use estate::Estate;
use floor::Sink;

type Failed = Box<dyn std::error::Error>;

/// What is sent in one run.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub messages: usize,
    pub bytes: usize,
    pub sessions: usize,
}

struct Options {
    messages: usize,
    bytes: usize,
    runs: usize,
    sessions: Vec<usize>,
    scratch: Vec<PathBuf>,
}

impl Options {
    fn parse(words: impl Iterator<Item = String>) -> Result<Self, Failed> {
        let mut options =
            Self { messages: 10_000, bytes: 12_000, runs: 3, sessions: Vec::new(), scratch: Vec::new() };
        // Cargo adds `--bench`.
        let mut words = words.filter(|word| word != "--bench");
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--messages" => options.messages = value.parse()?,
                "--bytes" => options.bytes = value.parse()?,
                "--runs" => options.runs = value.parse::<usize>()?.max(1),
                "--sessions" => options.sessions.push(value.parse()?),
                "--scratch" => options.scratch.push(value.into()),
                other => return Err(format!("no such option: {other}").into()),
            }
        }
        if options.sessions.is_empty() {
            options.sessions = vec![1, 10];
        }
        if options.scratch.is_empty() {
            let shared = Some(PathBuf::from("/dev/shm")).filter(|folder| folder.is_dir());
            options.scratch = [Some(std::env::temp_dir()), shared].into_iter().flatten().collect();
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)).and_then(|options| measure(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<(), Failed> {
    let runtime = tokio::runtime::Runtime::new()?;
    println!("{} messages of {} bytes, median of {} runs", options.messages, options.bytes, options.runs);
    println!("| sender | sessions | store | messages/s | of smtp-source |");
    println!("|---|---|---|---|---|");
    for sessions in &options.sessions {
        let load = Load { messages: options.messages, bytes: options.bytes, sessions: *sessions };
        let sink = Sink::start()?;
        let mut floor = Vec::new();
        let mut ours = vec![Vec::new(); options.scratch.len()];
        // In turns, so that what else the machine does meets all alike.
        for _ in 0..options.runs {
            floor.push(sink.source(load)?);
            for (folder, times) in options.scratch.iter().zip(&mut ours) {
                times.push(runtime.block_on(send(folder, &sink, load))?);
            }
        }
        let best = rate(load, &mut floor);
        println!("| smtp-source | {sessions} | – | {best:.0} | 1.00 |");
        for (folder, times) in options.scratch.iter().zip(&mut ours) {
            let rate = rate(load, times);
            println!("| mailplumb | {sessions} | {} | {rate:.0} | {:.2} |", folder.display(), rate / best);
        }
    }
    Ok(())
}

async fn send(folder: &Path, sink: &Sink, load: Load) -> Result<Duration, Failed> {
    let scratch = tempfile::tempdir_in(folder)?;
    let estate = Estate::build(scratch.path(), sink.port, load).await?;
    estate.send(load).await
}

fn rate(load: Load, times: &mut [Duration]) -> f64 {
    times.sort();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    load.messages as f64 / median.as_secs_f64()
}
