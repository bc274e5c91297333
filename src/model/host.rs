//! What belongs to the host and not to the manifest, so that whoever writes YAML cannot weaken it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::name::Name;

/// The host file, parsed. Its default is a host without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSettings {
    /// `tls: none` and `http://` are allowed.
    pub allow_non_tls_email: bool,
    pub allow_credentials_over_http: bool,
    /// Passwords may cross a connection without TLS.
    pub allow_basic_over_plaintext: bool,
    pub allow_ad_authentication: bool,
    /// CA bundles by the name that `trust` uses; PEM files.
    pub trust: BTreeMap<Name, PathBuf>,
    /// Where to connect for a host and port of the manifest. Names are still verified in certificates.
    pub connect: BTreeMap<(String, u16), SocketAddr>,
    /// Addresses of host names, before DNS is asked.
    pub hosts: BTreeMap<String, std::net::IpAddr>,
    /// Whether a host file was given; without one, rules that depend on it are reported as depending on the host.
    pub given: bool,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            allow_non_tls_email: false,
            allow_credentials_over_http: false,
            allow_basic_over_plaintext: false,
            allow_ad_authentication: true,
            trust: BTreeMap::new(),
            connect: BTreeMap::new(),
            hosts: BTreeMap::new(),
            given: false,
        }
    }
}
