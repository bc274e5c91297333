//! One server as one direction reaches it: host, port, TLS, authentication, credentials (P-02 to P-07, P-14, P-15).

use std::num::NonZeroU16;

use super::secret::Secrets;
use super::{check_username, exactly_one, in_range, location, needs_host, out_of_range};
use crate::manifest::codes;
use crate::manifest::decode::spanned::Spanned;
use crate::manifest::mirror::profile as mirror;
use crate::manifest::mirror::values::Period;
use crate::manifest::place::Place;
use crate::manifest::report::{Draft, Report, did_you_mean};
use crate::model::host::HostSettings;
use crate::model::name::Name;
use crate::model::profile::{Access, Authentication, Credentials, Endpoint, MailServers, Protocol, TlsMode};

/// What endpoints are resolved with.
#[derive(Debug)]
pub struct Endpoints<'e, 'a, 's> {
    pub secrets: &'e Secrets<'s>,
    pub host: &'e HostSettings,
    pub report: &'e mut Report<'a>,
}

/// The parts that incoming and outgoing servers have in common.
struct Server {
    host: Spanned<String>,
    port: Option<Spanned<u32>>,
    tls: Option<Spanned<mirror::Tls>>,
    authentication: Option<Spanned<mirror::MailAuthentication>>,
    credentials: Credentials,
    credentials_place: Place,
    timeout: Option<Spanned<Period>>,
}

impl Endpoints<'_, '_, '_> {
    pub fn mail_servers(
        &mut self,
        protocol: Protocol,
        trust: Option<Spanned<Name>>,
        incoming: mirror::IncomingServer,
        outgoing: Option<mirror::OutgoingServer>,
    ) -> Option<MailServers> {
        let trust = trust.map(|trust| self.trust(trust));
        // Whatever becomes of the credentials.
        self.check_place(&incoming.host, incoming.port.as_ref());
        outgoing.iter().for_each(|outgoing| self.check_place(&outgoing.host, outgoing.port.as_ref()));
        let received = self.mail_credentials(&incoming.credentials, protocol);
        let sent = outgoing.as_ref().map(|outgoing| {
            let written = outgoing.credentials.as_ref().unwrap_or(&incoming.credentials);
            (self.mail_credentials(written, Protocol::Smtp), written.place)
        });
        let incoming = self.endpoint(Server {
            host: incoming.host,
            port: incoming.port,
            tls: incoming.tls,
            authentication: incoming.authentication,
            credentials_place: incoming.credentials.place,
            credentials: received?,
            timeout: incoming.timeout,
        });
        let outgoing = match (outgoing, sent) {
            (Some(outgoing), Some((credentials, credentials_place))) => Some(self.endpoint(Server {
                host: outgoing.host,
                port: outgoing.port,
                tls: outgoing.tls,
                authentication: outgoing.authentication,
                credentials: credentials?,
                credentials_place,
                timeout: outgoing.timeout,
            })),
            (Some(_), None) | (None, _) => None,
        };
        Some(MailServers { trust, incoming, outgoing })
    }

    fn check_place(&mut self, host: &Spanned<String>, port: Option<&Spanned<u32>>) {
        if let Some(draft) = location::check_host(host) {
            self.report.add(draft);
        }
        in_range(port, 1..=65_535, self.report);
    }

    fn endpoint(&mut self, server: Server) -> Endpoint {
        let port = server.port.and_then(|port| u16::try_from(port.value).ok()).and_then(NonZeroU16::new);
        let tls = server.tls.map_or(TlsMode::Implicit, |tls| tls.value.into());
        let authentication =
            server.authentication.map_or(Authentication::Auto, |written| written.value.into());
        let tls_place = server.tls.map_or(server.host.place, |tls| tls.place);
        let authentication_place =
            server.authentication.map_or(server.credentials_place, |written| written.place);
        if tls == TlsMode::None {
            self.without_tls(tls_place, authentication, &server.credentials);
        }
        self.fitting(authentication, authentication_place, &server.credentials);
        self.directory(authentication, authentication_place, &server.credentials);
        Endpoint {
            host: server.host.value,
            port,
            tls,
            authentication,
            credentials: server.credentials,
            timeout_seconds: self.timeout(server.timeout),
        }
    }

    /// P-13: up to 100 seconds.
    pub fn timeout(&mut self, timeout: Option<Spanned<Period>>) -> Option<u32> {
        let timeout = timeout?;
        let seconds =
            u32::try_from(timeout.value.0.as_secs()).ok().filter(|seconds| (1..=100).contains(seconds));
        if seconds.is_none() {
            self.report.add(out_of_range(timeout.place, "`1s` to `100s`".to_owned()));
        }
        seconds
    }

    /// The name of a CA bundle that the host file must have.
    pub fn trust(&mut self, trust: Spanned<Name>) -> Name {
        if !self.host.given {
            let message = format!("whether the host has a CA bundle `{}` was not checked", trust.value);
            let draft = Draft::warning(codes::HOST_DEPENDENT, trust.place, message);
            self.report.add(draft.hint("no host file was given; give it with `--host-config`"));
        } else if !self.host.trust.contains_key(&trust.value) {
            let message = format!("no CA bundle `{}` is known on this host", trust.value);
            let hint = did_you_mean(trust.value.as_str(), self.host.trust.keys().map(Name::as_str));
            let draft = Draft::error(codes::UNKNOWN_TRUST, trust.place, message);
            self.report.add(
                draft
                    .hint("CA bundles stand under `trust` in the host file, which `--host-config` names")
                    .hint_if(hint),
            );
        }
        trust.value
    }

    /// P-05: no TLS at all, and passwords that would be readable.
    pub fn without_tls(&mut self, place: Place, authentication: Authentication, credentials: &Credentials) {
        let what = "without TLS everybody on the way can read and change this mail";
        let allowed = self.host.allow_non_tls_email;
        let draft = needs_host(self.host, allowed, place, codes::NO_TLS, what, "allowNonTlsEmail");
        draft.into_iter().for_each(|draft| self.report.add(draft));
        let readable = match authentication {
            Authentication::Plain | Authentication::Login | Authentication::Basic => true,
            Authentication::Xoauth2 | Authentication::Oauthbearer | Authentication::Oauth => true,
            // A token is shown by every mechanism that takes one.
            Authentication::Auto => matches!(credentials, Credentials::Oauth2 { .. }),
            Authentication::CramMd5 | Authentication::ScramSha1 => false,
            Authentication::ScramSha256 | Authentication::Gssapi | Authentication::Negotiate => false,
            Authentication::Ntlm => false,
        };
        if readable && *credentials != Credentials::Anonymous {
            let what = "this authentication shows the password to everybody on the way";
            let allowed = self.host.allow_basic_over_plaintext;
            let draft = needs_host(
                self.host,
                allowed,
                place,
                codes::PLAINTEXT_LOGIN,
                what,
                "allowBasicOverPlaintext",
            );
            draft.into_iter().for_each(|draft| self.report.add(draft));
        }
    }

    /// The authentication can do something with the credentials.
    pub fn fitting(&mut self, authentication: Authentication, place: Place, credentials: &Credentials) {
        let with_token = match authentication {
            Authentication::Auto => return,
            Authentication::Xoauth2 | Authentication::Oauthbearer | Authentication::Oauth => true,
            Authentication::Plain | Authentication::Login | Authentication::CramMd5 => false,
            Authentication::ScramSha1 | Authentication::ScramSha256 | Authentication::Basic => false,
            Authentication::Gssapi | Authentication::Negotiate | Authentication::Ntlm => false,
        };
        let ticket = matches!(
            authentication,
            Authentication::Gssapi | Authentication::Negotiate | Authentication::Ntlm
        );
        let problem = match credentials {
            Credentials::Oauth2 { .. } if !with_token => {
                Some("`oauth2` credentials need an OAuth authentication, or `auto`")
            }
            Credentials::Mailbox | Credentials::Profile { .. } if with_token => {
                Some("an OAuth authentication needs `oauth2` credentials, not a password")
            }
            Credentials::WindowsIntegrated { .. } if !ticket => {
                Some("`windowsIntegrated` needs `negotiate`, `ntlm` or `gssapi`, or `auto`")
            }
            Credentials::Anonymous => Some("`anonymous` logs in to nothing: leave `authentication` out"),
            Credentials::Oauth2 { .. } | Credentials::Mailbox => None,
            Credentials::Profile { .. } | Credentials::WindowsIntegrated { .. } => None,
        };
        if let Some(problem) = problem {
            self.report.add(Draft::error(codes::AUTHENTICATION, place, problem));
        }
    }

    /// P-15: protocols of Active Directory. On by default, so a missing host file only means "not checked".
    pub fn directory(&mut self, authentication: Authentication, place: Place, credentials: &Credentials) {
        let wanted = matches!(
            authentication,
            Authentication::Gssapi | Authentication::Negotiate | Authentication::Ntlm
        ) || matches!(credentials, Credentials::WindowsIntegrated { .. });
        if wanted {
            let what = "this uses a protocol of Active Directory";
            let allowed = self.host.allow_ad_authentication;
            let code = codes::AD_AUTHENTICATION;
            let draft = needs_host(self.host, allowed, place, code, what, super::ON_BY_DEFAULT);
            draft.into_iter().for_each(|draft| self.report.add(draft));
        }
    }

    /// Credentials of a POP3, IMAP or SMTP server.
    fn mail_credentials(
        &mut self,
        written: &Spanned<mirror::Credentials>,
        protocol: Protocol,
    ) -> Option<Credentials> {
        let credentials = self.credentials(written)?;
        let access = match &credentials {
            Credentials::Profile { access, .. } | Credentials::WindowsIntegrated { access } => *access,
            Credentials::Mailbox | Credentials::Anonymous | Credentials::Oauth2 { .. } => None,
        };
        let draft = match (&credentials, protocol) {
            // It opens one inbox only, its own: other people's mail would be recorded for each mailbox of the profile.
            (Credentials::Profile { .. }, Protocol::Pop3 | Protocol::Imap) => Draft::error(
                codes::SHARED_INBOX,
                written.place,
                "with one login for the whole profile every mailbox would read the same inbox",
            )
            .hint("write `credentials: { mailbox: {} }` here; a login of the profile is for `outgoing` only"),
            (_, Protocol::Pop3 | Protocol::Imap | Protocol::Smtp) if access.is_some() => Draft::error(
                codes::ACCESS,
                access_place(&written.value).unwrap_or(written.place),
                "`access` exists for Exchange only",
            ),
            (Credentials::WindowsIntegrated { .. }, Protocol::Pop3 | Protocol::Imap) => Draft::error(
                codes::WINDOWS_INTEGRATED,
                written.place,
                "Windows integrated authentication exists for Exchange and SMTP only",
            ),
            (Credentials::Anonymous, Protocol::Pop3 | Protocol::Imap) => {
                Draft::error(codes::ANONYMOUS, written.place, "incoming mail cannot be read anonymously")
            }
            (_, Protocol::Pop3 | Protocol::Imap | Protocol::Smtp | Protocol::Ews) => {
                return Some(credentials);
            }
        };
        self.report.add(draft);
        Some(credentials)
    }

    /// The one kind of credentials that is written; `None`: reported.
    pub fn credentials(&mut self, written: &Spanned<mirror::Credentials>) -> Option<Credentials> {
        let mirror::Credentials { mailbox, profile, windows_integrated, anonymous, oauth2 } =
            written.value.clone();
        let chosen = exactly_one(
            [
                ("mailbox", mailbox.map(|_| Chosen::Mailbox)),
                ("profile", profile.map(Chosen::Profile)),
                ("windowsIntegrated", windows_integrated.map(Chosen::WindowsIntegrated)),
                ("anonymous", anonymous.map(|_| Chosen::Anonymous)),
                ("oauth2", oauth2.map(Chosen::Oauth2)),
            ],
            written.place,
            "where the credentials come from",
            self.report,
        )?;
        Some(match chosen {
            Chosen::Mailbox => Credentials::Mailbox,
            Chosen::Anonymous => Credentials::Anonymous,
            Chosen::WindowsIntegrated(it) => Credentials::WindowsIntegrated { access: access(it.access) },
            Chosen::Profile(it) => {
                check_username(&it.username, self.report);
                Credentials::Profile {
                    username: it.username.value,
                    password: self.secrets.refer(&it.password, self.report)?,
                    access: access(it.access),
                }
            }
            Chosen::Oauth2(it) => {
                self.token_url(&it.token_url);
                Credentials::Oauth2 {
                    token_url: it.token_url.value,
                    client_id: it.client_id,
                    client_secret: self.secrets.refer(&it.client_secret, self.report)?,
                    scope: it.scope,
                    trust: it.trust.map(|trust| self.trust(trust)),
                }
            }
        })
    }

    /// P-04: the client secret goes to this URL.
    fn token_url(&mut self, url: &Spanned<String>) {
        if let Some(draft) = location::check_token_url(url) {
            self.report.add(draft);
        } else if url.value.starts_with("http://") {
            let what = "over plain HTTP everybody on the way can read the client secret";
            let allowed = self.host.allow_credentials_over_http;
            let code = codes::CREDENTIALS_OVER_HTTP;
            let draft = needs_host(self.host, allowed, url.place, code, what, "allowCredentialsOverHttp");
            draft.into_iter().for_each(|draft| self.report.add(draft));
        }
    }
}

enum Chosen {
    Mailbox,
    Profile(mirror::ProfileCredentials),
    WindowsIntegrated(mirror::WindowsIntegrated),
    Anonymous,
    Oauth2(mirror::Oauth2),
}

fn access(written: Option<Spanned<mirror::Access>>) -> Option<Access> {
    written.map(|access| match access.value {
        mirror::Access::Impersonation => Access::Impersonation,
        mirror::Access::Delegation => Access::Delegation,
    })
}

/// Where `access` is written.
pub fn access_place(written: &mirror::Credentials) -> Option<Place> {
    let profile = written.profile.as_ref().and_then(|profile| profile.access);
    let windows = written.windows_integrated.as_ref().and_then(|windows| windows.access);
    profile.or(windows).map(|access| access.place)
}

impl From<mirror::Tls> for TlsMode {
    fn from(tls: mirror::Tls) -> Self {
        match tls {
            mirror::Tls::Implicit => Self::Implicit,
            mirror::Tls::Starttls => Self::Starttls,
            mirror::Tls::None => Self::None,
        }
    }
}

impl From<mirror::MailAuthentication> for Authentication {
    fn from(written: mirror::MailAuthentication) -> Self {
        match written {
            mirror::MailAuthentication::Auto => Self::Auto,
            mirror::MailAuthentication::Plain => Self::Plain,
            mirror::MailAuthentication::Login => Self::Login,
            mirror::MailAuthentication::CramMd5 => Self::CramMd5,
            mirror::MailAuthentication::ScramSha1 => Self::ScramSha1,
            mirror::MailAuthentication::ScramSha256 => Self::ScramSha256,
            mirror::MailAuthentication::Xoauth2 => Self::Xoauth2,
            mirror::MailAuthentication::Oauthbearer => Self::Oauthbearer,
            mirror::MailAuthentication::Gssapi => Self::Gssapi,
            mirror::MailAuthentication::Negotiate => Self::Negotiate,
            mirror::MailAuthentication::Ntlm => Self::Ntlm,
        }
    }
}
