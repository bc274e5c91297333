//! Courier, a second IMAP and POP3 server. Its Debian packages conflict with Dovecot's, so they are unpacked beside them
//! (`.ci/install-test-servers`) and run in a mount namespace; see `courier.sh`. Needs root.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::certificates::{Certificate, CertificateKind, HOST, certificate};
use super::need::courier_root;
use super::program::{Server, run};
use super::scratch;

/// The user `mail` of Debian, to whom everything belongs.
const MAIL_USER: u32 = 8;

pub struct Courier {
    pub imap: SocketAddr,
    pub imaps: SocketAddr,
    pub pop3: SocketAddr,
    pub pop3s: SocketAddr,
    pub certificate: Certificate,
    server: Option<Server>,
    folder: tempfile::TempDir,
}

impl Courier {
    /// With these users and passwords. Returns when it answers on every port.
    pub fn start(users: &[(&str, &str)]) -> Self {
        let folder = scratch::folder();
        let address: IpAddr = scratch::address().into();
        let [imap, imaps, pop3, pop3s] = [(); 4].map(|()| SocketAddr::new(address, scratch::port()));
        let certificate = certificate(CertificateKind::Good, address, folder.path());
        let mut courier = Self { imap, imaps, pop3, pop3s, certificate, server: None, folder };
        for name in ["over", "mail", "commands"] {
            fs::create_dir(courier.at(name)).unwrap();
        }
        give_away(&courier.at("commands"));
        let both = [&courier.certificate.key, &courier.certificate.chain].map(|path| fs::read(path).unwrap());
        fs::write(courier.at("both.pem"), both.concat()).unwrap();
        fs::write(courier.at("userdb"), users.iter().map(|user| courier.line_of(*user)).collect::<String>())
            .unwrap();
        users.iter().for_each(|(user, _)| courier.create_inbox(user));
        courier.launch();
        courier
    }

    fn launch(&mut self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/courier.sh");
        let ports = [self.imap, self.imaps, self.pop3, self.pop3s].map(|port| port.port().to_string());
        let mut command: Vec<String> = vec!["sh".to_owned(), script.display().to_string()];
        command.push(courier_root().display().to_string());
        command.push(self.folder.path().display().to_string());
        command.push(self.imap.ip().to_string());
        command.extend(ports);
        self.server = Some(Server::start(&command, &self.at("output")));
        for address in [self.imap, self.imaps, self.pop3, self.pop3s] {
            let answers = || TcpStream::connect(address).is_ok();
            scratch::wait_until(&format!("Courier on {address}"), answers, || self.log());
        }
        let is_installed = || self.log().contains("Installation complete: authuserdb");
        scratch::wait_until("Courier's passwords", is_installed, || self.log());
    }

    fn line_of(&self, (user, password): (&str, &str)) -> String {
        let hash = run("openssl", &["passwd", "-1", "-stdin"], &format!("{password}\n"));
        let home = self.at("mail").join(user).display().to_string();
        format!(
            "{user}\tuid={MAIL_USER}|gid={MAIL_USER}|home={home}|mail={home}/Maildir|systempw={}\n",
            hash.trim()
        )
    }

    fn create_inbox(&self, user: &str) {
        for part in ["", "tmp", "new", "cur"] {
            let path = self.inbox(user).join(part);
            fs::create_dir_all(&path).unwrap();
            give_away(&path);
        }
        give_away(&self.at("mail").join(user));
    }

    /// Puts a message into the user's inbox, with the line ends that this server keeps.
    pub fn deliver(&self, user: &str, raw: &[u8]) {
        static NEXT: AtomicU64 = AtomicU64::new(1_700_000_000);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{number}.M{number}P{}.{HOST}", std::process::id());
        let written = self.inbox(user).join("tmp").join(&name);
        fs::write(&written, with_lf(raw)).unwrap();
        give_away(&written);
        fs::rename(written, self.inbox(user).join("new").join(name)).unwrap();
    }

    /// The files of the inbox, oldest first.
    pub fn files(&self, user: &str) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = ["new", "cur"]
            .iter()
            .flat_map(|folder| fs::read_dir(self.inbox(user).join(folder)).unwrap())
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort_by_key(|path| path.file_name().map(ToOwned::to_owned));
        files
    }

    /// Gives the inbox another UIDVALIDITY: it is the second word of the first line of a file.
    pub fn change_uid_validity(&self, user: &str) {
        let path = self.inbox(user).join("courierimapuiddb");
        let text = fs::read_to_string(&path).unwrap();
        let (head, rest) = text.split_once('\n').unwrap();
        let mut words: Vec<&str> = head.split(' ').collect();
        words[1] = "2000000000";
        fs::write(&path, format!("{}\n{rest}", words.join(" "))).unwrap();
    }

    /// What clients sent after their login, a line each. `protocol` is `imap` or `pop3`.
    pub fn commands(&self, user: &str, protocol: &str) -> Vec<String> {
        let kept = fs::read(self.at("commands").join(format!("{user}.{protocol}"))).unwrap_or_default();
        String::from_utf8_lossy(&kept).lines().map(|line| line.trim_end().to_owned()).collect()
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.at("output")).unwrap_or_default()).into_owned()
    }

    fn inbox(&self, user: &str) -> PathBuf {
        self.at("mail").join(user).join("Maildir")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.kill();
        }
    }
}

fn give_away(path: &Path) {
    std::os::unix::fs::chown(path, Some(MAIL_USER), Some(MAIL_USER)).unwrap();
}

fn with_lf(raw: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(raw.len());
    for (at, byte) in raw.iter().enumerate() {
        if *byte != b'\r' || raw.get(at + 1) != Some(&b'\n') {
            lines.push(*byte);
        }
    }
    lines
}
