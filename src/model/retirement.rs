//! What providers switch off, and when: the one table of dated rules.
//!
//! A profile that needs such a thing is warned about by `validate`; from the day on which it cannot work any more, a plan
//! refuses new and changed profiles that need it, and only notes those that it does not touch.

use jiff::civil::{Date, date};

use super::profile::{
    Access, Authentication, Credentials, Endpoint, Exchange, ExchangeLocation, Profile, Server, Transport,
};

/// Something that a provider takes away.
#[derive(Debug)]
pub struct Retirement {
    /// Stable, for scripts.
    pub key: &'static str,
    /// What is taken away, as the beginning of a sentence.
    pub what: &'static str,
    /// What happens when, oldest first.
    pub dates: &'static [(Date, &'static str)],
    /// From this day on it cannot work: no new and no changed profile may need it. `None`: the provider leaves a way.
    pub ends: Option<Date>,
    pub remedy: &'static str,
    /// Who said so, and when.
    pub source: &'static str,
    concerns: fn(&Server) -> bool,
}

/// Every retirement that is known to this version.
pub const ALL: &[Retirement] = &[
    Retirement {
        key: "exchange-online-ews",
        what: "Exchange Web Services of Exchange Online",
        dates: &[
            (date(2026, 10, 1), "only applications that the tenant lists are served"),
            (date(2027, 4, 1), "switched off for good, without exceptions"),
        ],
        ends: Some(date(2027, 4, 1)),
        remedy: "use `exchangeOnline` with `transport: graph`; Exchange Server on premises keeps EWS",
        source: "Message Center MC1015893 (2025) and MC1227454 (February 2026)",
        concerns: uses_ews_online,
    },
    Retirement {
        key: "exchange-online-impersonation",
        what: "the ApplicationImpersonation role of Exchange Online",
        dates: &[(date(2025, 2, 28), "the role has no effect any more")],
        ends: Some(date(2025, 2, 28)),
        remedy: "use `exchangeOnline` with `serverToServer`, and scope the application with RBAC for Applications",
        source: "the vendor's notice on the retirement of application impersonation (February 2025)",
        concerns: |server| match server {
            Server::Exchange(exchange) => is_online(exchange) && impersonates(exchange),
            Server::ExchangeOnline(_) | Server::Pop3Smtp(_) | Server::ImapSmtp(_) => false,
        },
    },
    Retirement {
        key: "exchange-online-basic",
        what: "passwords for EWS, POP3 and IMAP of Exchange Online",
        dates: &[(date(2022, 10, 1), "switched off, tenant by tenant, until early 2023")],
        ends: Some(date(2023, 4, 1)),
        remedy: "use `exchangeOnline` with `serverToServer`",
        source: "the vendor's notice on the end of Basic authentication (October 2022)",
        concerns: |server| match server {
            Server::Exchange(exchange) => {
                let logins = [&exchange.incoming, &exchange.outgoing];
                is_online(exchange)
                    && logins.iter().any(|login| has_password(login.authentication, &login.credentials))
            }
            Server::Pop3Smtp(servers) | Server::ImapSmtp(servers) => needs_online_password(&servers.incoming),
            Server::ExchangeOnline(_) => false,
        },
    },
    Retirement {
        key: "exchange-online-smtp-basic",
        what: "passwords for SMTP submission (SMTP AUTH) to Exchange Online",
        dates: &[
            (date(2026, 12, 31), "off by default from now on; an administrator can switch it on again"),
            (date(2027, 7, 1), "the final date is to be announced in the second half of the year"),
        ],
        ends: None,
        remedy: "send with `exchangeOnline`, or through a relay of your own",
        source: "Message Center MC786329 (January 2026)",
        concerns: |server| match server {
            Server::Pop3Smtp(servers) | Server::ImapSmtp(servers) => {
                servers.outgoing.as_ref().is_some_and(needs_online_password)
            }
            Server::Exchange(_) | Server::ExchangeOnline(_) => false,
        },
    },
    Retirement {
        key: "gmail-passwords",
        what: "account passwords for POP3, IMAP and SMTP of Gmail",
        dates: &[(date(2022, 5, 30), "refused; only app passwords and OAuth are accepted")],
        ends: None,
        remedy: "use an app password",
        source: "the provider's notice on less secure apps (May 2022)",
        concerns: |server| match server {
            Server::Pop3Smtp(servers) | Server::ImapSmtp(servers) => {
                let endpoints = servers.outgoing.iter().chain([&servers.incoming]);
                endpoints.into_iter().any(|endpoint| {
                    is_below(&endpoint.host, &["gmail.com", "googlemail.com"])
                        && has_password(endpoint.authentication, &endpoint.credentials)
                })
            }
            Server::Exchange(_) | Server::ExchangeOnline(_) => false,
        },
    },
];

/// A version of Exchange Server that gets no fixes any more.
#[derive(Debug)]
pub struct Unsupported {
    pub name: &'static str,
    /// The last day of its support.
    pub until: Date,
    /// Versions below this one, down to the next row: major, minor, build.
    below: [u32; 3],
}

/// Oldest first. <https://learn.microsoft.com/exchange/new-features/build-numbers-and-release-dates>; only Subscription Edition
/// (15.2.2562 and later) is in support.
const SERVERS: &[Unsupported] = &[
    Unsupported { name: "Exchange Server 2010", until: date(2020, 10, 13), below: [15, 0, 0] },
    Unsupported { name: "Exchange Server 2013", until: date(2023, 4, 11), below: [15, 1, 0] },
    Unsupported { name: "Exchange Server 2016", until: date(2025, 10, 14), below: [15, 2, 0] },
    Unsupported { name: "Exchange Server 2019", until: date(2025, 10, 14), below: [15, 2, 2562] },
];

/// What a version such as `15.1.2507.44` is no more supported as. `None`: it is, or it is no version.
pub fn unsupported_server(version: &str, as_of: Date) -> Option<&'static Unsupported> {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    let mut part = || parts.next().flatten();
    let version = [part()?, part()?, part()?];
    SERVERS.iter().find(|row| version < row.below).filter(|row| row.until < as_of)
}

/// Hosts of Exchange Online in all of its clouds.
const ONLINE: [&str; 8] = [
    "office365.com",
    "outlook.com",
    "outlook.office.com",
    "office365.us",
    "outlook.cn",
    "partner.outlook.cn",
    "cloud.microsoft",
    "outlook.live.com",
];

impl Retirement {
    /// Those that a profile needs.
    pub fn of(profile: &Profile) -> impl Iterator<Item = &'static Self> {
        ALL.iter().filter(|retirement| (retirement.concerns)(&profile.server))
    }

    /// Whether no new or changed profile may need it on this day.
    pub fn has_ended(&self, as_of: Date) -> bool {
        self.ends.is_some_and(|ends| ends <= as_of)
    }

    /// What a person should know on this day: what has happened, and what comes.
    pub fn words(&self, as_of: Date) -> String {
        let dated = |(day, event): &(Date, &str)| {
            let tense = if *day <= as_of { "since" } else { "from" };
            format!("{tense} {day}: {event}")
        };
        let dates: Vec<String> = self.dates.iter().map(dated).collect();
        format!("this profile needs {}; {}", self.what, dates.join("; "))
    }
}

fn uses_ews_online(server: &Server) -> bool {
    match server {
        Server::ExchangeOnline(online) => match online.transport {
            Transport::Ews => true,
            Transport::Graph => false,
        },
        Server::Exchange(exchange) => is_online(exchange),
        Server::Pop3Smtp(_) | Server::ImapSmtp(_) => false,
    }
}

/// An `exchange` profile that leads to Exchange Online.
fn is_online(exchange: &Exchange) -> bool {
    match &exchange.location {
        ExchangeLocation::Fixed { incoming, outgoing } => {
            [incoming, outgoing].into_iter().any(|url| is_below(host_of(url), &ONLINE))
        }
        ExchangeLocation::Autodiscover { allowed_hosts } => {
            allowed_hosts.iter().any(|host| is_below(host, &ONLINE))
        }
    }
}

fn impersonates(exchange: &Exchange) -> bool {
    [&exchange.incoming, &exchange.outgoing].into_iter().any(|login| match &login.credentials {
        Credentials::Profile { access, .. } | Credentials::WindowsIntegrated { access } => {
            *access == Some(Access::Impersonation)
        }
        Credentials::Mailbox | Credentials::Anonymous | Credentials::Oauth2 { .. } => false,
    })
}

fn needs_online_password(endpoint: &Endpoint) -> bool {
    is_below(&endpoint.host, &ONLINE) && has_password(endpoint.authentication, &endpoint.credentials)
}

fn has_password(authentication: Authentication, credentials: &Credentials) -> bool {
    let with_token = matches!(
        authentication,
        Authentication::Xoauth2 | Authentication::Oauthbearer | Authentication::Oauth
    );
    match credentials {
        Credentials::Mailbox | Credentials::Profile { .. } => !with_token,
        Credentials::Anonymous | Credentials::WindowsIntegrated { .. } | Credentials::Oauth2 { .. } => false,
    }
}

fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', ':', '?', '#']).next().unwrap_or(rest)
}

/// Whether a host is one of these domains or in one of them.
fn is_below(host: &str, domains: &[&str]) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    domains
        .iter()
        .any(|domain| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_below_a_domain_only_at_a_dot() {
        assert!(is_below("Outlook.Office365.com.", &ONLINE) && is_below("smtp-mail.outlook.com", &ONLINE));
        assert!(!is_below("notoutlook.com", &ONLINE) && !is_below("outlook.com.evil.example", &ONLINE));
        assert_eq!(host_of("https://outlook.office365.com:443/EWS/Exchange.asmx"), "outlook.office365.com");
    }

    #[test]
    fn a_server_out_of_support_is_known_by_its_version() {
        let of = |version, as_of| unsupported_server(version, as_of).map(|row| row.name);
        let today = date(2026, 11, 22);
        assert_eq!(of("15.1.2507.44", today), Some("Exchange Server 2016"));
        assert_eq!(of("15.2.1748.10", today), Some("Exchange Server 2019"));
        assert_eq!(of("15.2.1748.10", date(2025, 10, 14)), None);
        assert_eq!(
            (of("15.2.2562.17", today), of("15.20.9000.1", today), of("x", today)),
            (None, None, None)
        );
    }

    #[test]
    fn dates_are_in_order_and_the_end_is_not_before_the_first() {
        for retirement in ALL {
            assert!(retirement.dates.is_sorted() && !retirement.dates.is_empty(), "{}", retirement.key);
            assert!(retirement.ends.is_none_or(|ends| ends >= retirement.dates[0].0), "{}", retirement.key);
        }
    }

    #[test]
    fn the_words_follow_the_day() {
        let ews = &ALL[0];
        assert!(ews.words(date(2026, 9, 1)).contains("from 2026-10-01") && !ews.has_ended(date(2027, 3, 31)));
        assert!(
            ews.words(date(2026, 11, 22)).contains("since 2026-10-01") && ews.has_ended(date(2027, 4, 1))
        );
    }
}
