//! A certificate authority for one server, and certificates of it that are good or bad in one way each.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

/// The name that good certificates carry, besides `localhost`, `*.example.test` and the server's address.
pub const HOST: &str = "mail.example.test";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateKind {
    Good,
    Expired,
    /// Signed by its own key, not by the authority.
    SelfSigned,
    /// For another host.
    WrongName,
}

/// PEM files.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// What a client has to trust.
    pub authority: PathBuf,
    pub chain: PathBuf,
    pub key: PathBuf,
}

/// Writes `authority.pem`, `chain.pem` and `key.pem` into a folder.
pub fn certificate(kind: CertificateKind, address: IpAddr, folder: &Path) -> Certificate {
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let mut wanted = CertificateParams::new(names(kind, address)).unwrap();
    wanted.distinguished_name.push(DnType::CommonName, HOST);
    // Until 2049 dates are written in the form that every library reads.
    wanted.not_before = date_time_ymd(2020, 1, 1);
    wanted.not_after = match kind {
        CertificateKind::Expired => date_time_ymd(2021, 1, 1),
        CertificateKind::Good | CertificateKind::SelfSigned | CertificateKind::WrongName => {
            date_time_ymd(2049, 1, 1)
        }
    };
    let signed = match kind {
        CertificateKind::SelfSigned => wanted.self_signed(&key).unwrap(),
        CertificateKind::Good | CertificateKind::Expired | CertificateKind::WrongName => {
            wanted.signed_by(&key, &authority).unwrap()
        }
    };
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    Certificate {
        authority: write("authority.pem", authority.pem()),
        chain: write("chain.pem", signed.pem()),
        key: write("key.pem", key.serialize_pem()),
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Test authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 1, 1);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn names(kind: CertificateKind, address: IpAddr) -> Vec<String> {
    match kind {
        CertificateKind::WrongName => vec!["elsewhere.invalid".to_owned()],
        CertificateKind::Good | CertificateKind::Expired | CertificateKind::SelfSigned => {
            [HOST, "*.example.test", "localhost"]
                .map(str::to_owned)
                .into_iter()
                .chain([address.to_string()])
                .collect()
        }
    }
}
