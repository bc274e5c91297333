//! Postfix, for submission. It checks passwords with a Dovecot, delivers to it, and reaches nothing else.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::dovecot::Dovecot;
use super::program::{Server, run};
use super::scratch;

/// Larger messages are refused with 552.
pub const MESSAGE_BYTES_MAX: u64 = 65_536;

/// Recipients are accepted in the domain `example.test` only, except `defer@` (450), `busy@` (421), `nouser@` (550) and
/// `full@` (452). The sender `banned@` is refused with 554.
pub struct Postfix {
    /// STARTTLS, then AUTH.
    pub submission: SocketAddr,
    /// Implicit TLS and AUTH.
    pub submissions: SocketAddr,
    /// No AUTH; STARTTLS if the client wants it.
    pub anonymous: SocketAddr,
    /// Before the folder: it is dropped first.
    _server: Server,
    folder: tempfile::TempDir,
}

impl Postfix {
    /// Returns when it answers on every port.
    pub fn start(dovecot: &Dovecot) -> Self {
        Self::asking(dovecot, None)
    }

    /// The same, with a policy service that is asked about each recipient first: `inet:127.0.0.1:10023`.
    pub fn asking(dovecot: &Dovecot, policy: Option<&str>) -> Self {
        let folder = scratch::folder();
        let [submission, submissions, anonymous] =
            [(); 3].map(|()| SocketAddr::new(scratch::address().into(), scratch::port()));
        for name in ["etc", "spool", "data"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        run("chown", &["postfix".into(), folder.path().join("data").into_os_string()], "");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("etc/main.cf"), main_cf(&folder.path().display().to_string(), dovecot)).unwrap();
        fs::write(path("etc/master.cf"), master_cf([submission, submissions, anonymous], policy)).unwrap();
        fs::write(path("etc/recipients"), RECIPIENTS).unwrap();
        fs::write(path("etc/senders"), "/^banned@/ 554 5.7.1 sender banned\n").unwrap();
        let etc = path("etc").into_os_string();
        create_queue(&path("spool"));
        let programs =
            run("postconf", &["-c".into(), etc.clone(), "-h".into(), "daemon_directory".into()], "");
        // The master signals its whole process group when it ends, so it gets one of its own.
        let master = format!("{}/master", programs.trim());
        let command = ["setsid".into(), master.into(), "-c".into(), etc, "-s".into()];
        let server = Server::start(&command, &path("output"));
        let postfix = Self { submission, submissions, anonymous, _server: server, folder };
        for address in [submission, submissions, anonymous] {
            let answers = || TcpStream::connect(address).is_ok();
            scratch::wait_until(&format!("Postfix on {address}"), answers, || postfix.log());
        }
        postfix
    }

    /// What Postfix says about sessions and deliveries.
    pub fn log(&self) -> String {
        let output = fs::read(self.folder.path().join("output")).unwrap_or_default();
        String::from_utf8_lossy(&output).into_owned()
    }

    /// Waits until Dovecot has taken this many messages for a user.
    #[track_caller]
    pub fn wait_for_delivery(&self, dovecot: &Dovecot, user: &str, count: usize) -> Vec<String> {
        let delivered = || dovecot.inbox_messages(user).len() >= count;
        scratch::wait_until(&format!("{count} messages for {user}"), delivered, || self.log());
        dovecot.inbox_messages(user)
    }
}

/// What `postfix check` would create, in the several seconds that it takes to look at everything else.
fn create_queue(spool: &Path) {
    let folder = |name: &str, owner: &str, mode: u32| {
        let path = spool.join(name);
        fs::create_dir(&path).unwrap();
        run("chown", &[owner.as_ref(), path.as_os_str()], "");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    for name in [
        "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved",
        "trace",
    ] {
        folder(name, "postfix", 0o700);
    }
    folder("maildrop", "postfix:postdrop", 0o730);
    folder("public", "postfix:postdrop", 0o710);
    folder("pid", "root", 0o755);
}

const RECIPIENTS: &str = "/^defer@/ 450 4.7.1 try again later\n\
    /^busy@/ 421 4.3.2 closing the channel\n\
    /^nouser@/ 550 5.1.1 no such user\n\
    /^full@/ 452 4.2.2 mailbox full\n";

/// Postfix takes part only in interfaces that the system lists, so `inet_interfaces` names the usual loopback address;
/// the addresses that it listens on are those of `master.cf`.
fn main_cf(folder: &str, dovecot: &Dovecot) -> String {
    let shown = |path: PathBuf| path.display().to_string();
    format!(
        "compatibility_level = 3.6\n\
         queue_directory = {folder}/spool\n\
         data_directory = {folder}/data\n\
         mail_owner = postfix\n\
         setgid_group = postdrop\n\
         maillog_file = /dev/stdout\n\
         maillog_file_prefixes = /dev/stdout\n\
         inet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\n\
         myhostname = mail.example.test\n\
         mydestination =\n\
         mynetworks = 127.0.0.0/8\n\
         local_recipient_maps =\n\
         alias_maps =\n\
         disable_dns_lookups = yes\n\
         smtp_dns_support_level = disabled\n\
         smtpd_peername_lookup = no\n\
         default_transport = error:5.4.4 no route outside this test\n\
         relay_transport = error:5.4.4 no route outside this test\n\
         virtual_mailbox_domains = example.test\n\
         virtual_mailbox_maps = static:ok\n\
         virtual_transport = lmtp:unix:{lmtp}\n\
         smtpd_tls_cert_file = {chain}\n\
         smtpd_tls_key_file = {key}\n\
         smtpd_tls_security_level = may\n\
         smtpd_sasl_type = dovecot\n\
         smtpd_sasl_path = {sasl}\n\
         smtpd_sasl_auth_enable = no\n\
         message_size_limit = {MESSAGE_BYTES_MAX}\n\
         mailbox_size_limit = 0\n\
         smtpd_error_sleep_time = 0\n\
         smtpd_soft_error_limit = 100\n\
         smtpd_hard_error_limit = 100\n\
         smtpd_client_connection_rate_limit = 0\n\
         smtpd_helo_required = yes\n\
         smtpd_recipient_restrictions = check_recipient_access pcre:{folder}/etc/recipients, permit_mynetworks, reject\n\
         smtpd_sender_restrictions = check_sender_access pcre:{folder}/etc/senders\n\
         smtputf8_enable = yes\n",
        lmtp = shown(dovecot.lmtp_socket()),
        sasl = shown(dovecot.sasl_socket()),
        chain = dovecot.certificate.chain.display(),
        key = dovecot.certificate.key.display(),
    )
}

fn master_cf([submission, submissions, anonymous]: [SocketAddr; 3], policy: Option<&str>) -> String {
    // The addresses that are answered for come first, so that recipients are refused on every port.
    let asked = policy.map_or_else(String::new, |policy| format!("check_policy_service,{policy},"));
    let authenticated = format!(
        "-o smtpd_sasl_auth_enable=yes -o mynetworks= -o smtpd_recipient_restrictions={asked}\
         check_recipient_access,pcre:$queue_directory/../etc/recipients,permit_sasl_authenticated,reject"
    );
    format!(
        "{anonymous} inet n - n - - smtpd\n\
         {submission} inet n - n - - smtpd\n  -o smtpd_tls_security_level=encrypt -o smtpd_tls_auth_only=yes {authenticated}\n\
         {submissions} inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes {authenticated}\n\
         pickup unix n - n 60 1 pickup\n\
         cleanup unix n - n - 0 cleanup\n\
         qmgr unix n - n 300 1 qmgr\n\
         rewrite unix - - n - - trivial-rewrite\n\
         bounce unix - - n - 0 bounce\n\
         defer unix - - n - 0 bounce\n\
         trace unix - - n - 0 bounce\n\
         verify unix - - n - 1 verify\n\
         flush unix n - n 1000? 0 flush\n\
         proxymap unix - - n - - proxymap\n\
         error unix - - n - - error\n\
         retry unix - - n - - error\n\
         discard unix - - n - - discard\n\
         lmtp unix - - n - - lmtp\n\
         anvil unix - - n - 1 anvil\n\
         scache unix - - n - 1 scache\n\
         tlsmgr unix - - n 1000? 1 tlsmgr\n\
         postlog unix-dgram n - n - 1 postlogd\n"
    )
}
