//! What a failure means: its code, whether waiting helps, whom it concerns, and what to do next.
//!
//! The classes are those of the vendor's server-side synchronisation: transient or permanent; message, mailbox or profile.

mod hosts;
mod inboxes;
mod kerberos;
mod password;
mod secrets;
mod tls;
mod tokens;
mod web;

use super::patience::{self, Breadth};
use super::{exchange, graph, known};
use crate::model::failure::{Cause, Failure, Nature, RemoteError, Scope, TestStep};
use crate::model::name::Name;
use crate::model::profile::{Credentials, ServerKind};
use crate::model::secret::{Origin, SecretRef};
use password::{login_refused, secret_absent, secret_unavailable};
use secrets::{identity_unusable, no_identity};
use tokens::{refused_class, token_refused, token_unavailable};

/// For whom and towards what a conversation failed.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    pub mailbox: &'a Name,
    pub profile: &'a Name,
    pub credentials: &'a Credentials,
    /// The secret that logs in, if there is one.
    pub secret: Option<&'a SecretRef>,
    /// Where that comes from. `None`: not known.
    pub origin: Option<&'a Origin>,
    pub kind: ServerKind,
    pub host: &'a str,
    pub port: u16,
    pub named_by: NamedBy,
    pub so_far: SoFar,
}

/// Who says that the server is under this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    Profile,
    Autodiscover,
}

/// Whether what is declared has passed a test before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoFar {
    NeverWorked,
    Worked,
}

/// Judges an error.
pub fn classify(error: RemoteError, setting: Setting<'_>) -> Failure {
    let (code, nature, scope) = class(&error, setting);
    let scope = beyond_one_message(error.step, scope);
    let (meaning, remedy) = match known::find(&error) {
        Some(known) => said(known.meaning, known.remedy),
        None => words(&error, setting),
    };
    Failure { error, code: code.to_owned(), nature, scope, meaning, remedy }
}

/// What cannot be opened or listed is the mailbox, whatever the code means elsewhere: a single message that is not handed over
/// is no failure of the session, see `Content`.
fn beyond_one_message(step: TestStep, scope: Scope) -> Scope {
    match (step, scope) {
        (TestStep::Send | TestStep::ReceiveBack | TestStep::Delete, scope) => scope,
        (_, Scope::Profile) => Scope::Profile,
        (_, Scope::Mailbox | Scope::Message) => Scope::Mailbox,
    }
}

/// Who owns the credentials has to mend them.
fn login_scope(credentials: &Credentials) -> Scope {
    match credentials {
        Credentials::Mailbox => Scope::Mailbox,
        Credentials::Profile { .. }
        | Credentials::WindowsIntegrated { .. }
        | Credentials::Anonymous
        | Credentials::Oauth2 { .. } => Scope::Profile,
    }
}

/// The stable code, the nature and the scope of an error.
fn class(error: &RemoteError, setting: Setting<'_>) -> (&'static str, Nature, Scope) {
    use Nature::{Permanent, Transient};
    use Scope::{Mailbox, Profile};
    let login_scope = login_scope(setting.credentials);
    match &error.cause {
        Cause::NameNotResolved { .. } => ("name-not-resolved", Transient, Profile),
        Cause::ConnectionRefused { .. } => ("connection-refused", Transient, Profile),
        Cause::Unreachable { .. } => ("unreachable", Transient, Profile),
        Cause::NoGreeting { .. } => ("no-greeting", Transient, Profile),
        Cause::TimedOut { .. } => ("timed-out", Transient, Profile),
        Cause::ConnectionLost { .. } => ("connection-lost", Transient, Profile),
        Cause::CertificateUntrusted { .. } => ("certificate-untrusted", Permanent, Profile),
        Cause::CertificateUnfit { .. } => ("certificate-unfit", Permanent, Profile),
        Cause::CertificateNameMismatch { .. } => ("certificate-name-mismatch", Permanent, Profile),
        Cause::CertificateExpired { .. } => ("certificate-expired", Permanent, Profile),
        Cause::NotTls { .. } => ("not-tls", Permanent, Profile),
        Cause::TlsFailed { .. } => ("tls-failed", Permanent, Profile),
        Cause::ClientCertificateDemanded => ("client-certificate-demanded", Permanent, Profile),
        Cause::TlsRequired => ("tls-required", Permanent, Profile),
        Cause::StarttlsNotOffered => ("starttls-not-offered", Permanent, Profile),
        Cause::StarttlsInjected => ("starttls-injected", Permanent, Profile),
        Cause::WrongProtocol { .. } => ("wrong-protocol", Permanent, Profile),
        Cause::PlaintextLogin => ("plaintext-login", Permanent, Profile),
        Cause::LoginNeedsTls => ("login-needs-tls", Permanent, Profile),
        Cause::EhloRefused { .. } => ("ehlo-refused", Permanent, Profile),
        Cause::NoMechanism { .. } => ("no-mechanism", Permanent, Profile),
        Cause::LoginRefused { .. } | Cause::Refused { .. } if patience::demanded(error).is_some() => {
            asked_for_patience(error, "temporarily-refused", concerned(error.step))
        }
        Cause::LoginRefused { .. } => ("login-refused", tokens::nature(error), login_scope),
        Cause::TemporarilyRefused { .. } => {
            asked_for_patience(error, "temporarily-refused", concerned(error.step))
        }
        Cause::Refused { .. } if tokens::has_ended(error) => ("refused", Transient, Mailbox),
        Cause::Refused { .. } => refused(error.step),
        Cause::Exchange { code, said } => {
            exchange::class(error.step, code, said).unwrap_or_else(|| refused(error.step))
        }
        Cause::Graph { status, code, .. } => {
            graph::class(error.step, *status, code).unwrap_or_else(|| refused(error.step))
        }
        Cause::ServerBye { .. } => asked_for_patience(error, "server-closed", Profile),
        Cause::Garbage { .. } => ("garbage", Transient, Profile),
        Cause::WentBack { .. } => ("inbox-went-back", Transient, Mailbox),
        Cause::LimitExceeded { .. } => ("limit-exceeded", Transient, Mailbox),
        Cause::SecretUnavailable { .. } => ("secret-unavailable", Permanent, login_scope),
        Cause::ClientKeyUnfit { .. } => ("client-key-unfit", Permanent, Profile),
        Cause::SecretAbsent { .. } => ("secret-absent", Transient, login_scope),
        Cause::NoIdentity { .. } => ("no-identity", Transient, Profile),
        Cause::IdentityUnusable { .. } => ("identity-unusable", Transient, Profile),
        Cause::TokenRefused { said, .. } => refused_class(said),
        Cause::TokenUnavailable { cause, .. } => token_unavailable_class(error, cause, setting),
        Cause::NotDiscovered { .. } => ("not-discovered", Transient, Mailbox),
        Cause::TrustUnavailable { .. } => ("trust-unavailable", Permanent, Profile),
        Cause::KerberosFailed { fault, .. } => kerberos::class(*fault, login_scope),
        Cause::Unsupported { .. } => ("unsupported", Permanent, Profile),
        Cause::RuleInError { .. } => ("rule-in-error", Permanent, Mailbox),
        Cause::RuleOvertaken { .. } => ("rule-overtaken", Permanent, Mailbox),
        Cause::NotReceivedBack { .. } => ("not-received-back", Transient, Mailbox),
        Cause::Internal { .. } => ("internal", Transient, Mailbox),
    }
}

/// A provider that asks for patience gets it; otherwise it is as transient as what keeps it from answering.
fn token_unavailable_class(
    error: &RemoteError,
    cause: &Cause,
    setting: Setting<'_>,
) -> (&'static str, Nature, Scope) {
    if patience::demanded(error).is_some() {
        return asked_for_patience(error, "token-unavailable", Scope::Profile);
    }
    let (_, nature, _) = class(&RemoteError::new(error.step, cause.clone()), setting);
    ("token-unavailable", nature, Scope::Profile)
}

/// What it is called when no special kind of patience is asked for, and whom it concerns then.
fn asked_for_patience(
    error: &RemoteError,
    otherwise: &'static str,
    scope: Scope,
) -> (&'static str, Nature, Scope) {
    let Some(patience) = patience::demanded(error) else { return (otherwise, Nature::Transient, scope) };
    (patience.demand.code(), Nature::Transient, concerned(error.step))
}

/// A plain refusal concerns the message when one was being sent, the mailbox otherwise. (A message that is not handed over
/// is no failure of the session, see `Content::Refused`.)
fn refused(step: TestStep) -> (&'static str, Nature, Scope) {
    match step {
        TestStep::Send => ("refused", Nature::Permanent, Scope::Message),
        // The server cannot list or change the inbox just now. It could be opened, so waiting may help.
        TestStep::Read | TestStep::Delete => ("refused", Nature::Transient, Scope::Mailbox),
        TestStep::Secret
        | TestStep::Token
        | TestStep::Autodiscover
        | TestStep::Resolve
        | TestStep::Connect
        | TestStep::Tls
        | TestStep::Greet
        | TestStep::Authenticate
        | TestStep::Open
        | TestStep::ForwardRule
        | TestStep::ReceiveBack
        | TestStep::Close => ("refused", Nature::Permanent, concerned(step)),
    }
}

/// Whom a refusal at this step concerns: before the login nobody in particular can be meant.
fn concerned(step: TestStep) -> Scope {
    match patience::breadth(step) {
        Breadth::Mailbox => Scope::Mailbox,
        Breadth::Server => Scope::Profile,
    }
}

/// What it means and what to do.
fn words(error: &RemoteError, setting: Setting<'_>) -> (String, String) {
    let Setting { mailbox, profile, host, .. } = setting;
    match &error.cause {
        Cause::NameNotResolved { host, .. } => hosts::not_resolved(host, setting),
        Cause::ConnectionRefused { host, port } => hosts::refused((host, *port), setting),
        Cause::Unreachable { host, port, .. } => hosts::unreachable((host, *port), setting),
        Cause::TimedOut { .. } | Cause::ConnectionLost { .. } => silent(setting),
        Cause::ServerBye { .. } => goodbye(setting),
        Cause::WrongProtocol { protocol, .. } => hosts::wrong_protocol(&protocol.to_string(), setting),
        Cause::NoGreeting { .. } => no_greeting(setting),
        Cause::CertificateUntrusted { .. } => tls::untrusted(setting),
        Cause::CertificateUnfit { .. } => tls::certificate_unfit(setting),
        Cause::CertificateNameMismatch { .. } => tls::name_mismatch(setting),
        Cause::CertificateExpired { .. } => tls::expired(host),
        Cause::NotTls { .. } if web::is_web(setting.kind) => web::not_tls(setting),
        Cause::NotTls { .. } => tls::not_tls(setting),
        Cause::TlsFailed { .. } => tls::tls_failed(setting),
        Cause::ClientCertificateDemanded => tls::client_certificate(setting),
        Cause::TlsRequired if web::is_web(setting.kind) => web::tls_required(setting),
        Cause::TlsRequired => tls_required(profile),
        Cause::StarttlsNotOffered => tls::not_offered(setting),
        Cause::StarttlsInjected => tls::injected(),
        Cause::TrustUnavailable { name, .. } => tls::trust_unavailable(name),
        Cause::NotDiscovered { .. } => not_discovered(setting),
        Cause::KerberosFailed { fault, .. } => kerberos::words(*fault, setting),
        Cause::PlaintextLogin if web::is_web(setting.kind) => web::plaintext(setting),
        Cause::PlaintextLogin => plaintext(setting),
        Cause::NoMechanism { wanted, offered } if web::is_web(setting.kind) => {
            web::no_mechanism(wanted, offered, setting)
        }
        Cause::LoginNeedsTls => hosts::login_needs_tls(setting),
        Cause::EhloRefused { .. } => hosts::ehlo_refused(setting),
        Cause::NoMechanism { .. } => no_mechanism(setting),
        Cause::LoginRefused { .. } => login_refused(setting),
        Cause::SecretUnavailable { secret, .. } => secret_unavailable(secret),
        Cause::ClientKeyUnfit { secret, .. } => tokens::key_unfit(secret, setting),
        Cause::SecretAbsent { .. } => secret_absent(setting),
        Cause::NoIdentity { .. } => no_identity(),
        Cause::IdentityUnusable { .. } => identity_unusable(),
        Cause::TokenRefused { provider, said } => token_refused(provider, said, setting),
        Cause::TokenUnavailable { provider, cause } => token_unavailable((provider, cause), setting),
        Cause::Unsupported { .. } => unsupported(profile),
        Cause::TemporarilyRefused { .. } => {
            said("the server asks for patience", "nothing to do: it is tried again by itself")
        }
        Cause::Exchange { code, said } => known_or_refused(exchange::words(error.step, code, said), mailbox),
        Cause::Graph { status, code, .. } => {
            known_or_refused(graph::words(error.step, *status, code), mailbox)
        }
        Cause::Refused { .. } => refused_words(mailbox),
        Cause::Garbage { .. } | Cause::LimitExceeded { .. } => inboxes::outside_protocol(setting),
        Cause::WentBack { .. } => inboxes::went_back(mailbox),
        Cause::RuleInError { .. } => inboxes::rule_in_error(mailbox),
        Cause::RuleOvertaken { by } => inboxes::rule_overtaken(by, mailbox),
        Cause::NotReceivedBack { .. } => inboxes::not_back(mailbox),
        Cause::Internal { .. } => said("this is a defect of mailplumb", "report it with this text"),
    }
}

fn said(meaning: impl Into<String>, remedy: impl Into<String>) -> (String, String) {
    (meaning.into(), remedy.into())
}

fn not_discovered(Setting { profile, host, .. }: Setting<'_>) -> (String, String) {
    said(
        format!("none of the places that Autodiscover asks for `{host}` knows where the mailbox is"),
        format!(
            "publish `autodiscover.{host}` in DNS, name the server's host under `allowedHosts`, or give its URL with \
             `location: {{ fixed }}` in profile `{profile}`"
        ),
    )
}

fn goodbye(Setting { host, port, .. }: Setting<'_>) -> (String, String) {
    said(
        format!("`{host}:{port}` ended the session, and said so"),
        "it is tried again by itself; if it stays so, look at the server's log at this time, and at its limits of sessions",
    )
}

fn silent(Setting { host, port, .. }: Setting<'_>) -> (String, String) {
    said(
        format!("`{host}:{port}` stopped answering"),
        "it is tried again by itself; if it stays so, look at the server's log at this time, and whether the port belongs \
         to the declared protocol and TLS mode",
    )
}

fn tls_required(profile: &Name) -> (String, String) {
    said(
        format!(
            "profile `{profile}` declares `tls: none`, so mail and password would be readable on the way"
        ),
        format!("set `tls:` in profile `{profile}`; the host file could allow it with `allowNonTlsEmail`"),
    )
}

fn no_greeting(Setting { profile, host, port, .. }: Setting<'_>) -> (String, String) {
    said(
        format!("`{host}:{port}` is open and says nothing; a port that expects TLS at once does so"),
        format!(
            "if {port} is such a port, set `tls: implicit` in profile `{profile}`; otherwise look at the server's load"
        ),
    )
}

fn plaintext(Setting { profile, .. }: Setting<'_>) -> (String, String) {
    said(
        "the password would be readable on the way",
        format!("set `tls:` in profile `{profile}`, or a mechanism that does not send the password"),
    )
}

fn no_mechanism(Setting { profile, .. }: Setting<'_>) -> (String, String) {
    said(
        "both sides know no common way to log in",
        format!("set `authentication: auto` in profile `{profile}`, or enable a mechanism on the server"),
    )
}

fn unsupported(profile: &Name) -> (String, String) {
    said(
        "this version of mailplumb cannot do what is declared",
        format!("change the setting in profile `{profile}`, or update mailplumb"),
    )
}

fn known_or_refused(known: Option<(String, String)>, mailbox: &Name) -> (String, String) {
    known.unwrap_or_else(|| refused_words(mailbox))
}

fn refused_words(mailbox: &Name) -> (String, String) {
    said(
        "the server does not allow it",
        format!("the server's words say why; ask its administrator about mailbox `{mailbox}`"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(step: TestStep, cause: Cause) -> Failure {
        let name = Name::parse("m").unwrap();
        let setting = Setting {
            mailbox: &name,
            profile: &name,
            credentials: &Credentials::Mailbox,
            secret: None,
            origin: None,
            kind: ServerKind::ImapSmtp,
            host: "h",
            port: 1,
            named_by: NamedBy::Profile,
            so_far: SoFar::NeverWorked,
        };
        classify(RemoteError::new(step, cause), setting)
    }

    #[test]
    fn a_listing_that_is_refused_is_a_failure_of_the_mailbox() {
        let said = || Cause::Refused { said: "[CORRUPTION]".into() };
        for step in [TestStep::Read, TestStep::Delete] {
            let failure = failure(step, said());
            assert_eq!((failure.scope, failure.nature), (Scope::Mailbox, Nature::Transient), "{step}");
        }
        assert_eq!(failure(TestStep::Send, said()).scope, Scope::Message);
    }

    #[test]
    fn what_cannot_be_opened_or_listed_is_the_mailbox_whatever_the_code_means_elsewhere() {
        let gone = || Cause::Graph { status: 404, code: "ErrorItemNotFound".into(), said: "x".into() };
        for step in [TestStep::Open, TestStep::Read] {
            let failure = failure(step, gone());
            assert_eq!((failure.code.as_str(), failure.scope), ("folder-gone", Scope::Mailbox), "{step}");
            assert!(!failure.remedy.contains("nothing to do"), "{}", failure.remedy);
        }
        assert_eq!(failure(TestStep::Delete, gone()).scope, Scope::Message);
        let of_exchange = Cause::Exchange { code: "ErrorItemNotFound".into(), said: "x".into() };
        assert_eq!(failure(TestStep::Read, of_exchange).scope, Scope::Mailbox);
    }

    #[test]
    fn a_page_in_the_middle_of_a_session_is_no_wrong_url() {
        let code = |code: &str| Cause::Exchange { code: code.into(), said: "Found".into() };
        for step in [TestStep::Read, TestStep::Send, TestStep::Delete] {
            let later = failure(step, code("HTTP 302"));
            assert_eq!((later.nature, later.scope), (Nature::Transient, Scope::Mailbox), "{step}");
        }
        let first = failure(TestStep::Authenticate, code("HTTP 302"));
        assert_eq!((first.nature, first.scope), (Nature::Permanent, Scope::Profile));
        assert_eq!(failure(TestStep::Read, code("HTTP 403")).nature, Nature::Permanent);
    }

    #[test]
    fn a_token_that_is_not_taken_is_no_wrong_password() {
        let name = Name::parse("m").unwrap();
        let credentials = Credentials::Oauth2 {
            token_url: "https://login.example/token".into(),
            client_id: "c".into(),
            client_secret: SecretRef { secret: name.clone(), key: "p".into() },
            scope: "s".into(),
            trust: None,
        };
        let of = |kind, cause: Cause| {
            let (mailbox, profile, credentials) = (&name, &name, &credentials);
            let (secret, origin) = (None, None);
            let setting = Setting {
                mailbox,
                profile,
                credentials,
                secret,
                origin,
                kind,
                host: "h",
                port: 1,
                named_by: NamedBy::Profile,
                so_far: SoFar::NeverWorked,
            };
            classify(RemoteError::new(TestStep::Authenticate, cause), setting)
        };
        let refused = Cause::LoginRefused { said: "401 Unauthorized, for a login with Bearer".into() };
        let unavailable =
            Cause::TokenUnavailable { provider: "p".into(), cause: Box::new(Cause::TimedOut { seconds: 1 }) };
        for kind in [ServerKind::Exchange, ServerKind::ExchangeOnline] {
            let refused = of(kind, refused.clone());
            assert!(!format!("{} {}", refused.meaning, refused.remedy).contains("password"), "{refused:?}");
            let remedy = of(kind, unavailable.clone()).remedy;
            assert_eq!(remedy.contains("tokenUrl"), kind == ServerKind::Exchange, "{remedy}");
        }
        let ended = Cause::ConnectionLost {
            detail:
                "the access token has expired in the middle of the session; the next one asks for another"
                    .into(),
        };
        assert!(failure(TestStep::Read, ended).meaning.contains("token ended"));
        let words = "[AUTHENTICATIONFAILED] access token expired";
        let ended = [
            (TestStep::Authenticate, Cause::LoginRefused { said: words.into() }),
            (TestStep::Open, Cause::Refused { said: words.into() }),
            (TestStep::Read, Cause::ServerBye { said: "Session invalidated - AccessTokenExpired".into() }),
        ];
        for (step, cause) in ended {
            let ended = failure(step, cause);
            assert_eq!(ended.nature, Nature::Transient, "{ended:?}");
            assert!(ended.meaning.contains("token ended"), "{ended:?}");
        }
    }

    #[test]
    fn a_maildrop_that_somebody_else_has_open_is_waited_for() {
        let locked =
            failure(TestStep::Authenticate, Cause::LoginRefused { said: "maildrop already locked".into() });
        assert_eq!((locked.code.as_str(), locked.nature), ("mailbox-in-use", Nature::Transient));
        assert!(locked.meaning.contains("somebody else has the mailbox open"), "{}", locked.meaning);
        let damaged = failure(TestStep::Authenticate, Cause::Refused { said: "[SYS/PERM] no".into() });
        assert_eq!(damaged.nature, Nature::Permanent);
        assert!(!damaged.remedy.contains("tried again"), "{}", damaged.remedy);
    }

    #[test]
    fn wrong_credentials_are_the_business_of_whoever_owns_them() {
        let refused = failure(TestStep::Authenticate, Cause::LoginRefused { said: "no".into() });
        assert_eq!((refused.scope, refused.nature), (Scope::Mailbox, Nature::Permanent));
        assert!(refused.remedy.contains("mailplumb test m"));
    }
}
