//! Dovecot, for IMAP and POP3, with a Maildir per user and a record of the commands that clients sent.
//!
//! It runs as root and as an ordinary user.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::certificates::{Certificate, CertificateKind, HOST, certificate};
use super::need::{is_root, program};
use super::program::{Server, outcome, run};
use super::scratch;

pub struct DovecotOptions<'a> {
    /// User name (an address) → password, or what Dovecot is to know of it: `{SHA256}` and so on.
    pub users: BTreeMap<String, String>,
    pub certificate: CertificateKind,
    /// As Dovecot spells them, separated by spaces.
    pub mechanisms: &'static str,
    /// Further lines of its configuration.
    pub extra: &'static str,
    /// Lines that come before the passwords, made for the file of the authority that signs its certificate.
    pub first: Option<&'a dyn Fn(&str) -> String>,
}

impl DovecotOptions<'_> {
    /// These users; a good certificate and every password mechanism.
    pub fn with_users<const N: usize>(users: [(&str, &str); N]) -> Self {
        Self {
            users: users.into_iter().map(|(user, password)| (user.to_owned(), password.to_owned())).collect(),
            certificate: CertificateKind::Good,
            mechanisms: "plain login cram-md5 scram-sha-1 scram-sha-256",
            extra: "",
            first: None,
        }
    }
}

/// Ports stay the same over [`Dovecot::stop`] and [`Dovecot::restart`].
pub struct Dovecot {
    pub imap: SocketAddr,
    pub imaps: SocketAddr,
    pub pop3: SocketAddr,
    pub pop3s: SocketAddr,
    pub certificate: Certificate,
    users: BTreeMap<String, String>,
    server: Option<Server>,
    folder: tempfile::TempDir,
}

impl Dovecot {
    /// Returns when it answers on every port.
    pub fn start(options: DovecotOptions<'_>) -> Self {
        let folder = scratch::folder();
        let listener = || SocketAddr::new(scratch::address().into(), scratch::port());
        let address: IpAddr = scratch::address().into();
        for name in ["run", "state", "mail", "commands"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let mut dovecot = Self {
            imap: listener(),
            imaps: listener(),
            pop3: listener(),
            pop3s: listener(),
            certificate: certificate(options.certificate, address, folder.path()),
            users: options.users,
            server: None,
            folder,
        };
        dovecot.write_users();
        let authority = dovecot.certificate.authority.display().to_string();
        let first = options.first.map_or_else(String::new, |first| first(&authority));
        let configuration = first + &dovecot.configuration(options.mechanisms, options.extra);
        fs::write(dovecot.at("dovecot.conf"), configuration).unwrap();
        for user in dovecot.users.keys() {
            dovecot.create_folders(user);
        }
        dovecot.restart();
        dovecot
    }

    /// Stops it if it runs, and starts it with the same ports, users and mail.
    pub fn restart(&mut self) {
        self.stop();
        // A killed Dovecot leaves it behind, and its number may already belong to somebody else.
        let _ = fs::remove_file(self.at("run/master.pid"));
        let dovecot = program("dovecot").expect("required before").into_os_string();
        let command = [dovecot, "-F".into(), "-c".into(), self.at("dovecot.conf").into()];
        self.server = Some(Server::start(&command, &self.at("output")));
        for address in [self.imap, self.imaps, self.pop3, self.pop3s] {
            let answers = || TcpStream::connect(address).is_ok();
            scratch::wait_until(&format!("Dovecot on {address}"), answers, || self.log());
        }
    }

    /// Connections are closed in order, and new ones are refused.
    pub fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }

    /// Connections break off, and new ones are refused.
    pub fn kill(&mut self) {
        if let Some(server) = self.server.take() {
            server.kill();
        }
    }

    /// Puts a message into the user's inbox. Messages are numbered in the order of delivery.
    pub fn deliver(&self, user: &str, raw: impl AsRef<[u8]>) {
        static NEXT: AtomicU64 = AtomicU64::new(1_700_000_000);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{number}.M{number}P{}.{}", std::process::id(), HOST);
        let inbox = self.inbox(user);
        let written = inbox.join("tmp").join(&name);
        fs::write(&written, raw).unwrap();
        self.give_away(&written);
        fs::rename(written, inbox.join("new").join(name)).unwrap();
    }

    /// The raw messages in the user's inbox, in the order of delivery.
    pub fn inbox_messages(&self, user: &str) -> Vec<String> {
        let text = |raw: Vec<u8>| String::from_utf8_lossy(&raw).into_owned();
        self.inbox_octets(user).into_iter().map(text).collect()
    }

    /// Like [`Dovecot::inbox_messages`], octet by octet.
    pub fn inbox_octets(&self, user: &str) -> Vec<Vec<u8>> {
        let mut messages = BTreeMap::new();
        for folder in ["new", "cur"] {
            for entry in fs::read_dir(self.inbox(user).join(folder)).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap_or_default().to_owned();
                messages.insert(name, fs::read(path).unwrap());
            }
        }
        messages.into_values().collect()
    }

    /// Runs Dovecot's own tool for administrators, and returns what it printed.
    #[track_caller]
    pub fn doveadm(&self, arguments: &[&str]) -> String {
        let configuration = self.at("dovecot.conf").display().to_string();
        run("doveadm", &[&["-c", &configuration], arguments].concat(), "")
    }

    /// From now on the user has this password; a new user gets an empty inbox.
    pub fn set_password(&mut self, user: &str, password: &str) {
        self.users.insert(user.to_owned(), password.to_owned());
        self.write_users();
        self.create_folders(user);
        if self.server.is_some() {
            self.wait_for_password(user, password);
        }
    }

    /// Dovecot looks for changed passwords at most once a second.
    fn wait_for_password(&self, user: &str, password: &str) {
        let configuration = self.at("dovecot.conf").display().to_string();
        let test = ["-c", &configuration, "auth", "test", user, password];
        let is_known = || outcome("doveadm", &test, "").0 == Some(0);
        scratch::wait_until("the new password", is_known, || self.log());
    }

    /// What clients sent after their login as this user, over IMAP and POP3, one line each, as sessions began.
    pub fn commands(&self, user: &str) -> Vec<String> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.at("commands").join(user))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.retain(|path| path.extension().is_some_and(|ending| ending == "in"));
        // Their names hold the second and the process: two sessions of one second are told apart by when they ended.
        files.sort_by_key(|path| (fs::metadata(path).unwrap().modified().unwrap(), path.clone()));
        let texts = files.iter().map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned());
        // Each line begins with the time of its arrival.
        let line = |line: &str| line.split_once(' ').map(|(_, line)| line.trim_end().to_owned());
        texts.flat_map(|text| text.lines().filter_map(line).collect::<Vec<_>>()).collect()
    }

    /// What Dovecot says about logins and errors.
    pub fn log(&self) -> String {
        let read = |name| fs::read(self.at(name)).unwrap_or_default();
        String::from_utf8_lossy(&[read("output"), read("log")].concat()).into_owned()
    }

    /// Path of a Unix socket of one of its services.
    pub fn socket(&self, name: &str) -> PathBuf {
        self.at("run").join(name)
    }

    /// Path of the Unix socket that takes mail in by LMTP.
    pub fn lmtp_socket(&self) -> PathBuf {
        self.at("run/lmtp")
    }

    /// Path of the Unix socket that checks passwords for Postfix.
    pub fn sasl_socket(&self) -> PathBuf {
        self.at("run/auth-client")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn inbox(&self, user: &str) -> PathBuf {
        self.at("mail").join(user)
    }

    fn create_folders(&self, user: &str) {
        let inbox = self.inbox(user);
        for path in [inbox.clone(), inbox.join("tmp"), inbox.join("new"), inbox.join("cur")] {
            fs::create_dir_all(&path).unwrap();
            self.give_away(&path);
        }
        let commands = self.at("commands").join(user);
        fs::create_dir_all(&commands).unwrap();
        self.give_away(&commands);
    }

    /// Only root can give files to the user that mail belongs to; otherwise that user is the one who runs the test.
    fn give_away(&self, path: &Path) {
        if is_root() {
            let (user, group) = mail_user();
            std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
        }
    }

    fn write_users(&self) {
        let line = |(user, password): (&String, &String)| {
            let scheme = if password.starts_with('{') { "" } else { "{PLAIN}" };
            format!("{user}:{scheme}{password}::::::\n")
        };
        let new = self.at("users.new");
        fs::write(&new, self.users.iter().map(line).collect::<String>()).unwrap();
        fs::rename(new, self.at("users")).unwrap();
    }

    fn configuration(&self, mechanisms: &str, extra: &str) -> String {
        let folder = self.folder.path().display();
        let (user, group) = mail_user();
        let Certificate { chain, key, .. } = &self.certificate;
        let base = format!(
            "base_dir = {folder}/run\n\
             state_dir = {folder}/state\n\
             log_path = {folder}/log\n\
             auth_verbose = yes\n\
             auth_failure_delay = 0\n\
             auth_mechanisms = {mechanisms}\n\
             protocols = imap pop3 lmtp\n\
             listen = {address}\n\
             first_valid_uid = 1\n\
             mail_location = maildir:{folder}/mail/%u\n\
             rawlog_dir = {folder}/commands/%u\n\
             mail_max_userip_connections = 100\n\
             disable_plaintext_auth = yes\n\
             ssl = yes\n\
             ssl_cert = <{chain}\n\
             ssl_key = <{key}\n\
             passdb {{\n  driver = passwd-file\n  args = username_format=%u {folder}/users\n}}\n\
             userdb {{\n  driver = static\n  args = uid={user} gid={group} home={folder}/mail/%u allow_all_users=no\n}}\n\
             service anvil {{\n  unix_listener anvil-auth-penalty {{\n    mode = 0\n  }}\n}}\n\
             service lmtp {{\n  unix_listener lmtp {{\n    mode = 0666\n  }}\n}}\n\
             service auth {{\n  unix_listener auth-client {{\n    mode = 0666\n  }}\n}}\n",
            address = self.imap.ip(),
            chain = chain.display(),
            key = key.display(),
        );
        base + &self.listeners() + &ordinary_user() + extra + "\n"
    }

    fn listeners(&self) -> String {
        let service = |protocol: &str, plain: SocketAddr, tls: SocketAddr| {
            format!(
                "service {protocol}-login {{\n  inet_listener {protocol} {{\n    port = {}\n  }}\n  \
                 inet_listener {protocol}s {{\n    port = {}\n    ssl = yes\n  }}\n}}\n",
                plain.port(),
                tls.port()
            )
        };
        service("imap", self.imap, self.imaps) + &service("pop3", self.pop3, self.pop3s)
    }
}

impl Drop for Dovecot {
    /// Ending in order takes a second or more, and nobody looks at this server again.
    fn drop(&mut self) {
        self.kill();
    }
}

/// What Dovecot must not try when it was not started by root: other users and changed roots.
fn ordinary_user() -> String {
    if is_root() {
        return String::new();
    }
    let name = |flag: &str| run("id", &[flag], "").trim().to_owned();
    let (user, group) = (name("-un"), name("-gn"));
    let users = format!(
        "default_internal_user = {user}\ndefault_internal_group = {group}\ndefault_login_user = {user}\n"
    );
    let roots = ["anvil", "imap-login", "pop3-login", "stats", "dict-async", "imap-urlauth-login"]
        .map(|service| format!("service {service} {{\n  chroot =\n}}\n"));
    users + &roots.concat()
}

/// The numbers of the user and group that mail belongs to: Debian's `mail`, or whoever runs the test.
fn mail_user() -> (u32, u32) {
    if is_root() {
        return (8, 8);
    }
    let own = Path::new("/proc/self").metadata().unwrap();
    (own.uid(), own.gid())
}
