//! Which certificate authorities a connection trusts, as TLS configurations that are made once and shared.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Mutex;

use crate::model::failure::Cause;
use crate::model::limits;
use crate::model::name::Name;

/// The TLS configurations made so far. A bundle that cannot be used is looked at again the next time.
pub(super) struct TrustStore {
    bundles: BTreeMap<Name, PathBuf>,
    made: Mutex<BTreeMap<Option<Name>, Arc<ClientConfig>>>,
}

impl TrustStore {
    pub fn new(bundles: BTreeMap<Name, PathBuf>) -> Self {
        Self { bundles, made: Mutex::new(BTreeMap::new()) }
    }

    /// The configuration for a named bundle, which then is all that is trusted; `None`: the system's roots.
    pub async fn config(&self, trust: Option<&Name>) -> Result<Arc<ClientConfig>, Cause> {
        let key = trust.cloned();
        let mut made = self.made.lock().await;
        if let Some(config) = made.get(&key) {
            return Ok(Arc::clone(config));
        }
        let path = match trust {
            Some(name) => Some((name.clone(), self.bundle_path(name)?)),
            None => None,
        };
        // Reading a few hundred certificates from the disk takes tens of milliseconds.
        let read = tokio::task::spawn_blocking(move || match path {
            Some((name, path)) => bundle_roots(&name, &path),
            None => Ok(system_roots()),
        });
        let roots = read.await.map_err(|error| Cause::Internal { detail: error.to_string() })??;
        let config = Arc::new(configure(roots)?);
        made.insert(key, Arc::clone(&config));
        Ok(config)
    }

    fn bundle_path(&self, name: &Name) -> Result<PathBuf, Cause> {
        self.bundles
            .get(name)
            .cloned()
            .ok_or_else(|| unavailable(name, "the host file names no bundle of this name".to_owned()))
    }
}

fn unavailable(name: &Name, detail: String) -> Cause {
    Cause::TrustUnavailable { name: name.to_string(), detail }
}

/// The provider is named here, so that nothing global has to be installed first.
fn configure(roots: RootCertStore) -> Result<ClientConfig, Cause> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Cause::Internal { detail: error.to_string() })?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn bundle_roots(name: &Name, path: &Path) -> Result<RootCertStore, Cause> {
    let unreadable = |error: std::io::Error| {
        unavailable(name, format!("{}: {}", path.display(), super::address::io_words(&error)))
    };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > limits::TRUST_BUNDLE_BYTES_MAX {
        return Err(Cause::LimitExceeded {
            what: format!("CA bundle `{name}`"),
            limit: limits::TRUST_BUNDLE_BYTES_MAX,
        });
    }
    let text = std::fs::read(path).map_err(unreadable)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| {
            unavailable(name, format!("{}: it is not valid PEM: {error}", path.display()))
        })?;
        roots.add(certificate).map_err(|error| {
            unavailable(name, format!("{}: a certificate is not usable: {error}", path.display()))
        })?;
    }
    if roots.is_empty() {
        return Err(unavailable(name, format!("{}: it holds no PEM certificate", path.display())));
    }
    Ok(roots)
}

/// The host's certificate authorities; Mozilla's, as they were when this program was built, on a host without any.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}
