//! CPU time and peak memory of whole processes, as the kernel counts them.
//!
//! The bench runs itself as `rusage COMMAND…`; that process has one child, so `getrusage` of its children is the usage of
//! the command and of nothing else.

use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use nix::sys::resource::{UsageWho, getrusage};

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// User and system time together.
    pub cpu_seconds: f64,
    pub peak_kib: f64,
}

/// A command of the benchmark. Its output is thrown away.
#[derive(Debug, Clone)]
pub struct Work {
    pub program: String,
    pub arguments: Vec<String>,
    pub folder: Option<String>,
    /// Exit codes that mean that the work was done.
    pub codes: Vec<i32>,
    pub figures: Figures,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figures {
    /// The whole process.
    Whole,
    /// What it prints itself, as [`rusage`] does.
    Printed,
}

impl Work {
    pub fn new(program: impl AsRef<Path>, arguments: &[&str]) -> Self {
        Self {
            program: program.as_ref().display().to_string(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            folder: None,
            codes: vec![0],
            figures: Figures::Whole,
        }
    }

    pub fn printed(self) -> Self {
        Self { figures: Figures::Printed, ..self }
    }

    pub fn codes(mut self, codes: &[i32]) -> Self {
        self.codes = codes.to_vec();
        self
    }

    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.display().to_string());
        self
    }
}

/// Runs the work once.
pub fn run(work: &Work) -> io::Result<Usage> {
    let mut command = match work.figures {
        Figures::Printed => Command::new(&work.program),
        Figures::Whole => {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("rusage").arg(&work.program);
            command
        }
    };
    command.args(&work.arguments).stderr(Stdio::null());
    if let Some(folder) = &work.folder {
        command.current_dir(folder);
    }
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match figures.as_slice() {
        [code, cpu_seconds, peak_kib] if work.codes.contains(&(*code as i32)) => {
            Ok(Usage { cpu_seconds: *cpu_seconds, peak_kib: *peak_kib })
        }
        _ => Err(io::Error::other(format!("{} {:?} ended with {text:?}", work.program, work.arguments))),
    }
}

/// The inner process: runs one command, prints its exit code, CPU seconds and peak memory in KiB.
pub fn rusage(command: &[String]) -> ExitCode {
    let Some((program, arguments)) = command.split_first() else { return ExitCode::from(64) };
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let Ok(status) = status else { return ExitCode::FAILURE };
    let Ok(usage) = usage_of(UsageWho::RUSAGE_CHILDREN) else { return ExitCode::FAILURE };
    print(status.code().unwrap_or(-1), usage);
    ExitCode::SUCCESS
}

/// Prints what [`run`] reads.
pub fn print(code: i32, usage: Usage) {
    println!("{code} {:.6} {}", usage.cpu_seconds, usage.peak_kib);
}

/// What this process took until now.
pub fn of_this_process() -> io::Result<Usage> {
    usage_of(UsageWho::RUSAGE_SELF)
}

fn usage_of(who: UsageWho) -> io::Result<Usage> {
    let usage = getrusage(who)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let cpu_seconds = seconds(usage.user_time()) + seconds(usage.system_time());
    Ok(Usage { cpu_seconds, peak_kib: usage.max_rss() as f64 })
}
