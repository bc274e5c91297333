//! A profile: where its servers are, its limits, and how its mailboxes fare.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{in_use, lines};
use crate::cli::exit::Failure;
use crate::cli::output;
use crate::cli::typed;
use crate::cli::view::{self, OutboxFigures, StateCode};
use crate::model::alert::Alert;
use crate::model::limits;
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::model::profile::{
    AppProof, Authentication, Credentials, Endpoint, ExchangeLocation, Profile, Protocol, Server, TlsMode,
    Transport,
};
use crate::store::report::Report;
use crate::store::sqlite::SqliteStore;
use crate::store::{MailboxRow, Store};

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProfileTold {
    declared: Profile,
    /// How many mailboxes use it.
    mailboxes: usize,
    /// How many of them have each operation in each state; states that none is in are left out.
    operations: BTreeMap<Operation, BTreeMap<StateCode, usize>>,
    /// How many of them work with a former version of each operation, by its server, because a change waits for its test.
    former: BTreeMap<Operation, BTreeMap<String, usize>>,
    /// What does not work, the most frequent first.
    troubles: Vec<Trouble>,
    records: u64,
    outbox: OutboxFigures,
    /// About the profile itself, newest first, among the latest of all alerts.
    alerts: Vec<Alert>,
}

/// One failure that mailboxes of the profile have.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Trouble {
    operation: Operation,
    /// Stable, for scripts.
    code: String,
    cause: String,
    remedy: String,
    mailboxes: Vec<String>,
}

const ALERTS_SEARCHED: u64 = 1000;
const ALERTS_SHOWN: usize = 5;
const NAMES_SHOWN: usize = 5;

pub async fn tell(store: &SqliteStore, name: &Name) -> Result<Option<ProfileTold>, Failure> {
    let stored = store.stored().await?;
    let Some(declared) = stored.profiles.get(name).cloned() else { return Ok(None) };
    let rows = store.mailboxes().await?;
    let rows: Vec<&MailboxRow> =
        rows.iter().filter(|row| row.stored.declared.profile.as_ref() == Some(name)).collect();
    let figures = store.all_figures().await?;
    let mut outbox = OutboxFigures::default();
    let mut records = 0;
    for of in rows.iter().filter_map(|row| figures.get(&row.stored.declared.name)) {
        outbox.add(&OutboxFigures::of(of));
        records += of.records;
    }
    let alerts = store.alerts(ALERTS_SEARCHED).await?;
    let is_about = |alert: &Alert| alert.profile.as_ref() == Some(name) && alert.mailbox.is_none();
    let (operations, troubles) = fare(&rows);
    let mut former: BTreeMap<Operation, BTreeMap<String, usize>> = BTreeMap::new();
    for (operation, one) in rows.iter().flat_map(|row| in_use::of(row)) {
        *former.entry(operation).or_default().entry(one.server().to_owned()).or_default() += 1;
    }
    Ok(Some(ProfileTold {
        declared,
        mailboxes: rows.len(),
        operations,
        former,
        troubles,
        records,
        outbox,
        alerts: alerts.into_iter().filter(is_about).take(ALERTS_SHOWN).collect(),
    }))
}

type States = BTreeMap<Operation, BTreeMap<StateCode, usize>>;

fn fare(rows: &[&MailboxRow]) -> (States, Vec<Trouble>) {
    let mut states = States::new();
    let mut troubles: BTreeMap<(Operation, String, String), Trouble> = BTreeMap::new();
    for row in rows {
        for (operation, of) in view::operations(&row.stored.operations) {
            *states.entry(operation).or_default().entry(of.state).or_default() += 1;
            let Some(failure) = of.failure else { continue };
            let cause = format!("{}: {}", failure.step, failure.cause);
            let key = (operation, failure.code.clone(), cause.clone());
            let trouble = troubles.entry(key).or_insert_with(|| Trouble {
                operation,
                code: failure.code,
                cause,
                remedy: failure.remedy,
                mailboxes: Vec::new(),
            });
            trouble.mailboxes.push(row.stored.declared.name.to_string());
        }
    }
    let mut troubles: Vec<Trouble> = troubles.into_values().collect();
    troubles.sort_by_key(|trouble| std::cmp::Reverse(trouble.mailboxes.len()));
    (states, troubles)
}

pub fn words(told: &ProfileTold) -> String {
    let declared = &told.declared;
    let mut head = format!("profile/{}  {}", declared.name, declared.server.kind().key());
    if let Some(name) = &declared.display_name {
        head.push_str(&format!("  {}", output::shown(name)));
    }
    let mut parts = vec![format!("{head}\n{}", lines(&settings(told)))];
    parts.push(fare_words(told));
    for trouble in &told.troubles {
        let names = trouble.mailboxes.iter().take(NAMES_SHOWN).cloned().collect::<Vec<_>>().join(", ");
        let more = match trouble.mailboxes.len().saturating_sub(NAMES_SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        parts.push(format!(
            "{} of {names}{more}: {}\n  do: {}",
            trouble.operation,
            output::shown(&trouble.cause),
            typed::remedy(&trouble.remedy)
        ));
    }
    if !told.alerts.is_empty() {
        let alerts: Vec<String> = told.alerts.iter().map(crate::cli::alerts::words).collect();
        parts.push(format!("alerts\n{}", alerts.join("\n")));
    }
    parts.join("\n\n")
}

fn settings(told: &ProfileTold) -> Vec<(&'static str, String)> {
    let declared = &told.declared;
    let processing = &declared.processing;
    let mut pairs = Vec::new();
    if !declared.active {
        pairs.push(("active", "no: nothing is processed".to_owned()));
    }
    if let Some(description) = &declared.description {
        pairs.push(("description", description.clone()));
    }
    pairs.extend(places(&declared.server));
    pairs.push(("owner", declared.owner.to_string()));
    let counted = match uses_own_logins(&declared.server) {
        true => "for each mailbox",
        false => "for all mailboxes together",
    };
    pairs.push(("connections", format!("at most {} {counted}", processing.max_concurrent_connections.get())));
    pairs.push((
        "polling",
        match processing.min_polling_interval_minutes {
            0 => "no floor".to_owned(),
            minutes => format!("at least {minutes} min apart"),
        },
    ));
    let from = processing.from.map_or_else(|| "the moment of enabling".to_owned(), output::moment);
    pairs.push(("mail from", from));
    if !declared.labels.is_empty() {
        let labels: Vec<String> =
            declared.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        pairs.push(("labels", labels.join(", ")));
    }
    pairs
}

fn uses_own_logins(server: &Server) -> bool {
    let credentials = match server {
        Server::Pop3Smtp(servers) | Server::ImapSmtp(servers) => &servers.incoming.credentials,
        Server::Exchange(exchange) => &exchange.incoming.credentials,
        Server::ExchangeOnline(_) => return false,
    };
    match credentials {
        Credentials::Mailbox => true,
        Credentials::Profile { .. }
        | Credentials::WindowsIntegrated { .. }
        | Credentials::Anonymous
        | Credentials::Oauth2 { .. } => false,
    }
}

pub(super) fn places(server: &Server) -> Vec<(&'static str, String)> {
    match server {
        Server::Pop3Smtp(servers) | Server::ImapSmtp(servers) => {
            let protocol =
                if matches!(server, Server::Pop3Smtp(_)) { Protocol::Pop3 } else { Protocol::Imap };
            let outgoing = servers.outgoing.as_ref();
            vec![
                ("incoming", endpoint(&servers.incoming, protocol)),
                ("outgoing", outgoing.map_or_else(|| "none".to_owned(), |one| endpoint(one, Protocol::Smtp))),
            ]
        }
        Server::Exchange(exchange) => match &exchange.location {
            ExchangeLocation::Fixed { incoming, outgoing } if incoming == outgoing => {
                vec![("location", incoming.clone())]
            }
            ExchangeLocation::Fixed { incoming, outgoing } => {
                vec![("incoming", incoming.clone()), ("outgoing", outgoing.clone())]
            }
            ExchangeLocation::Autodiscover { allowed_hosts } => {
                vec![("location", format!("by autodiscover, among {}", allowed_hosts.join(", ")))]
            }
        },
        Server::ExchangeOnline(online) => {
            let transport = match online.transport {
                Transport::Graph => "Microsoft Graph",
                Transport::Ews => "Exchange Web Services",
            };
            let proof = match &online.proof {
                AppProof::ClientSecret(secret) => format!("secret/{secret}"),
                AppProof::Certificate { thumbprint, expires, private_key, .. } => {
                    let until = expires.map_or_else(String::new, |day| format!(", valid until {day}"));
                    format!("certificate {thumbprint}{until} (key secret/{private_key})")
                }
            };
            vec![
                ("location", format!("{}, by {transport}", online.host())),
                ("tenant", online.tenant.clone()),
                ("application", format!("{} with {proof}", online.client_id)),
            ]
        }
    }
}

fn endpoint(endpoint: &Endpoint, protocol: Protocol) -> String {
    let tls = match endpoint.tls {
        TlsMode::Implicit => "TLS",
        TlsMode::Starttls => "STARTTLS",
        TlsMode::None => "no TLS",
    };
    let login = match &endpoint.credentials {
        Credentials::Mailbox => "each mailbox's own login".to_owned(),
        Credentials::Profile { username, password, .. } => format!("login {username} (secret/{password})"),
        Credentials::WindowsIntegrated { .. } => "the service's own identity".to_owned(),
        Credentials::Anonymous => "no login".to_owned(),
        Credentials::Oauth2 { client_id, client_secret, .. } => {
            format!("OAuth client {client_id} (secret/{client_secret})")
        }
    };
    let proof = match endpoint.authentication {
        Authentication::Auto => String::new(),
        Authentication::Plain
        | Authentication::Login
        | Authentication::CramMd5
        | Authentication::ScramSha1
        | Authentication::ScramSha256
        | Authentication::Xoauth2
        | Authentication::Oauthbearer
        | Authentication::Gssapi
        | Authentication::Negotiate
        | Authentication::Ntlm
        | Authentication::Basic
        | Authentication::Oauth => {
            let key = serde_json::to_value(endpoint.authentication).unwrap_or_default();
            format!(" by {}", key.as_str().unwrap_or_default())
        }
    };
    let timeout = endpoint.timeout_seconds.map_or(limits::READ_TIMEOUT.as_secs(), u64::from);
    let port = endpoint.port_or_default(protocol);
    format!("{}:{port}, {tls}, {login}{proof}, waits {timeout} s", endpoint.host)
}

fn fare_words(told: &ProfileTold) -> String {
    let mut text = output::counted(told.mailboxes, "mailbox", "mailboxes");
    for (operation, states) in &told.operations {
        let states: Vec<String> =
            states.iter().map(|(state, count)| format!("{count} {}", state.key())).collect();
        text.push_str(&format!("\n  {:<9} {}", operation.key(), states.join(", ")));
        for (server, count) in told.former.get(operation).into_iter().flatten() {
            let server = output::shown(server);
            text.push_str(&format!("\n            {count} as before its change, over {server}"));
        }
    }
    text.push_str(&format!("\n  {:<9} {}", "records", told.records));
    text.push_str(&format!("\n  {:<9} {}", "outbox", told.outbox.words()));
    text
}
