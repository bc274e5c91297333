//! The search: whom to ask next, and what an answer means for the rest of it. MS-OXDISCO section 3.1.5 gives the order.
//!
//! No single answer ends it but a service that is found: a server that refuses the login, or knows nothing, may stand before
//! the one that knows. Everything else that could make it long or lead it astray has a limit or is named.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use super::{Allowed, Answer, Dialect};
use crate::model::failure::{Cause, server_words};
use crate::model::limits;
use crate::model::name::Address;
use crate::model::profile::TlsMode;
use crate::model::server::WebAddress;

/// Whom to ask next.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// With a login, always over https, and only a host that is allowed.
    Post { dialect: Dialect, url: WebAddress, address: Address },
    /// Without a login, over plain HTTP: it can only lead elsewhere.
    Look { host: String, path: String },
    /// The name of SRV records.
    Records(String),
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Post { url, .. } => write!(f, "{url}"),
            Self::Look { host, path } => write!(f, "http://{host}{path}"),
            Self::Records(name) => write!(f, "SRV {name}"),
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    Answer(Answer),
    /// A `Location` of HTTP.
    Moved(String),
    /// Hosts and ports of SRV records, best first.
    Records(Vec<(String, u16)>),
    /// Another status, or no answer at all.
    Failed(Cause),
}

/// What the search makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// For people.
    pub words: String,
    /// Ends the search.
    pub found: Option<WebAddress>,
}

impl Judged {
    fn goes_on(words: impl Into<String>) -> Self {
        Self { words: words.into(), found: None }
    }
}

/// A search for one mailbox.
#[derive(Debug)]
pub struct Search {
    address: Address,
    allowed: Allowed,
    queue: VecDeque<Ask>,
    asked: BTreeSet<Ask>,
    hops: usize,
    /// Hosts that cannot be reached, or refused the login: they are not asked again.
    given_up: BTreeSet<(String, u16)>,
    /// What everybody said, for the error.
    said: Vec<String>,
    refused: Option<Refused>,
}

/// A refused login.
#[derive(Debug)]
struct Refused {
    said: String,
    after: After,
}

/// What came after it. Places are asked the least likely first, so that a place which could not answer after it may be the one
/// that knows; one before it is not: to hope for that would have the same password refused again and again, and the account locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Answers,
    /// One that could not be had just now.
    NoAnswer,
}

const FOLDER: &str = "/autodiscover/";

impl Search {
    pub fn new(address: &Address, allowed_hosts: &[String]) -> Self {
        let mut search = Self {
            address: address.clone(),
            allowed: Allowed::new(address, allowed_hosts),
            queue: VecDeque::new(),
            asked: BTreeSet::new(),
            hops: 0,
            given_up: BTreeSet::new(),
            said: Vec::new(),
            refused: None,
        };
        search.queue = search.usual(address);
        search
    }

    pub fn allowed(&self) -> &Allowed {
        &self.allowed
    }

    /// The places for an address whose domain is allowed.
    fn usual(&self, address: &Address) -> VecDeque<Ask> {
        let domain = address.domain().to_ascii_lowercase();
        let below = format!("autodiscover.{domain}");
        let mut asks = VecDeque::new();
        for host in [&domain, &below] {
            asks.extend(self.endpoints(&https(host, None, FOLDER), address));
        }
        asks.push_back(Ask::Look { host: below, path: format!("{FOLDER}{}", Dialect::Pox.file()) });
        asks.push_back(Ask::Records(format!("_autodiscover._tcp.{domain}")));
        asks
    }

    /// Both dialects of a service, or the one that its URL is for.
    fn endpoints(&self, url: &WebAddress, address: &Address) -> Vec<Ask> {
        let (folder, file) = url.path.rsplit_once('/').unwrap_or_default();
        let is_one =
            [Dialect::Soap, Dialect::Pox].iter().any(|dialect| file.eq_ignore_ascii_case(dialect.file()));
        let post = |dialect, path| {
            let url = WebAddress { path, ..url.clone() };
            Ask::Post { dialect, url, address: address.clone() }
        };
        match is_one || file.is_empty() {
            true => [Dialect::Soap, Dialect::Pox]
                .map(|dialect| post(dialect, format!("{folder}/{}", dialect.file())))
                .into(),
            false => vec![post(Dialect::Pox, url.path.clone())],
        }
    }

    /// `None`: nobody is left, see [`Search::failure`].
    pub fn next_ask(&mut self) -> Option<Ask> {
        while let Some(ask) = self.queue.pop_front() {
            if let Ask::Post { url, .. } = &ask
                && self.given_up.contains(&place(url))
            {
                continue;
            }
            if self.asked.len() < limits::AUTODISCOVER_ASKS_MAX && self.asked.insert(ask.clone()) {
                return Some(ask);
            }
        }
        None
    }

    pub fn hear(&mut self, ask: &Ask, heard: Heard) -> Judged {
        // A host that could not be reached names itself, and stands for all that would have been asked of it.
        let is_about_host = matches!(&heard, Heard::Failed(cause) if names_its_host(cause));
        let judged = self.judge(ask, heard);
        let said = match is_about_host {
            true => judged.words.clone(),
            false => format!("{ask}: {}", judged.words),
        };
        if judged.found.is_none() && !self.said.contains(&said) {
            self.said.push(said);
        }
        judged
    }

    fn judge(&mut self, ask: &Ask, heard: Heard) -> Judged {
        match heard {
            Heard::Answer(Answer::Services(urls)) => self.services(&urls),
            Heard::Answer(Answer::RedirectUrl(url)) | Heard::Moved(url) => self.redirect(ask, &url),
            Heard::Answer(Answer::RedirectAddress(address)) => self.rename(&address),
            Heard::Answer(Answer::Unknown(said)) => Judged::goes_on(said),
            Heard::Records(records) => self.records(&records),
            Heard::Failed(cause) => self.failed(ask, &cause),
        }
    }

    /// The first one that may be used.
    fn services(&mut self, urls: &[String]) -> Judged {
        let mut passed_over = Vec::new();
        for url in urls {
            match self.allowed_url(url) {
                Ok(found) => {
                    let but = passed_over.iter().map(|why| format!("; not used: {why}"));
                    let words = format!("found {found}{}", but.collect::<String>());
                    return Judged { words, found: Some(found) };
                }
                Err(why) if !passed_over.contains(&why) => passed_over.push(why),
                Err(_) => {}
            }
        }
        Judged::goes_on(passed_over.join("; "))
    }

    /// Only https, and only to hosts that are allowed.
    fn allowed_url(&self, url: &str) -> Result<WebAddress, String> {
        let shown = server_words(url);
        let Some(parsed) = WebAddress::parse(url).filter(|_| url.len() <= limits::AUTODISCOVER_URL_BYTES_MAX)
        else {
            return Err(format!("it leads to `{shown}`, which is no URL that can be used"));
        };
        match parsed.tls {
            TlsMode::Implicit => {}
            TlsMode::None | TlsMode::Starttls => {
                return Err(format!("it leads to `{shown}`, where a login would be readable on the way"));
            }
        }
        match self.allowed.kin(&parsed.host) {
            Some(_) => Ok(parsed),
            None => Err(format!(
                "it leads to `{shown}`, and only these hosts are shown a login: {} (`allowedHosts` adds others)",
                self.allowed.words()
            )),
        }
    }

    fn redirect(&mut self, from: &Ask, to: &str) -> Judged {
        if let Some(words) = self.hop() {
            return words;
        }
        let url = match self.allowed_url(to) {
            Ok(url) => url,
            Err(why) => return Judged::goes_on(why),
        };
        let address = match from {
            Ask::Post { address, .. } => address.clone(),
            Ask::Look { .. } | Ask::Records(_) => self.address.clone(),
        };
        let asks = self.endpoints(&url, &address);
        // The dialect that the URL is for.
        let is_target = |ask: &&Ask| matches!(ask, Ask::Post { url: one, .. } if one.path.eq_ignore_ascii_case(&url.path));
        let target = asks.iter().find(is_target).cloned();
        self.go_on_with(format!("it leads to {url}"), target, asks)
    }

    fn rename(&mut self, to: &str) -> Judged {
        if let Some(words) = self.hop() {
            return words;
        }
        let shown = server_words(to);
        let Ok(address) = Address::parse(to) else {
            return Judged::goes_on(format!("it renames the mailbox to `{shown}`, which is no address"));
        };
        if self.allowed.kin(address.domain()).is_none() {
            return Judged::goes_on(format!(
                "it renames the mailbox to `{shown}`, and only these hosts are shown a login: {} (`allowedHosts` adds \
                 others)",
                self.allowed.words()
            ));
        }
        let asks: Vec<Ask> = self.usual(&address).into();
        self.go_on_with(format!("it knows the mailbox as {address}"), asks.first().cloned(), asks)
    }

    /// Counts a redirect. Something comes back where there were too many.
    fn hop(&mut self) -> Option<Judged> {
        self.hops += 1;
        let is_over = self.hops > limits::AUTODISCOVER_REDIRECTS_MAX;
        is_over.then(|| {
            Judged::goes_on(format!(
                "it leads elsewhere, for more than {} times in this search",
                limits::AUTODISCOVER_REDIRECTS_MAX
            ))
        })
    }

    /// Asks these before all others. A circle is a target that was asked already.
    fn go_on_with(&mut self, words: String, target: Option<Ask>, asks: Vec<Ask>) -> Judged {
        if target.is_some_and(|target| self.asked.contains(&target)) {
            return Judged::goes_on(format!("{words}, which was asked already: they lead in a circle"));
        }
        for ask in asks.into_iter().rev() {
            self.queue.push_front(ask);
        }
        Judged::goes_on(words)
    }

    fn records(&mut self, records: &[(String, u16)]) -> Judged {
        let mut refused = String::new();
        for (host, port) in records {
            if self.allowed.kin(host).is_none() {
                refused = format!(
                    "it names `{}`, and only these hosts are shown a login: {} (`allowedHosts` adds others)",
                    server_words(host),
                    self.allowed.words()
                );
                continue;
            }
            let url = https(&host.to_ascii_lowercase(), std::num::NonZeroU16::new(*port), FOLDER);
            let asks = self.endpoints(&url, &self.address.clone());
            return self.go_on_with(format!("it names {host}:{port}"), None, asks);
        }
        Judged::goes_on(if refused.is_empty() { "no record".to_owned() } else { refused })
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all others are about this one place, and not about its host"
    )]
    fn failed(&mut self, ask: &Ask, cause: &Cause) -> Judged {
        let gives_up = match cause {
            Cause::LoginRefused { .. } => {
                self.refused = Some(Refused { said: format!("{ask}: {cause}"), after: After::Answers });
                true
            }
            Cause::TemporarilyRefused { .. } | Cause::ConnectionLost { .. } => {
                self.is_missed(ask);
                false
            }
            Cause::TimedOut { .. } => {
                self.is_missed(ask);
                true
            }
            cause => cause.is_about_the_host(),
        };
        if let (Ask::Post { url, .. }, true) = (ask, gives_up) {
            self.given_up.insert(place(url));
        }
        Judged::goes_on(cause.to_string())
    }

    /// Somebody who would be shown a login could not answer just now.
    fn is_missed(&mut self, ask: &Ask) {
        match (ask, &mut self.refused) {
            (Ask::Post { .. }, Some(refused)) => refused.after = After::NoAnswer,
            (Ask::Post { .. }, None) | (Ask::Look { .. } | Ask::Records(_), _) => {}
        }
    }

    /// Why nothing was found.
    pub fn failure(self) -> Cause {
        match self.refused {
            Some(Refused { said, after: After::Answers }) => {
                Cause::LoginRefused { said: server_words(&said) }
            }
            Some(Refused { after: After::NoAnswer, .. }) | None => {
                Cause::NotDiscovered { address: self.address.to_string(), tried: self.said }
            }
        }
    }
}

fn names_its_host(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::NameNotResolved { .. } | Cause::ConnectionRefused { .. } | Cause::Unreachable { .. }
    )
}

fn https(host: &str, port: Option<std::num::NonZeroU16>, path: &str) -> WebAddress {
    let port = port.filter(|port| port.get() != 443);
    WebAddress { tls: TlsMode::Implicit, host: host.to_owned(), port, path: path.to_owned() }
}

fn place(url: &WebAddress) -> (String, u16) {
    (url.host.to_ascii_lowercase(), url.port.map_or(443, std::num::NonZeroU16::get))
}

#[cfg(test)]
mod tests;
