//! A Kerberos realm of its own: MIT's KDC, with a user, a service account with a keytab, and the mail services.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use super::certificates::HOST;
use super::need::{program, setting};
use super::program::{Server, outcome};
use super::scratch;

pub const REALM: &str = "EXAMPLE.TEST";
/// A user with a password.
pub const ANNA: (&str, &str) = ("anna", "annas password");
/// The account of the service, which has a key only.
pub const SERVICE: &str = "mailplumb@EXAMPLE.TEST";

pub struct Realm {
    folder: tempfile::TempDir,
    _server: Server,
}

impl Realm {
    /// Returns when the KDC answers.
    pub fn start() -> Self {
        let folder = scratch::folder();
        let at = SocketAddr::new(scratch::address().into(), scratch::port());
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("krb5.conf"), configuration(at)).unwrap();
        std::fs::write(path("kdc.conf"), kdc_configuration(at, &folder.path().display().to_string()))
            .unwrap();
        std::fs::write(path("kadm5.acl"), "").unwrap();
        let variables =
            [format!("KRB5_CONFIG={}", path("krb5.conf")), format!("KRB5_KDC_PROFILE={}", path("kdc.conf"))];
        let run = |name: &str, arguments: &[&str], input: &str| {
            let program = program(name).expect("required before").display().to_string();
            let words: Vec<&str> = variables
                .iter()
                .map(String::as_str)
                .chain([program.as_str()])
                .chain(arguments.iter().copied())
                .collect();
            let (code, printed) = outcome("env", &words, input);
            assert_eq!(code, Some(0), "{name}:\n{printed}");
        };
        run("kdb5_util", &["create", "-s", "-r", REALM, "-P", "master"], "");
        let (user, password) = ANNA;
        let mut principals = format!("addprinc -pw \"{password}\" {user}\naddprinc -randkey {SERVICE}\n");
        principals.push_str(&format!("ktadd -k {} {SERVICE}\n", path("client.keytab")));
        for service in ["HTTP", "imap", "pop", "smtp"] {
            let line = format!(
                "addprinc -randkey {service}/{HOST}\nktadd -k {} {service}/{HOST}\n",
                path("service.keytab")
            );
            principals.push_str(&line);
        }
        run("kadmin.local", &["-r", REALM], &principals);
        for keytab in ["client.keytab", "service.keytab"] {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(path(keytab), std::fs::Permissions::from_mode(0o644)).unwrap();
        }
        let command = [
            "env".to_owned(),
            variables[0].clone(),
            variables[1].clone(),
            program("krb5kdc").expect("required before").display().to_string(),
            "-n".to_owned(),
            "-r".to_owned(),
            REALM.to_owned(),
        ];
        let log = folder.path().join("log");
        let server = Server::start(&command, &log);
        scratch::wait_until(
            "the KDC",
            || TcpStream::connect(at).is_ok(),
            || std::fs::read_to_string(&log).unwrap_or_default(),
        );
        Self { folder, _server: server }
    }

    /// `KRB5_CONFIG`
    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join("krb5.conf")
    }

    /// The keys of the services, for their servers.
    pub fn service_keytab(&self) -> PathBuf {
        self.folder.path().join("service.keytab")
    }

    /// The key of [`SERVICE`].
    pub fn client_keytab(&self) -> PathBuf {
        self.folder.path().join("client.keytab")
    }
}

const INSIDE: &str = "MAILPLUMB_TEST_REALM";

/// What [`Realm::run_again`] was given; `None` in a process that belongs to no realm.
pub fn inside() -> Option<Vec<String>> {
    Some(setting(INSIDE)?.to_string_lossy().split(' ').map(str::to_owned).collect())
}

impl Realm {
    /// Runs a test again, in a process of this realm: the library reads `KRB5_CONFIG` of its process. `evidence` is shown if
    /// it fails.
    pub fn run_again(&self, test: &str, words: &[String], evidence: impl Fn() -> String) {
        let arguments = [
            format!("KRB5_CONFIG={}", self.configuration().display()),
            format!("{INSIDE}={}", words.join(" ")),
            std::env::current_exe().unwrap().display().to_string(),
            "--exact".to_owned(),
            test.to_owned(),
            "--nocapture".to_owned(),
        ];
        let (code, printed) = outcome("env", &arguments, "");
        assert_eq!(code, Some(0), "{printed}\n{}", evidence());
        assert!(printed.contains("1 passed"), "{printed}");
    }
}

/// Names are never looked up: those of the realm lead to it.
fn configuration(at: SocketAddr) -> String {
    format!(
        "[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n \
         dns_canonicalize_hostname = false\n rdns = false\n udp_preference_limit = 1\n qualify_shortname = \"\"\n\
         [realms]\n {REALM} = {{\n  kdc = {at}\n }}\n[domain_realm]\n .example.test = {REALM}\n example.test = {REALM}\n"
    )
}

fn kdc_configuration(at: SocketAddr, folder: &str) -> String {
    format!(
        "[kdcdefaults]\n kdc_listen = {at}\n kdc_tcp_listen = {at}\n[realms]\n {REALM} = {{\n  \
         database_name = {folder}/principal\n  key_stash_file = {folder}/stash\n  acl_file = {folder}/kadm5.acl\n  \
         max_life = 10h\n  supported_enctypes = aes256-cts:normal\n }}\n"
    )
}
