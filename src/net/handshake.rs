//! The TLS handshake, and what its failures mean to people.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::address::io_words;
use super::trace::Findings;
use super::trust::TrustStore;
use super::{client_certificate, timed_out};
use crate::model::failure::Cause;
use crate::model::name::Name;

/// Whom a certificate has to name, and who may have signed it.
pub(super) struct TlsPeer {
    pub store: Arc<TrustStore>,
    pub trust: Option<Name>,
    /// The manifest's host name, or an IP literal.
    pub host: String,
    /// For the whole handshake.
    pub wait: Duration,
    /// Where the certificates are noted, if somebody wants to know.
    pub findings: Option<Findings>,
}

/// How the handshake was begun: it decides what to say to somebody whose server does not answer with TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    WithConnection,
    AfterUpgradeCommand,
}

pub(super) async fn shake_hands(
    peer: &TlsPeer,
    socket: TcpStream,
    begun: Begun,
) -> Result<TlsStream<TcpStream>, Cause> {
    let name = ServerName::try_from(peer.host.clone()).map_err(|_| Cause::TlsFailed {
        detail: format!("`{}` is not a name that a certificate can hold", peer.host),
    })?;
    let config = match &peer.findings {
        None => peer.store.config(peer.trust.as_ref()).await?,
        Some(findings) => peer.store.noting(peer.trust.as_ref(), findings.clone()).await?,
    };
    // Boxed, because whoever connects without TLS would carry its room along, too.
    let handshake = Box::pin(timeout(peer.wait, TlsConnector::from(config).connect(name, socket)));
    let (ended, is_asked) = client_certificate::noting_demands(handshake).await;
    match ended {
        Ok(Ok(stream)) => Ok(stream),
        // TLS 1.2 has no alert of its own for it.
        Ok(Err(error)) if is_asked && is_alert(&error) => Err(Cause::ClientCertificateDemanded),
        Ok(Err(error)) => Err(cause_of(&error, &peer.host, begun)),
        Err(_) => Err(timed_out(peer.wait)),
    }
}

fn is_alert(error: &std::io::Error) -> bool {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    matches!(tls, Some(Error::AlertReceived(_)))
}

fn cause_of(error: &std::io::Error, host: &str, begun: Begun) -> Cause {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match tls {
        Some(tls) => tls_cause(tls, host, begun),
        None => Cause::ConnectionLost { detail: format!("during the TLS handshake: {}", io_words(error)) },
    }
}

/// What a TLS error means. Also used for errors that come after the handshake: with TLS 1.3 a server's refusal
/// arrives with the first read.
pub(super) fn tls_cause(error: &Error, host: &str, begun: Begun) -> Cause {
    if let Error::InvalidCertificate(certificate) = error {
        return certificate_cause(certificate, host);
    }
    if speaks_something_else(error) {
        return Cause::NotTls { detail: not_tls_words(begun).to_owned() };
    }
    if let Error::AlertReceived(AlertDescription::CertificateRequired | AlertDescription::NoCertificate) =
        error
    {
        return Cause::ClientCertificateDemanded;
    }
    let detail = if let Error::AlertReceived(alert) = error {
        alert_words(*alert)
    } else if let Error::PeerIncompatible(reason) = error {
        incompatible_words(reason)
    } else {
        error.to_string()
    };
    Cause::TlsFailed { detail }
}

fn speaks_something_else(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType
                | InvalidMessage::UnknownProtocolVersion
                | InvalidMessage::MessageTooLarge
                | InvalidMessage::InvalidEmptyPayload
        )
    )
}

fn not_tls_words(begun: Begun) -> &'static str {
    match begun {
        Begun::WithConnection => "this port does not begin with TLS; is it a port for STARTTLS?",
        Begun::AfterUpgradeCommand => "after its go-ahead it sent something else",
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library adds variants; all others mean: not trusted")]
fn certificate_cause(error: &CertificateError, host: &str) -> Cause {
    let host = host.to_owned();
    match error {
        CertificateError::NotValidForNameContext { presented, .. } => {
            Cause::CertificateNameMismatch { host, detail: names_words(presented) }
        }
        CertificateError::NotValidForName => {
            Cause::CertificateNameMismatch { host, detail: "it is for other names".to_owned() }
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            Cause::CertificateExpired { detail: format!("it expired on {}", date_words(*not_after)) }
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            Cause::CertificateExpired { detail: format!("it is valid from {}", date_words(*not_before)) }
        }
        CertificateError::Expired => Cause::CertificateExpired { detail: "it has expired".to_owned() },
        CertificateError::NotValidYet => {
            Cause::CertificateExpired { detail: "it is not valid yet".to_owned() }
        }
        other => untrusted(other),
    }
}

fn untrusted(error: &CertificateError) -> Cause {
    // The verifier hands some reasons on only as a text.
    let text = format!("{error:?}");
    let find = |known: &[(&str, &str)]| {
        known.iter().find(|(mark, _)| text.contains(mark)).map(|(_, words)| (*words).to_owned())
    };
    if let Some(detail) = find(&UNFIT) {
        return Cause::CertificateUnfit { detail };
    }
    let words = || crate::model::failure::server_words(&error.to_string());
    Cause::CertificateUntrusted { detail: find(&UNTRUSTED).unwrap_or_else(words) }
}

/// Another authority may help.
const UNTRUSTED: [(&str, &str); 2] = [
    ("UnknownIssuer", "its issuer is unknown; name the CA's certificate under `trust` if it is your own"),
    ("BadSignature", "its signature is wrong; another CA of the same name may be in the bundle"),
];

/// Nothing but another certificate helps.
const UNFIT: [(&str, &str); 7] = [
    (
        "CaUsedAsEndEntity",
        "it is a CA's own certificate (self-signed); give the server one that the CA has signed",
    ),
    ("UnsupportedCertVersion", "it is an X.509 certificate of version 1; version 3 is needed"),
    (
        "InvalidPurpose",
        "it is not a certificate for a server: `serverAuth` is missing in its extended key usage",
    ),
    ("Revoked", "it has been revoked"),
    ("BadEncoding", "it cannot be read"),
    ("UnsupportedSignatureAlgorithm", "it is signed with an algorithm that is no longer accepted"),
    ("NameConstraint", "its CA is not allowed to sign for this name"),
];

/// The names in the certificate; the verifier writes them as `DnsName("mail.contoso.example")`.
fn names_words(presented: &[String]) -> String {
    const NAMES_SHOWN_MAX: usize = 10;
    let plain = |name: &String| match name.split_once('(') {
        Some((_, inner)) => inner.trim_end_matches(')').trim_matches('"').to_owned(),
        None => name.clone(),
    };
    let names: Vec<String> = presented.iter().take(NAMES_SHOWN_MAX).map(plain).collect();
    let more = presented.len().saturating_sub(NAMES_SHOWN_MAX);
    let words = match (names.is_empty(), more) {
        (true, _) => "it holds no names".to_owned(),
        (false, 0) => format!("it is for {}", names.join(", ")),
        (false, more) => format!("it is for {} and {more} more", names.join(", ")),
    };
    crate::model::failure::server_words(&words)
}

fn date_words(time: UnixTime) -> String {
    let moment = i64::try_from(time.as_secs()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    moment.map_or_else(|| "an unknown date".to_owned(), |at| at.strftime("%Y-%m-%d").to_string())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library adds variants; its own name says enough")]
fn incompatible_words(reason: &PeerIncompatible) -> String {
    match reason {
        PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => {
            "the server offers only TLS 1.1 or older; TLS 1.2 is needed".to_owned()
        }
        other => format!("no common ground: {other:?}"),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the alerts of RFC 8446 carry telling names")]
fn alert_words(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::ProtocolVersion => {
            "the server refused TLS 1.2 and 1.3; it may know only older versions".to_owned()
        }
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            "the server found no common cipher or key exchange".to_owned()
        }
        AlertDescription::UnrecognisedName => "the server does not know this host name".to_owned(),
        AlertDescription::InternalError => "the server reports an internal error".to_owned(),
        other => format!("the server ended it with the alert `{other:?}`"),
    }
}
