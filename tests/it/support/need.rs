//! What a test needs that a machine may lack. A test without it is skipped, and never in silence.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Dovecot, and Python as a client that is not ours.
    Servers,
    /// Dovecot and Postfix; the latter starts only as root.
    Submission,
    /// Courier, unpacked; it starts only as root, in a namespace.
    Courier,
    /// Dovecot, Postfix, and Node with `oidc-provider`.
    Tokens,
    /// Apache with mod_auth_gssapi, and a KDC.
    Kerberos,
    /// Python with the packages of `requirements.txt`.
    Python,
    /// Node with `oidc-provider`.
    Provider,
    /// Node with the SDK of Microsoft Graph.
    GraphSdk,
    /// The vendor's description of Microsoft Graph, and Python with a validator.
    GraphSchema,
    /// The `age` program, and `ssh-keygen`.
    Age,
    /// The schemas that mail vendors publish, and `xmllint`.
    Schemas,
    /// The vendor's pages from which the fields come.
    Pages,
    /// What is written down of the vendor's synchronisation.
    Reference,
    /// The right to mount a small file system where nobody else sees it.
    SmallDisks,
}

impl Need {
    /// The word in `MAILPLUMB_REQUIRE`, and in the count of skipped tests.
    fn group(self) -> &'static str {
        match self {
            Self::Servers | Self::Submission | Self::Tokens | Self::Courier | Self::Age => "servers",
            Self::Kerberos | Self::Python | Self::Provider | Self::GraphSdk => "servers",
            Self::Schemas | Self::Pages | Self::GraphSchema | Self::Reference => "schemas",
            Self::SmallDisks => "disks",
        }
    }

    /// What this machine lacks, in words.
    fn lacking(self) -> Option<String> {
        let without = |programs: &[&str]| {
            let missing: Vec<_> = programs.iter().copied().filter(|name| program(name).is_none()).collect();
            (!missing.is_empty()).then(|| format!("no {}", missing.join(", no ")))
        };
        match self {
            Self::Servers => without(&["dovecot", "python3"]),
            Self::Submission if !is_root() => Some("Postfix starts only as root".to_owned()),
            Self::Submission => without(&["dovecot", "postfix", "python3"]),
            Self::Courier if !is_root() => Some("Courier starts only as root".to_owned()),
            Self::Courier => courier_lacking(),
            Self::Tokens if !is_root() => Some("Postfix starts only as root".to_owned()),
            Self::Tokens => without(&["dovecot", "postfix", "node"]).or_else(|| match provider_modules() {
                Some(_) => None,
                None => Some("no oidc-provider; .ci/install-test-servers installs it".to_owned()),
            }),
            Self::Kerberos if !is_root() => Some("Apache changes its user only as root".to_owned()),
            Self::Kerberos => without(&["apache2", "krb5kdc", "kadmin.local", "kdb5_util", "openssl"]),
            Self::Python => match python() {
                Some(_) => None,
                None => Some("no packages from PyPI; .ci/install-test-servers installs them".to_owned()),
            },
            Self::Provider => without(&["node", "openssl"]).or_else(|| match provider_modules() {
                Some(_) => None,
                None => Some("no oidc-provider; .ci/install-test-servers installs it".to_owned()),
            }),
            Self::GraphSdk => without(&["node"]).or_else(|| match graph_modules() {
                Some(_) => None,
                None => Some("no SDK of Microsoft Graph; .ci/install-test-servers installs it".to_owned()),
            }),
            Self::GraphSchema => {
                let description =
                    vendor_data().map(|folder| folder.join("graph-schema/graph-mail.openapi.json"));
                match (description.filter(|path| path.is_file()), python()) {
                    (Some(_), Some(_)) => None,
                    (None, _) => Some("MAILPLUMB_VENDOR_DATA names no folder with graph-schema".to_owned()),
                    (_, None) => {
                        Some("no packages from PyPI; .ci/install-test-servers installs them".to_owned())
                    }
                }
            }
            Self::Age => without(&["age", "age-keygen", "ssh-keygen"]),
            Self::Schemas => match vendor_data() {
                Some(_) => without(&["xmllint"]),
                None => Some("MAILPLUMB_VENDOR_DATA names no folder".to_owned()),
            },
            Self::Pages => match vendor_data().filter(|folder| folder.join("seeds").is_dir()) {
                Some(_) => None,
                None => Some("MAILPLUMB_VENDOR_DATA names no folder with seeds".to_owned()),
            },
            Self::Reference => match vendor_data().filter(|folder| folder.join("reference").is_dir()) {
                Some(_) => None,
                None => Some("MAILPLUMB_VENDOR_DATA names no folder with a reference".to_owned()),
            },
            Self::SmallDisks => {
                // In a namespace of its own, which ends with the command.
                let tried =
                    Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "none", "/tmp"]).output();
                let may = tried.is_ok_and(|output| output.status.success());
                (!may).then(|| "a file system cannot be mounted in a namespace (unshare)".to_owned())
            }
        }
    }
}

/// `None`: the test has to return at once; that it was skipped is written to standard error and, for the count at the
/// end of `make test`, to the file named by `MAILPLUMB_SKIPS`. Panics instead where `MAILPLUMB_REQUIRE` lists the group.
#[track_caller]
pub fn require(need: Need) -> Option<()> {
    let Some(lacking) = need.lacking() else { return Some(()) };
    let required = setting("MAILPLUMB_REQUIRE").unwrap_or_default();
    skip(need, &lacking, &required.to_string_lossy(), setting("MAILPLUMB_SKIPS").map(PathBuf::from));
    None
}

#[expect(clippy::print_stderr, reason = "whoever reads the output of this test has to see it")]
#[track_caller]
fn skip(need: Need, lacking: &str, required: &str, list: Option<PathBuf>) {
    let group = need.group();
    assert!(
        !required.split(',').any(|word| word.trim() == group),
        "{group} are required here, but: {lacking}"
    );
    let thread = std::thread::current();
    let line = format!("{group}\t{}\t{lacking}\n", thread.name().unwrap_or("unnamed"));
    eprint!("SKIPPED\t{line}");
    if let Some(path) = list {
        // One write of one short line, so that lines of processes at the same time do not mix.
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
}

/// Where `.ci/install-test-servers` puts what comes from npm and PyPI.
fn cache() -> Option<PathBuf> {
    let home = || setting("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = setting("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    Some(cache?.join("mailplumb"))
}

/// Python with the packages of `tests/it/support/python/requirements.txt`.
pub fn python() -> Option<PathBuf> {
    let folder = cache()?.join("test-python");
    folder.join(".installed-from").is_file().then(|| folder.join("bin/python3"))
}

/// The folder with `oidc-provider`.
pub fn provider_modules() -> Option<PathBuf> {
    let folder = cache()?.join("test-provider/node_modules");
    folder.join("oidc-provider").is_dir().then_some(folder)
}

/// The folder with the SDK of Microsoft Graph.
pub fn graph_modules() -> Option<PathBuf> {
    let folder = cache()?.join("test-graph/node_modules");
    folder.join("@microsoft/microsoft-graph-client").is_dir().then_some(folder)
}

/// The folder with vendors' schemas, which are not part of this repository.
pub fn vendor_data() -> Option<PathBuf> {
    setting("MAILPLUMB_VENDOR_DATA").map(PathBuf::from).filter(|path| path.is_dir())
}

/// Where `.ci/install-test-servers` has unpacked Courier.
pub fn courier_root() -> PathBuf {
    setting("MAILPLUMB_COURIER").map_or_else(|| "/opt/mailplumb-test-servers/courier".into(), PathBuf::from)
}

fn courier_lacking() -> Option<String> {
    let root = courier_root();
    if !root.join("usr/bin/couriertls").is_file() {
        return Some(format!("no Courier in {} (.ci/install-test-servers unpacks it)", root.display()));
    }
    let layers = format!("lowerdir={}:/usr", root.join("usr").display());
    let overlay = ["-m", "mount", "-t", "overlay", "overlay", "-o", &layers, "/usr"];
    let tried = Command::new("unshare").args(overlay).output();
    let may = tried.is_ok_and(|output| output.status.success());
    (!may).then(|| "files cannot be laid over others in a namespace (unshare, overlay)".to_owned())
}

/// Where a program is. Servers are in `sbin`, which the `PATH` of an ordinary user may lack.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = setting("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// A process's own folder in `/proc` belongs to its effective user.
pub fn is_root() -> bool {
    Path::new("/proc/self").metadata().is_ok_and(|metadata| metadata.uid() == 0)
}

#[expect(clippy::disallowed_methods, reason = "how the test run is configured; the product is not involved")]
pub fn setting(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_lacking() {
        assert_eq!(program("sh").is_some(), program("no-such-program").is_none());
        assert_eq!(
            Need::Schemas.lacking().is_none(),
            vendor_data().is_some() && program("xmllint").is_some()
        );
        assert_eq!(
            Need::Age.lacking().is_none(),
            program("age").is_some() && program("age-keygen").is_some()
        );
    }

    #[test]
    fn what_is_required_fails_instead_of_being_skipped() {
        for required in ["schemas", "servers,schemas", "servers, schemas"] {
            let failed = std::panic::catch_unwind(|| skip(Need::Schemas, "none", required, None));
            assert!(failed.is_err(), "{required}");
        }
    }

    #[test]
    fn a_skipped_test_leaves_a_line_with_its_group_name_and_reason() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("skips");
        for required in ["", "servers"] {
            skip(Need::Schemas, "no schemas", required, Some(list.clone()));
        }
        let name = "support::need::tests::a_skipped_test_leaves_a_line_with_its_group_name_and_reason";
        assert_eq!(
            std::fs::read_to_string(list).unwrap(),
            format!("schemas\t{name}\tno schemas\n").repeat(2)
        );
    }
}
