//! No client certificate is offered. Whether a server asked for one is noted: TLS 1.2 has no words for "it is demanded".

use std::cell::Cell;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use tokio::task_local;

task_local! {
    static IS_ASKED: Cell<bool>;
}

/// What `handshake` ends with, and whether the server asked for a certificate meanwhile.
pub(super) async fn noting_demands<H: Future>(handshake: H) -> (H::Output, bool) {
    IS_ASKED.scope(Cell::new(false), async { (handshake.await, IS_ASKED.with(Cell::get)) }).await
}

/// One for all connections: sessions are resumed only under the same resolver.
#[derive(Debug)]
pub(super) struct NoneOffered;

impl ResolvesClientCert for NoneOffered {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        // Outside of a handshake that is noted nobody wants to know.
        let _ = IS_ASKED.try_with(|is_asked| is_asked.set(true));
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}
