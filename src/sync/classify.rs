//! What a failure means: its code, whether waiting helps, whom it concerns, and what to do next.
//!
//! The classes follow sections 7.1 to 7.3 of the server-side synchronisation reference.

use crate::model::failure::{Cause, Failure, Nature, RemoteError, Scope, TestStep};
use crate::model::name::Name;
use crate::model::profile::Credentials;

/// For whom and towards what a conversation failed.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    pub mailbox: &'a Name,
    pub profile: &'a Name,
    pub credentials: &'a Credentials,
    pub host: &'a str,
    pub port: u16,
}

/// Judges an error.
pub fn classify(error: RemoteError, setting: Setting<'_>) -> Failure {
    let (code, nature, scope) = class(&error, setting);
    let (meaning, remedy) = words(&error.cause, setting);
    Failure { error, code: code.to_owned(), nature, scope, meaning, remedy }
}

/// The stable code, the nature and the scope of an error.
fn class(error: &RemoteError, setting: Setting<'_>) -> (&'static str, Nature, Scope) {
    use Nature::{Permanent, Transient};
    use Scope::{Mailbox, Profile};
    // Who owns the credentials has to mend them.
    let login_scope = match setting.credentials {
        Credentials::Mailbox => Mailbox,
        Credentials::Profile { .. }
        | Credentials::WindowsIntegrated { .. }
        | Credentials::Anonymous
        | Credentials::Oauth2 { .. } => Profile,
    };
    match &error.cause {
        Cause::NameNotResolved { .. } => ("name-not-resolved", Transient, Profile),
        Cause::ConnectionRefused { .. } => ("connection-refused", Transient, Profile),
        Cause::Unreachable { .. } => ("unreachable", Transient, Profile),
        Cause::TimedOut { .. } => ("timed-out", Transient, Profile),
        Cause::NoGreeting { .. } => ("no-greeting", Transient, Profile),
        Cause::ConnectionLost { .. } => ("connection-lost", Transient, Profile),
        Cause::CertificateUntrusted { .. } => ("certificate-untrusted", Permanent, Profile),
        Cause::CertificateNameMismatch { .. } => ("certificate-name-mismatch", Permanent, Profile),
        Cause::CertificateExpired { .. } => ("certificate-expired", Permanent, Profile),
        Cause::NotTls { .. } => ("not-tls", Permanent, Profile),
        Cause::TlsFailed { .. } => ("tls-failed", Permanent, Profile),
        Cause::StarttlsNotOffered => ("starttls-not-offered", Permanent, Profile),
        Cause::StarttlsInjected => ("starttls-injected", Permanent, Profile),
        Cause::WrongProtocol { .. } => ("wrong-protocol", Permanent, Profile),
        Cause::PlaintextLogin => ("plaintext-login", Permanent, Profile),
        Cause::NoMechanism { .. } => ("no-mechanism", Permanent, Profile),
        Cause::LoginRefused { .. } => ("login-refused", Permanent, login_scope),
        Cause::TemporarilyRefused { .. } => ("temporarily-refused", Transient, Mailbox),
        Cause::Refused { .. } => refused(error.step),
        Cause::ServerBye { .. } => ("server-closed", Transient, Profile),
        Cause::Garbage { .. } => ("garbage", Transient, Profile),
        Cause::LimitExceeded { .. } => ("limit-exceeded", Transient, Mailbox),
        Cause::SecretUnavailable { .. } => ("secret-unavailable", Permanent, login_scope),
        Cause::NoIdentity { .. } => ("no-identity", Transient, Profile),
        Cause::TrustUnavailable { .. } => ("trust-unavailable", Permanent, Profile),
        Cause::Unsupported { .. } => ("unsupported", Permanent, Profile),
        Cause::NotReceivedBack { .. } => ("not-received-back", Transient, Mailbox),
        Cause::Internal { .. } => ("internal", Transient, Mailbox),
    }
}

/// A plain refusal concerns the message when a message was being handled, the mailbox otherwise.
fn refused(step: TestStep) -> (&'static str, Nature, Scope) {
    match step {
        TestStep::Send | TestStep::Read | TestStep::Delete => ("refused", Nature::Permanent, Scope::Message),
        TestStep::Secret
        | TestStep::Resolve
        | TestStep::Connect
        | TestStep::Tls
        | TestStep::Greet
        | TestStep::Authenticate
        | TestStep::Open
        | TestStep::ReceiveBack
        | TestStep::Close => ("refused", Nature::Permanent, Scope::Mailbox),
    }
}

/// What it means and what to do.
fn words(cause: &Cause, setting: Setting<'_>) -> (String, String) {
    let Setting { mailbox, profile, host, port, .. } = setting;
    match cause {
        Cause::NameNotResolved { .. } | Cause::ConnectionRefused { .. } | Cause::Unreachable { .. } => {
            network_words(cause, setting)
        }
        Cause::TimedOut { .. } | Cause::ConnectionLost { .. } | Cause::ServerBye { .. } => (
            format!("`{host}:{port}` stopped answering"),
            "it is tried again by itself; if it stays so, look at the server's log at this time, and whether the \
             port belongs to the declared protocol and TLS mode"
                .to_owned(),
        ),
        Cause::NoGreeting { .. }
        | Cause::CertificateUntrusted { .. }
        | Cause::CertificateNameMismatch { .. }
        | Cause::CertificateExpired { .. }
        | Cause::NotTls { .. }
        | Cause::TlsFailed { .. }
        | Cause::StarttlsNotOffered
        | Cause::StarttlsInjected
        | Cause::TrustUnavailable { .. } => tls_words(cause, setting),
        Cause::WrongProtocol { protocol, .. } => (
            format!("`{host}:{port}` is no {protocol} server"),
            format!("check host and port of profile `{profile}`"),
        ),
        Cause::PlaintextLogin
        | Cause::NoMechanism { .. }
        | Cause::LoginRefused { .. }
        | Cause::SecretUnavailable { .. }
        | Cause::NoIdentity { .. }
        | Cause::Unsupported { .. } => login_words(cause, setting),
        Cause::TemporarilyRefused { .. } => (
            "the server asks for patience".to_owned(),
            "nothing to do: it is tried again by itself".to_owned(),
        ),
        Cause::Refused { .. } => (
            "the server does not allow it".to_owned(),
            format!("the server's words say why; ask its administrator about mailbox `{mailbox}`"),
        ),
        Cause::Garbage { .. } | Cause::LimitExceeded { .. } => (
            "the server answers outside of its protocol".to_owned(),
            format!("check that `{host}:{port}` is the mail server and that no proxy stands in between"),
        ),
        Cause::NotReceivedBack { .. } => (
            "the server took the test message and did not deliver it yet".to_owned(),
            format!("look for the message in mailbox `{mailbox}` and in the server's queue"),
        ),
        Cause::Internal { .. } => {
            ("this is a defect of mailplumb".to_owned(), "report it with this text".to_owned())
        }
    }
}

fn network_words(cause: &Cause, Setting { profile, host, port, .. }: Setting<'_>) -> (String, String) {
    match cause {
        Cause::NameNotResolved { .. } => (
            format!("no address is known for `{host}`"),
            format!(
                "check the spelling of the host in profile `{profile}`, then the name server of this machine"
            ),
        ),
        Cause::ConnectionRefused { .. } => (
            format!("`{host}` is up, and no server listens on port {port}"),
            format!("check the port in profile `{profile}`; if it is right, start the mail server"),
        ),
        _ => (
            format!("no way leads to `{host}:{port}`"),
            "check the network, the firewall and the port (a wrong port often shows as silence)".to_owned(),
        ),
    }
}

fn tls_words(cause: &Cause, Setting { profile, host, port, .. }: Setting<'_>) -> (String, String) {
    match cause {
        Cause::CertificateUntrusted { .. } => (
            format!("nobody whom this machine trusts vouches for `{host}`"),
            format!(
                "name the authority's CA bundle in the host file and set `trust:` in profile `{profile}`, or have the \
                 server send its full chain"
            ),
        ),
        Cause::CertificateNameMismatch { .. } => (
            format!("the certificate belongs to another name than `{host}`"),
            format!("declare the host in profile `{profile}` under a name that the certificate carries"),
        ),
        Cause::CertificateExpired { .. } => (
            format!("the certificate of `{host}` is outside of its validity"),
            "renew it on the server; if it is valid, correct this machine's clock".to_owned(),
        ),
        Cause::NotTls { .. } => (
            format!("port {port} of `{host}` does not begin with TLS"),
            format!("set `tls: starttls` in profile `{profile}`, or the port of the implicit TLS service"),
        ),
        Cause::NoGreeting { .. } => (
            format!("`{host}:{port}` is open and says nothing; a port that expects TLS at once does so"),
            format!(
                "if {port} is such a port, set `tls: implicit` in profile `{profile}`; otherwise look at the server's load"
            ),
        ),
        Cause::StarttlsNotOffered => (
            format!("`{host}:{port}` would go on without encryption; this is never done silently"),
            format!("enable TLS on the server, or set `tls: implicit` and its port in profile `{profile}`"),
        ),
        Cause::StarttlsInjected => (
            "somebody may be tampering with the connection".to_owned(),
            "check the network between this machine and the server".to_owned(),
        ),
        Cause::TrustUnavailable { name, .. } => (
            format!("the CA bundle `{name}` of the host file cannot be read"),
            "check its path, its permissions and that it is PEM".to_owned(),
        ),
        _ => (
            "both sides found no common ground for TLS".to_owned(),
            format!("TLS 1.2 or 1.3 is needed; check the server's versions and ciphers on port {port}"),
        ),
    }
}

fn login_words(
    cause: &Cause,
    Setting { mailbox, profile, credentials, .. }: Setting<'_>,
) -> (String, String) {
    match cause {
        Cause::PlaintextLogin => (
            "the password would be readable on the way".to_owned(),
            format!("set `tls:` in profile `{profile}`, or a mechanism that does not send the password"),
        ),
        Cause::NoMechanism { .. } => (
            "both sides know no common way to log in".to_owned(),
            format!("set `authentication: auto` in profile `{profile}`, or enable a mechanism on the server"),
        ),
        Cause::LoginRefused { .. } => {
            let whose = match credentials {
                Credentials::Mailbox => format!("mailbox `{mailbox}`"),
                Credentials::Profile { .. }
                | Credentials::WindowsIntegrated { .. }
                | Credentials::Anonymous
                | Credentials::Oauth2 { .. } => format!("profile `{profile}`"),
            };
            (
                format!("user name or password of {whose} is wrong, or the account may not log in"),
                format!(
                    "set the password with `mailplumb secrets set`, apply, then `mailplumb test {mailbox}`"
                ),
            )
        }
        Cause::SecretUnavailable { secret, .. } => (
            "the password could not be read, so no login was tried".to_owned(),
            format!("encrypt it to this machine's recipient: `mailplumb secrets set {secret}`"),
        ),
        Cause::NoIdentity { .. } => (
            "this machine holds no key for the secret".to_owned(),
            "give one with --identity, MAILPLUMB_AGE_KEY_FILE or $CREDENTIALS_DIRECTORY/age.key".to_owned(),
        ),
        _ => (
            "this version of mailplumb cannot do what is declared".to_owned(),
            format!("change the setting in profile `{profile}`, or update mailplumb"),
        ),
    }
}
