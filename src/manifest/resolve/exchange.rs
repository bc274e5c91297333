//! Exchange and Exchange Online profiles (P-01, P-02, P-05 to P-09, P-17).

use super::certificate;
use super::endpoint::{Endpoints, access_place};
use super::{exactly_one, location};
use crate::manifest::decode::spanned::Spanned;
use crate::manifest::mirror::profile as mirror;
use crate::manifest::place::Place;
use crate::manifest::report::Draft;
use crate::manifest::{attached, codes};
use crate::model::limits;
use crate::model::profile::{
    AppProof, Authentication, Cloud, Credentials, Exchange, ExchangeLocation, ExchangeLogin, ExchangeOnline,
    Transport,
};

/// One direction of a login, as written.
#[derive(Debug, Clone, Copy)]
struct Written<'w> {
    authentication: Option<&'w Spanned<mirror::ExchangeAuthentication>>,
    credentials: &'w Spanned<mirror::Credentials>,
}

impl Endpoints<'_, '_, '_> {
    pub fn exchange(&mut self, written: mirror::Exchange) -> Option<Exchange> {
        let trust = written.trust.map(|trust| self.trust(trust));
        let first = Written {
            authentication: written.incoming.authentication.as_ref(),
            credentials: &written.incoming.credentials,
        };
        let second = written.outgoing.as_ref().map_or(first, |outgoing| Written {
            authentication: outgoing.authentication.as_ref().or(first.authentication),
            credentials: outgoing.credentials.as_ref().unwrap_or(first.credentials),
        });
        let incoming = self.exchange_login(first);
        let outgoing = self.exchange_login(second);
        let logins: Vec<&ExchangeLogin> = [&incoming, &outgoing].into_iter().flatten().collect();
        let location = self.exchange_location(written.location, &logins);
        Some(Exchange {
            trust,
            location: location?,
            incoming: incoming?,
            outgoing: outgoing?,
            undeliverable_folder: written.undeliverable_folder.is_some_and(|folder| folder.value),
            tracked_category: self.category(written.tracked_category),
            track_sent_items: written.track_sent_items.is_some_and(|sent| sent.value),
            timeout_seconds: self.timeout(written.timeout),
        })
    }

    /// Outlook takes no comma and no semicolon in the name of a category, because it separates them so.
    fn category(&mut self, written: Option<Spanned<String>>) -> Option<String> {
        let Spanned { value, place } = written?;
        let name = value.trim();
        let is_good = !name.is_empty()
            && name.chars().count() <= limits::CATEGORY_CHARACTERS_MAX
            && !name.contains([',', ';']);
        if !is_good {
            let draft = Draft::error(codes::OUT_OF_RANGE, place, "this is not the name of a category");
            let most = limits::CATEGORY_CHARACTERS_MAX;
            self.report
                .add(draft.label(format!("expected 1 to {most} characters, without comma and semicolon")));
        }
        Some(name.to_owned())
    }

    fn exchange_login(&mut self, written: Written<'_>) -> Option<ExchangeLogin> {
        let credentials = self.credentials(written.credentials)?;
        let authentication =
            written.authentication.map_or(Authentication::Auto, |written| written.value.into());
        let place = written.authentication.map_or(written.credentials.place, |written| written.place);
        self.exchange_access(written.credentials, &credentials);
        self.fitting(authentication, place, &credentials);
        self.directory(authentication, place, &credentials);
        Some(ExchangeLogin { authentication, credentials })
    }

    /// P-07 and P-09: never anonymous; `access` where one identity reads many mailboxes, and only there.
    fn exchange_access(&mut self, written: &Spanned<mirror::Credentials>, credentials: &Credentials) {
        let draft = match credentials {
            Credentials::Anonymous => Draft::error(
                codes::ANONYMOUS,
                written.place,
                "Exchange cannot be read or sent with anonymously",
            ),
            Credentials::Profile { access: None, .. } | Credentials::WindowsIntegrated { access: None } => {
                Draft::error(
                    codes::ACCESS,
                    access_place(&written.value).unwrap_or(written.place),
                    "`access` is missing: how one identity reads many mailboxes",
                )
                .label("expected `access: impersonation` or `access: delegation`")
                .hint("appointments, contacts and tasks need impersonation")
            }
            Credentials::Profile { access: Some(_), .. }
            | Credentials::WindowsIntegrated { access: Some(_) } => return,
            Credentials::Mailbox | Credentials::Oauth2 { .. } => return,
        };
        self.report.add(draft);
    }

    fn exchange_location(
        &mut self,
        written: Spanned<mirror::ExchangeLocation>,
        logins: &[&ExchangeLogin],
    ) -> Option<ExchangeLocation> {
        let mirror::ExchangeLocation { fixed, autodiscover } = written.value;
        let location = exactly_one(
            [
                ("fixed", fixed.map(Location::Fixed)),
                ("autodiscover", autodiscover.map(Location::Autodiscover)),
            ],
            written.place,
            "the location of the server",
            self.report,
        )?;
        match location {
            Location::Fixed(fixed) => {
                let outgoing = fixed.outgoing.unwrap_or_else(|| fixed.incoming.clone());
                self.web_service(&fixed.incoming, logins.first().copied());
                self.web_service(&outgoing, logins.last().copied());
                Some(ExchangeLocation::Fixed { incoming: fixed.incoming.value, outgoing: outgoing.value })
            }
            Location::Autodiscover(autodiscover) => {
                let hosts = autodiscover.allowed_hosts;
                if hosts.value.is_empty() {
                    let draft = Draft::error(
                        codes::LOCATION,
                        hosts.place,
                        "Autodiscover needs at least one allowed host",
                    );
                    self.report.add(draft.hint(
                        "a login is shown to hosts of the mailbox's own domain and to those named here only",
                    ));
                }
                for host in &hosts.value {
                    location::check_host(host).into_iter().for_each(|draft| self.report.add(draft));
                }
                Some(ExchangeLocation::Autodiscover {
                    allowed_hosts: hosts.value.into_iter().map(|host| host.value).collect(),
                })
            }
        }
    }

    /// P-02 and P-05: the URL of the web service.
    fn web_service(&mut self, url: &Spanned<String>, login: Option<&ExchangeLogin>) {
        if let Some(draft) = location::check_web_service(url) {
            self.report.add(draft);
        } else if url.value.to_ascii_lowercase().starts_with("http://") {
            let anonymous = Credentials::Anonymous;
            let (authentication, credentials) = login.map_or((Authentication::Auto, &anonymous), |login| {
                (login.authentication, &login.credentials)
            });
            self.without_tls(url.place, authentication, credentials);
        }
    }

    pub fn exchange_online(&mut self, written: mirror::ExchangeOnline) -> Option<ExchangeOnline> {
        self.tenant(&written.tenant);
        let Spanned { value: application, place } = written.server_to_server;
        if application.client_id.trim().is_empty() {
            self.report.add(Draft::error(codes::SERVER_TO_SERVER, place, "the `clientId` is empty"));
        }
        let proof = self.proof(application.client_secret, application.certificate, place);
        Some(ExchangeOnline {
            tenant: written.tenant.value,
            cloud: written.cloud.map_or(Cloud::Global, Into::into),
            transport: match written.transport {
                None | Some(mirror::Transport::Graph) => Transport::Graph,
                Some(mirror::Transport::Ews) => Transport::Ews,
            },
            client_id: application.client_id,
            proof: proof?,
            undeliverable_folder: written.undeliverable_folder.is_some_and(|folder| folder.value),
            tracked_category: self.category(written.tracked_category),
            track_sent_items: written.track_sent_items.is_some_and(|sent| sent.value),
            timeout_seconds: self.timeout(written.timeout),
        })
    }

    fn tenant(&mut self, tenant: &Spanned<String>) {
        if !location::is_tenant(&tenant.value) {
            let draft = Draft::error(codes::LOCATION, tenant.place, "this is not a tenant");
            self.report.add(draft.label("expected the tenant's id or one of its domains"));
        }
    }

    /// P-17: exactly one of client secret and certificate.
    fn proof(
        &mut self,
        secret: Option<crate::manifest::mirror::secret::SecretReference>,
        certificate: Option<mirror::Certificate>,
        place: Place,
    ) -> Option<AppProof> {
        match (secret, certificate) {
            (Some(secret), None) => Some(AppProof::ClientSecret(self.secrets.refer(&secret, self.report)?)),
            (None, Some(certificate)) => {
                let chain = attached::find(&certificate.chain_file, self.report);
                let private_key = self.secrets.refer(&certificate.private_key, self.report);
                let chain_file = attached::name_of(chain?, self.report);
                let octets = self.report.files.files.get(chain? as usize).map(|file| &file.bytes[..]);
                let known = certificate::read(octets.unwrap_or_default());
                let place = certificate.chain_file.place;
                let refused = |words| Draft::error(codes::SERVER_TO_SERVER, place, words);
                let known = known.map_err(|words| self.report.add(refused(words))).ok()?;
                let certificate::Known { thumbprint, public_key, expires } = known;
                let (expires, private_key) = (Some(expires), private_key?);
                Some(AppProof::Certificate { chain_file, thumbprint, public_key, expires, private_key })
            }
            (chosen, _) => {
                let message = match chosen {
                    Some(_) => "what proves the application to the tenant is given twice",
                    None => "nothing proves the application to the tenant",
                };
                let draft = Draft::error(codes::SERVER_TO_SERVER, place, message);
                self.report.add(draft.label("expected exactly one of `clientSecret`, `certificate`"));
                None
            }
        }
    }
}

enum Location {
    Fixed(mirror::FixedLocation),
    Autodiscover(mirror::Autodiscover),
}

impl From<mirror::Cloud> for Cloud {
    fn from(cloud: mirror::Cloud) -> Self {
        match cloud {
            mirror::Cloud::Global => Self::Global,
            mirror::Cloud::UsGovernment => Self::UsGovernment,
            mirror::Cloud::UsGovernmentDod => Self::UsGovernmentDod,
            mirror::Cloud::China => Self::China,
        }
    }
}

impl From<mirror::ExchangeAuthentication> for Authentication {
    fn from(written: mirror::ExchangeAuthentication) -> Self {
        match written {
            mirror::ExchangeAuthentication::Auto => Self::Auto,
            mirror::ExchangeAuthentication::Negotiate => Self::Negotiate,
            mirror::ExchangeAuthentication::Ntlm => Self::Ntlm,
            mirror::ExchangeAuthentication::Basic => Self::Basic,
            mirror::ExchangeAuthentication::Oauth => Self::Oauth,
        }
    }
}
