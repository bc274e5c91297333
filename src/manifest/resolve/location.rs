//! Where a server is, as written: host names and URLs (P-02, P-14).

use std::net::{IpAddr, Ipv6Addr};

use crate::manifest::codes;
use crate::manifest::decode::spanned::Spanned;
use crate::manifest::place::Place;
use crate::manifest::report::Draft;
use crate::model::server::WebAddress;

/// P-02: a DNS name or an IP address, nothing else.
pub fn check_host(host: &Spanned<String>) -> Option<Draft> {
    let text = host.value.as_str();
    if is_host(text) {
        return None;
    }
    let (message, hint) = if text.contains("://") {
        ("a host name is expected, not a URL", Some("leave out the scheme and what follows the name"))
    } else if text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        ("a host name is expected, without a port", Some("write the port as `port:`"))
    } else {
        ("this is not a host name", None)
    };
    let draft = Draft::error(codes::LOCATION, host.place, message).label("expected `mail.example.org`");
    Some(draft.hint_if(hint.map(str::to_owned)))
}

/// P-02: the URL of Exchange Web Services.
pub fn check_web_service(url: &Spanned<String>) -> Option<Draft> {
    const EXAMPLE: &str = "expected `https://mail.example.org/EWS/Exchange.asmx`";
    if let Some(draft) = check_url(&url.value, url.place) {
        return Some(draft.label(EXAMPLE));
    }
    let is_service = url.value.to_lowercase().ends_with("/ews/exchange.asmx");
    let message = "this is not the URL of Exchange Web Services";
    (!is_service).then(|| Draft::error(codes::LOCATION, url.place, message).label(EXAMPLE))
}

/// Where a token is asked for; it may have a query.
pub fn check_token_url(url: &Spanned<String>) -> Option<Draft> {
    let (before_query, query) = url.value.split_once('?').unwrap_or((&url.value, ""));
    if query.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#') {
        return Some(Draft::error(codes::LOCATION, url.place, "a query with blanks or `#` in it"));
    }
    let draft = check_url(before_query, url.place)?;
    Some(draft.label("expected a URL that begins with `https://`"))
}

/// A URL whose scheme, host and port can be connected to, without a user.
fn check_url(url: &str, place: Place) -> Option<Draft> {
    let authority = url.split_once("://").and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default();
    if authority.contains('@') {
        let draft = Draft::error(codes::PLAINTEXT, place, "a user name and a password stand in a URL");
        return Some(draft.hint("leave out what stands before the `@`, and declare it under `credentials`"));
    }
    let refused = |message: &str| Some(Draft::error(codes::LOCATION, place, message));
    let Some(address) = WebAddress::parse(url) else {
        return refused("this is not a URL with a host name, and a port from 1 to 65535 where it has one");
    };
    let bracketed = authority.starts_with('[');
    let is_good = if bracketed { address.host.parse::<Ipv6Addr>().is_ok() } else { is_host(&address.host) };
    if is_good { None } else { refused("the host name in this URL is none") }
}

/// Whether a text is a DNS name or an IP address.
fn is_host(text: &str) -> bool {
    is_domain(text) || text.parse::<IpAddr>().is_ok()
}

/// Whether a text is a DNS name. The id of a tenant looks like one of a single label.
pub fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        (1..=63).contains(&label.len()) && inner && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(url: &str) -> Option<Draft> {
        check_web_service(&Spanned { value: url.to_owned(), place: Place::default() })
    }

    #[test]
    fn a_url_of_exchange_names_a_host_and_a_port_that_can_be_connected_to() {
        for good in [
            "https://m.x.example/EWS/Exchange.asmx",
            "http://127.0.0.1:8080/ews/exchange.asmx",
            "https://[::1]:443/EWS/Exchange.asmx",
        ] {
            assert!(said(good).is_none(), "{good}");
        }
        for bad in [
            "https://m.x.example:99999/EWS/Exchange.asmx",
            "https://m.x.example:0/EWS/Exchange.asmx",
            "https://m.x.example:-1/EWS/Exchange.asmx",
            "https://a..b/EWS/Exchange.asmx",
            "https://[zz/EWS/Exchange.asmx",
            "https://[zz]/EWS/Exchange.asmx",
            "https://a\r\nHost:x/EWS/Exchange.asmx",
            "https:///EWS/Exchange.asmx",
            "https://m.x.example/EWS/Exchange.asmx?x",
            "https://u:p@m.x.example/EWS/Exchange.asmx",
            "ftp://m.x.example/EWS/Exchange.asmx",
            "https://m.x.example/owa",
            "",
        ] {
            assert!(said(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_token_url_may_have_a_query_and_nothing_else_that_is_odd() {
        let said = |url: &str| {
            check_token_url(&Spanned { value: url.to_owned(), place: Place::default() }).is_some()
        };
        assert!(!said("https://t.example/token") && !said("https://t.example:8443/token?api-version=1.0"));
        for bad in ["https://", "https:///x", "https://t:99999/x", "https://t x/y", "https://u:p@t/x", "t/x"]
        {
            assert!(said(bad), "{bad}");
        }
    }
}
