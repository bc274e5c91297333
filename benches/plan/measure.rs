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
}

impl Work {
    pub fn new(program: impl AsRef<Path>, arguments: &[&str]) -> Self {
        Self {
            program: program.as_ref().display().to_string(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            folder: None,
            codes: vec![0],
        }
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
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("rusage").arg(&work.program).args(&work.arguments).stderr(Stdio::null());
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
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return ExitCode::FAILURE };
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let cpu = seconds(usage.user_time()) + seconds(usage.system_time());
    println!("{} {cpu:.6} {}", status.code().unwrap_or(-1), usage.max_rss());
    ExitCode::SUCCESS
}
