//! Apache with mod_auth_gssapi, which asks the system's Kerberos and gss-ntlmssp who somebody is.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use super::certificates::{Certificate, CertificateKind, HOST, certificate};
use super::kerberos::Realm;
use super::need::program;
use super::program::Server;
use super::scratch;

/// `/kerberos` takes tickets, `/ntlm` takes NTLM inside Negotiate and by itself, `/basic` a password. Whoever was let in
/// reaches what stands behind, at `/kerberos/EWS` and so on.
pub struct Apache {
    pub encrypted: SocketAddr,
    pub clear: SocketAddr,
    pub certificate: Certificate,
    folder: tempfile::TempDir,
    _server: Server,
}

/// Of `/ntlm` and `/basic`: name and password, in the domain `EXAMPLE`.
pub const USER: (&str, &str) = ("boris", "boris password");

/// A server over TLS that is asked for whoever was let in, with a login of its own.
#[derive(Debug, Clone)]
pub struct Backend {
    pub at: SocketAddr,
    /// `Basic …`
    pub authorization: String,
}

const MODULES: &str = "/usr/lib/apache2/modules";

impl Apache {
    pub fn start(realm: &Realm) -> Self {
        Self::before(realm, None)
    }

    pub fn before(realm: &Realm, backend: Option<&Backend>) -> Self {
        let folder = scratch::folder();
        let address = scratch::address().into();
        let encrypted = SocketAddr::new(address, scratch::port());
        let clear = SocketAddr::new(address, scratch::port());
        let certificate = certificate(CertificateKind::Good, address, folder.path());
        write_pages(folder.path());
        let mut settings = settings(folder.path(), realm, [encrypted, clear], &certificate);
        if let Some(backend) = backend {
            settings = settings.replacen("</VirtualHost>", &format!("{}</VirtualHost>", proxied(backend)), 1);
        }
        std::fs::write(folder.path().join("httpd.conf"), settings).unwrap();
        let command = [
            "env".to_owned(),
            format!("KRB5_CONFIG={}", realm.configuration().display()),
            format!("NTLM_USER_FILE={}", folder.path().join("ntlm.users").display()),
            "NETBIOS_COMPUTER_NAME=MAIL".to_owned(),
            "NETBIOS_DOMAIN_NAME=EXAMPLE".to_owned(),
            program("apache2").expect("required before").display().to_string(),
            "-f".to_owned(),
            folder.path().join("httpd.conf").display().to_string(),
            "-DFOREGROUND".to_owned(),
        ];
        let log = folder.path().join("log");
        let server = Server::start(&command, &log);
        scratch::wait_until(
            "Apache",
            || TcpStream::connect(encrypted).is_ok(),
            || std::fs::read_to_string(&log).unwrap_or_default(),
        );
        Self { encrypted, clear, certificate, folder, _server: server }
    }

    /// Who asked for what: `user status path`, a line each.
    pub fn requests(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("requests")).unwrap_or_default()
    }

    pub fn errors(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("errors")).unwrap_or_default()
    }
}

fn write_pages(folder: &Path) {
    for page in ["kerberos", "ntlm", "basic"] {
        std::fs::create_dir_all(folder.join("pages").join(page)).unwrap();
        std::fs::write(folder.join("pages").join(page).join("index.html"), format!("hello from {page}"))
            .unwrap();
    }
    let (name, password) = USER;
    std::fs::write(folder.join("ntlm.users"), format!("EXAMPLE:{name}:{password}\n")).unwrap();
    let digest = super::program::run("openssl", &["passwd", "-apr1", "-stdin"], password);
    std::fs::write(folder.join("htpasswd"), format!("{name}:{digest}")).unwrap();
}

/// Inside of the host that has TLS.
fn proxied(backend: &Backend) -> String {
    let to = backend.at;
    let page = |page: &str| {
        format!(
            " <Location /{page}/EWS>\n  ProxyPass https://{to}/EWS\n  RequestHeader set Authorization \"{}\"\n </Location>\n",
            backend.authorization
        )
    };
    format!(
        " SSLProxyEngine on\n SSLProxyVerify none\n SSLProxyCheckPeerName off\n{}",
        ["kerberos", "ntlm", "basic"].map(page).concat()
    )
}

fn settings(folder: &Path, realm: &Realm, at: [SocketAddr; 2], certificate: &Certificate) -> String {
    let modules = [
        "mpm_event",
        "authn_core",
        "authn_file",
        "authz_core",
        "authz_user",
        "auth_basic",
        "auth_gssapi",
        "dir",
        "headers",
        "proxy",
        "proxy_http",
        "mime",
        "ssl",
        "socache_shmcb",
    ];
    let loads: String =
        modules.iter().map(|name| format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n")).collect();
    let (here, [encrypted, clear]) = (folder.display(), at);
    let (keytab, chain, key) =
        (realm.service_keytab(), certificate.chain.display(), certificate.key.display());
    let gssapi = |page: &str, settings: &str| {
        format!(
            "<Location /{page}>\n AuthType GSSAPI\n AuthName {page}\n {settings}\n Require valid-user\n</Location>\n"
        )
    };
    let tickets = format!(
        "GssapiCredStore keytab:{}\n GssapiAllowedMech krb5\n GssapiConnectionBound Off",
        keytab.display()
    );
    format!(
        "{loads}ServerRoot {here}\nServerName {HOST}\nPidFile {here}/pid\nMutex file:{here}\nDefaultRuntimeDir {here}\n\
         Listen {clear}\nListen {encrypted} https\nUser www-data\nGroup www-data\nErrorLog {here}/errors\nKeepAlive On\n\
         StartServers 1\nThreadsPerChild 8\nMaxRequestWorkers 64\nTypesConfig /dev/null\nLogFormat \"%u %>s %U\" short\n\
         CustomLog {here}/requests short\nDocumentRoot {here}/pages\nDirectoryIndex index.html\n\
         <VirtualHost {encrypted}>\n ServerName {HOST}\n SSLEngine on\n SSLCertificateFile {chain}\n SSLCertificateKeyFile {key}\n</VirtualHost>\n\
         {}{}<Location /basic>\n AuthType Basic\n AuthName basic\n AuthUserFile {here}/htpasswd\n Require valid-user\n\
         </Location>\n",
        gssapi("kerberos", &tickets),
        gssapi("ntlm", "GssapiAllowedMech ntlmssp\n GssapiConnectionBound On"),
    )
}
