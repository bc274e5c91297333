//! Runs programs: servers that end with the test, and commands that end by themselves.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Starts the server given as arguments and waits for the end of its own standard input, which the test process holds
/// open. So the server ends with the test process, however that ends.
const WATCH: &str = r#"
"$@" </dev/null & server=$!
read -r _
kill -TERM "$server" 2>/dev/null
wait "$server"
"#;

/// A server that runs until it is stopped or dropped.
pub struct Server {
    watch: Child,
}

impl Server {
    /// What the server prints goes to the end of the file `log`.
    pub fn start<S: AsRef<OsStr>>(command: &[S], log: &Path) -> Self {
        let output = || File::options().create(true).append(true).open(log).unwrap();
        let watch = Command::new("sh")
            .args(["-c", WATCH, "sh"])
            .args(command)
            .stdin(Stdio::piped())
            .stdout(output())
            .stderr(output())
            .process_group(0)
            .spawn()
            .unwrap();
        Self { watch }
    }

    /// Asks the server to end, and waits until it has.
    pub fn stop(mut self) {
        self.end();
    }

    /// Ends the server and its children as a power cut would.
    pub fn kill(mut self) {
        self.kill_group();
        self.end();
    }

    fn end(&mut self) {
        drop(self.watch.stdin.take());
        for _ in 0..500 {
            if self.watch.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        self.kill_group();
        let _ = self.watch.wait();
    }

    fn kill_group(&self) {
        let group = format!("-{}", self.watch.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs a command that must succeed, with this text as its input, and returns what it printed.
#[track_caller]
pub fn run<S: AsRef<OsStr>>(program: &str, arguments: &[S], input: &str) -> String {
    let (code, printed) = outcome(program, arguments, input);
    assert_eq!(code, Some(0), "{program} failed:\n{printed}");
    printed
}

/// Runs a command and returns its exit code and what it printed, errors last.
#[track_caller]
pub fn outcome<S: AsRef<OsStr>>(program: &str, arguments: &[S], input: &str) -> (Option<i32>, String) {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, input.as_bytes()).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    let output = Command::new(program).args(arguments).stdin(file).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}
