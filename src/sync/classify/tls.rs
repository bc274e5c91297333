//! Words about TLS and certificates.

use super::{Setting, said};

pub(super) fn name_mismatch(Setting { profile, host, .. }: Setting<'_>) -> (String, String) {
    said(
        format!("the certificate belongs to another name than `{host}`"),
        format!("declare the host in profile `{profile}` under a name that the certificate carries"),
    )
}

pub(super) fn expired(host: &str) -> (String, String) {
    said(
        format!("the certificate of `{host}` is outside of its validity"),
        "renew it on the server; if it is valid, correct this machine's clock",
    )
}

pub(super) fn untrusted(Setting { profile, host, .. }: Setting<'_>) -> (String, String) {
    said(
        format!("nobody whom this machine trusts vouches for `{host}`"),
        format!(
            "name the authority's CA bundle in the host file and set `trust:` in profile `{profile}`, or have the server \
             send its full chain"
        ),
    )
}

pub(super) fn not_tls(Setting { profile, host, port, .. }: Setting<'_>) -> (String, String) {
    said(
        format!("port {port} of `{host}` does not begin with TLS"),
        format!("set `tls: starttls` in profile `{profile}`, or the port of the implicit TLS service"),
    )
}

pub(super) fn tls_failed(Setting { port, .. }: Setting<'_>) -> (String, String) {
    said(
        "both sides found no common ground for TLS",
        format!("TLS 1.2 or 1.3 is needed; check the server's versions and ciphers on port {port}"),
    )
}

pub(super) fn not_offered(Setting { profile, host, port, .. }: Setting<'_>) -> (String, String) {
    said(
        format!("`{host}:{port}` would go on without encryption; this is never done silently"),
        format!("enable TLS on the server, or set `tls: implicit` and its port in profile `{profile}`"),
    )
}

pub(super) fn injected() -> (String, String) {
    said(
        "somebody may be tampering with the connection",
        "check the network between this machine and the server",
    )
}

/// No bundle of the host file mends it.
pub(super) fn certificate_unfit(Setting { host, port, .. }: Setting<'_>) -> (String, String) {
    said(
        format!("nobody can vouch for `{host}` with this certificate"),
        format!(
            "have a certificate issued for `{host}` that names it, is meant for servers (`serverAuth`) and is signed by an authority, and give \
             it to the service on port {port}; `openssl x509 -in FILE -noout -text` shows what one holds"
        ),
    )
}

pub(super) fn client_certificate(Setting { host, port, profile, .. }: Setting<'_>) -> (String, String) {
    said(
        format!("`{host}:{port}` lets in only clients with a certificate of their own"),
        format!(
            "mailplumb offers no client certificates: have the server ask for none on port {port} (Dovecot: `ssl_verify_client_cert`, Postfix: \
             `smtpd_tls_req_ccert`), or declare a port in profile `{profile}` where a login is enough"
        ),
    )
}

pub(super) fn trust_unavailable(bundle: &str) -> (String, String) {
    said(
        format!("the CA bundle `{bundle}` of the host file cannot be read"),
        "check its path, its permissions and that it is PEM",
    )
}
