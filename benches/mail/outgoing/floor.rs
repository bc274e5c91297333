//! `smtp-sink`, which takes everything, and `smtp-source`, which does nothing but send.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Failed, Load};

pub struct Sink {
    pub port: u16,
    process: Child,
}

impl Sink {
    pub fn start() -> Result<Self, Failed> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = Command::new(program("smtp-sink")?);
        // As root it insists on another user.
        if std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0) {
            command.args(["-u", "mail"]);
        }
        let process = command
            .args([format!("127.0.0.1:{port}"), "500".to_owned()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let sink = Self { port, process };
        for _ in 0..200 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(sink);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err("smtp-sink did not start".into())
    }

    #[expect(clippy::disallowed_methods, reason = "measuring is what this program is for")]
    pub fn source(&self, load: Load) -> Result<Duration, Failed> {
        let begun = Instant::now();
        let status = Command::new(program("smtp-source")?)
            .args(["-d", "-s", &load.sessions.to_string(), "-m", &load.messages.to_string()])
            .args(["-l", &load.bytes.to_string(), "-f", "a@example.org", "-t", "b@example.com"])
            .arg(format!("127.0.0.1:{}", self.port))
            .status()?;
        match status.success() {
            true => Ok(begun.elapsed()),
            false => Err("smtp-source failed".into()),
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program(name: &str) -> Result<PathBuf, Failed> {
    let places = ["/usr/sbin", "/usr/local/sbin", "/usr/bin"].map(|folder| PathBuf::from(folder).join(name));
    places
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| format!("no {name}; it comes with Postfix").into())
}
