//! Somebody in the middle: takes TLS apart with a certificate that the client trusts, and passes everything on.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::support::certificates::{Certificate, CertificateKind, HOST, certificate};
use crate::support::scratch;

pub struct Relay {
    pub at: SocketAddr,
    pub certificate: Certificate,
    _folder: tempfile::TempDir,
}

impl Relay {
    pub async fn start(target: SocketAddr, authority: &Path) -> Self {
        let folder = scratch::folder();
        let listener = TcpListener::bind((scratch::address(), 0)).await.unwrap();
        let at = listener.local_addr().unwrap();
        let certificate = certificate(CertificateKind::Good, at.ip(), folder.path());
        let chain: Vec<_> =
            CertificateDer::pem_file_iter(&certificate.chain).unwrap().collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(&certificate.key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (acceptor, connector) =
            (TlsAcceptor::from(Arc::new(server)), TlsConnector::from(Arc::new(client)));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, connector) = (acceptor.clone(), connector.clone());
                tokio::spawn(async move {
                    let mut near = acceptor.accept(socket).await.unwrap();
                    let far = TcpStream::connect(target).await.unwrap();
                    let name = ServerName::try_from(HOST).unwrap();
                    let mut far = connector.connect(name, far).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { at, certificate, _folder: folder }
    }
}
