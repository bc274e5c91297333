//! Which certificate authorities a connection trusts, as TLS configurations that are made once and shared.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::sync::Mutex;

use super::client_certificate::NoneOffered;
use super::trace::Findings;
use crate::model::certificate;
use crate::model::failure::Cause;
use crate::model::limits;
use crate::model::name::Name;

/// The TLS configurations made so far. A bundle that cannot be used is looked at again the next time, and one that was
/// replaced is read again.
pub(super) struct TrustStore {
    bundles: BTreeMap<Name, PathBuf>,
    made: Mutex<BTreeMap<Option<Name>, Made>>,
}

/// A configuration with its verifier, and the file it was made from as it was then.
type Made = (Option<Stamp>, Arc<ClientConfig>, Arc<WebPkiServerVerifier>);

/// What tells a replaced file from the one that was read.
type Stamp = (SystemTime, u64);

impl TrustStore {
    pub fn new(bundles: BTreeMap<Name, PathBuf>) -> Self {
        Self { bundles, made: Mutex::new(BTreeMap::new()) }
    }

    /// The configuration for a named bundle, which then is all that is trusted; `None`: the system's roots.
    pub async fn config(&self, trust: Option<&Name>) -> Result<Arc<ClientConfig>, Cause> {
        Ok(self.made(trust).await?.0)
    }

    /// The same configuration for one connection whose certificates are noted. They are verified all the same.
    pub async fn noting(&self, trust: Option<&Name>, findings: Findings) -> Result<Arc<ClientConfig>, Cause> {
        let (config, verifier) = self.made(trust).await?;
        let mut config = ClientConfig::clone(&config);
        // A resumed session shows no certificate.
        config.resumption = Resumption::disabled();
        config.dangerous().set_certificate_verifier(Arc::new(Noting { verifier, findings }));
        Ok(Arc::new(config))
    }

    async fn made(
        &self,
        trust: Option<&Name>,
    ) -> Result<(Arc<ClientConfig>, Arc<WebPkiServerVerifier>), Cause> {
        let key = trust.cloned();
        let path = match trust {
            Some(name) => Some((name.clone(), self.bundle_path(name)?)),
            None => None,
        };
        let stamp = path.as_ref().and_then(|(_, path)| stamp(path));
        let mut made = self.made.lock().await;
        if let Some((known, config, verifier)) = made.get(&key)
            && *known == stamp
        {
            return Ok((Arc::clone(config), Arc::clone(verifier)));
        }
        // Reading a few hundred certificates from the disk takes tens of milliseconds.
        let read = tokio::task::spawn_blocking(move || match path {
            Some((name, path)) => bundle_roots(&name, &path),
            None => Ok(system_roots()),
        });
        let roots = read.await.map_err(|error| Cause::Internal { detail: error.to_string() })??;
        let (config, verifier) = configure(roots)?;
        made.insert(key, (stamp, Arc::clone(&config), Arc::clone(&verifier)));
        Ok((config, verifier))
    }

    fn bundle_path(&self, name: &Name) -> Result<PathBuf, Cause> {
        self.bundles
            .get(name)
            .cloned()
            .ok_or_else(|| unavailable(name, "the host file names no bundle of this name".to_owned()))
    }
}

/// `None`: it cannot be looked at; reading it says why.
fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn unavailable(name: &Name, detail: String) -> Cause {
    Cause::TrustUnavailable { name: name.to_string(), detail }
}

/// The provider is named here, so that nothing global has to be installed first.
fn configure(roots: RootCertStore) -> Result<(Arc<ClientConfig>, Arc<WebPkiServerVerifier>), Cause> {
    let internal = |error: String| Cause::Internal { detail: error };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| internal(error.to_string()))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| internal(error.to_string()))?
        .with_webpki_verifier(Arc::clone(&verifier))
        .with_client_cert_resolver(Arc::new(NoneOffered));
    Ok((Arc::new(config), verifier))
}

/// Notes which certificates a server sent, and leaves the judgement to the usual verifier.
#[derive(Debug)]
struct Noting {
    verifier: Arc<WebPkiServerVerifier>,
    findings: Findings,
}

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let sent = std::iter::once(end_entity).chain(intermediates).take(limits::CERTIFICATES_SHOWN_MAX);
        let certificates = sent.filter_map(|der| certificate::facts(der)).collect();
        self.findings.note(|found| found.certificates = certificates);
        self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
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

#[cfg(test)]
#[cfg(feature = "demo")]
mod tests {
    use super::*;

    fn authority(name: &str) -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.self_signed(&key).unwrap().pem()
    }

    #[tokio::test]
    async fn a_bundle_is_read_once_and_again_when_it_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let name = Name::parse("own-ca").unwrap();
        let store = TrustStore::new(BTreeMap::from([(name.clone(), path.clone())]));
        std::fs::write(&path, authority("before")).unwrap();
        let before = store.config(Some(&name)).await.unwrap();
        assert!(Arc::ptr_eq(&before, &store.config(Some(&name)).await.unwrap()));
        std::fs::write(&path, authority("after a longer while")).unwrap();
        assert!(!Arc::ptr_eq(&before, &store.config(Some(&name)).await.unwrap()));
    }
}
