//! A certificate authority for one run, and the server's certificate, good or deliberately bad.

use std::io;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::options::Certificate;

pub(super) struct Issued {
    pub(super) ca_pem: String,
    pub(super) server: Arc<ServerConfig>,
}

pub(super) fn issue(kind: Certificate, host_names: &[String]) -> io::Result<Issued> {
    let ca_key = KeyPair::generate().map_err(io::Error::other)?;
    let ca = authority();
    let ca_certificate = ca.self_signed(&ca_key).map_err(io::Error::other)?;
    let issuer = Issuer::new(ca, ca_key);

    let key = KeyPair::generate().map_err(io::Error::other)?;
    let wanted = leaf(kind, host_names)?;
    let certificate = match kind {
        Certificate::Good | Certificate::Expired | Certificate::WrongName => wanted.signed_by(&key, &issuer),
        Certificate::SelfSigned => wanted.self_signed(&key),
    };
    let chain = vec![CertificateDer::from(certificate.map_err(io::Error::other)?)];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    // The provider is named, because the process may have installed none or another one.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(io::Error::other)?;
    Ok(Issued { ca_pem: ca_certificate.pem(), server: Arc::new(server) })
}

fn authority() -> CertificateParams {
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "Playground Test Authority");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    ca.not_before = date_time_ymd(2020, 1, 1);
    ca.not_after = date_time_ymd(2049, 12, 31);
    ca
}

fn leaf(kind: Certificate, host_names: &[String]) -> io::Result<CertificateParams> {
    let names = match kind {
        Certificate::Good | Certificate::Expired | Certificate::SelfSigned => host_names.to_vec(),
        Certificate::WrongName => vec![String::from("somebody-else.example.test")],
    };
    let common_name = names.first().cloned().unwrap_or_else(|| String::from("playground"));
    let mut leaf = CertificateParams::new(names).map_err(io::Error::other)?;
    leaf.distinguished_name.push(DnType::CommonName, common_name);
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    leaf.not_before = date_time_ymd(2020, 1, 1);
    leaf.not_after = match kind {
        Certificate::Good | Certificate::SelfSigned | Certificate::WrongName => date_time_ymd(2049, 12, 31),
        Certificate::Expired => date_time_ymd(2020, 12, 31),
    };
    Ok(leaf)
}
