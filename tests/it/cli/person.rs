//! Somebody at a shell: types commands in a folder of their own, and remembers everything that was answered.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use mailplumb::playground::Playground;

use crate::support::need::setting;
use crate::support::scratch;

pub struct Person {
    folder: tempfile::TempDir,
    environment: BTreeMap<String, String>,
    heard: RefCell<Vec<Heard>>,
}

/// What a command answered.
#[derive(Debug, Clone)]
pub struct Heard {
    pub typed: String,
    /// `None`: ended by a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The private key's place, seen from the person's folder: where `init` writes it.
pub const KEY: &str = "home/.config/mailplumb/age.key";

impl Person {
    /// The folder holds everything that the program may write to, the home and the folder for temporary files too.
    pub fn new() -> Self {
        let folder = scratch::folder();
        for name in ["home", "tmp"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let at = |name: &str| folder.path().join(name).display().to_string();
        let path = setting("PATH").unwrap_or_default().to_string_lossy().into_owned();
        let environment = [("HOME", at("home")), ("TMPDIR", at("tmp")), ("PATH", path)];
        let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { folder, environment, heard: RefCell::default() }
    }

    pub fn export(&mut self, variable: &str, value: &str) {
        self.environment.insert(variable.to_owned(), value.to_owned());
    }

    pub fn unset(&mut self, variable: &str) {
        self.environment.remove(variable);
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.at(name)).unwrap()
    }

    /// Changes a file of the folder.
    #[track_caller]
    pub fn replace(&self, name: &str, before: &str, after: &str) {
        let text = self.read(name);
        assert!(text.contains(before), "no `{before}` in {name}:\n{text}");
        self.write(name, &text.replace(before, after));
    }

    /// Everything answered so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.borrow().clone()
    }

    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// Types `mailplumb` and the words of `line`, which are separated by single spaces.
    pub fn types(&self, line: &str) -> Heard {
        self.pipes(line, "")
    }

    /// The same, with something on standard input.
    pub fn pipes(&self, line: &str, input: &str) -> Heard {
        let words: Vec<&str> = line.split(' ').collect();
        self.gives(&words, input)
    }

    /// The same, for arguments that hold spaces.
    pub fn gives(&self, arguments: &[&str], input: &str) -> Heard {
        let mut child = self.begins(arguments);
        // A program that does not read its input may be gone by now.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        self.hears(&arguments.join(" "), child)
    }

    /// Starts a command, waits until something is so, and asks it to end with SIGTERM.
    #[track_caller]
    pub fn runs_until(&self, line: &str, what: &str, is_so: impl FnMut() -> bool) -> Heard {
        let words: Vec<&str> = line.split(' ').collect();
        self.ends_when(self.begins(&words), line, what, is_so)
    }

    /// Asks a command that was begun to end as soon as something is so.
    #[track_caller]
    pub fn ends_when(&self, child: Child, line: &str, what: &str, is_so: impl FnMut() -> bool) -> Heard {
        scratch::wait_until(what, is_so, || self.last_words());
        signal(&child, "TERM");
        self.hears(line, child)
    }

    /// Types a line for the shell, in which `mailplumb` stands for the program.
    pub fn shell(&self, line: &str) -> Heard {
        self.shell_pipes(line, "")
    }

    pub fn shell_pipes(&self, line: &str, input: &str) -> Heard {
        let mut child = self.shell_begins(line);
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        self.hears(line, child)
    }

    pub fn shell_begins(&self, line: &str) -> Child {
        let mut command = self.command(Path::new("sh"));
        command.args(["-c", line]).spawn().unwrap()
    }

    /// Types a line on a terminal, and gives each answer when its prompt appears. What the terminal shows is `stdout`.
    /// Needs Python.
    pub fn on_a_terminal(&self, line: &str, answers: &[(&str, &str)]) -> Heard {
        let answers = serde_json::to_string(answers).unwrap();
        let mut command = self.command(Path::new("python3"));
        let child = command.args(["-c", TERMINAL, &answers, "sh", "-c", line]).spawn().unwrap();
        self.hears(line, child)
    }

    pub fn begins(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(Path::new(PROGRAM));
        command.args(arguments).spawn().unwrap()
    }

    fn command(&self, program: &Path) -> Command {
        let own = Path::new(PROGRAM).parent().unwrap().display().to_string();
        let path = format!("{own}:{}", self.environment["PATH"]);
        let mut command = Command::new(program);
        command
            .current_dir(self.folder())
            .env_clear()
            .envs(&self.environment)
            .env("PATH", path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn hears(&self, typed: &str, child: Child) -> Heard {
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let heard = Heard {
            typed: typed.to_owned(),
            code: status.code(),
            stdout: text(stdout),
            stderr: text(stderr),
        };
        self.heard.borrow_mut().push(heard.clone());
        heard
    }

    fn last_words(&self) -> String {
        self.heard.borrow().iter().rev().take(3).map(|heard| format!("{heard:#?}\n")).collect()
    }
}

/// Runs a command on a pseudo terminal. An answer that ends a line is for a prompt that does not echo: what is typed
/// before the echo is off would be thrown away.
const TERMINAL: &str = r#"
import json, os, pty, sys, termios, time
answers = [(prompt.encode(), answer.encode()) for prompt, answer in json.loads(sys.argv[1])]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
seen, looked_at = b"", 0
while True:
    try:
        chunk = os.read(terminal, 65536)
    except OSError:
        break
    if not chunk:
        break
    seen += chunk
    while answers and answers[0][0] in seen[looked_at:]:
        prompt, answer = answers.pop(0)
        looked_at = seen.index(prompt, looked_at) + len(prompt)
        while answer.endswith(b"\n") and termios.tcgetattr(terminal)[3] & termios.ECHO:
            time.sleep(0.002)
        os.write(terminal, answer)
sys.stdout.buffer.write(seen)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mailplumb");

pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

impl Heard {
    /// Insists on the exit code.
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Insists on words, wherever they were said.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.stdout.contains(words) || self.stderr.contains(words), "no `{words}` in\n{self}");
        self
    }

    #[track_caller]
    pub fn does_not_say(self, words: &str) -> Self {
        assert!(!self.stdout.contains(words) && !self.stderr.contains(words), "`{words}` in\n{self}");
        self
    }

    /// All of standard output, which must be JSON and nothing else.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in\n{self}"))
    }
}

impl std::fmt::Display for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { typed, code, stdout, stderr } = self;
        write!(f, "$ mailplumb {typed}\n[{code:?}]\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// A host file that leads these hosts and ports to servers.
pub fn host_file<const N: usize>(led: [(&str, u16, SocketAddr); N]) -> String {
    let entry = |(host, port, to): (&str, u16, SocketAddr)| format!("  \"{host}:{port}\": \"{to}\"\n");
    format!("connect:\n{}", led.map(entry).concat())
}

/// The host file for one name that all servers of a playground have.
pub fn playground_host_file(playground: &Playground, host: &str) -> String {
    host_file([
        (host, 993, playground.imaps()),
        (host, 143, playground.imap()),
        (host, 995, playground.pop3s()),
        (host, 110, playground.pop3()),
        (host, 465, playground.smtps()),
        (host, 587, playground.smtp()),
    ])
}
