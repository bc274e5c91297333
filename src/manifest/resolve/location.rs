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
        (
            "a host name is expected, not a URL",
            Some("leave out the scheme and what follows the name".to_owned()),
        )
    } else if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let is_address = address.parse::<Ipv6Addr>().is_ok();
        (
            "this is not a host name",
            is_address.then(|| format!("write the address without brackets: `{address}`")),
        )
    } else if text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        ("a host name is expected, without a port", Some("write the port as `port:`".to_owned()))
    } else {
        ("this is not a host name", in_ascii(text).map(|name| format!("in ASCII it is `{name}`")))
    };
    let draft = Draft::error(codes::LOCATION, host.place, message).label("expected `mail.example.org`");
    Some(draft.hint_if(hint))
}

/// How a name with letters beyond ASCII is asked for (IDNA).
fn in_ascii(text: &str) -> Option<String> {
    let name = idna::domain_to_ascii(text).ok().filter(|_| !text.is_ascii())?;
    is_domain(&name).then_some(name)
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
    if is_good {
        return None;
    }
    let draft = Draft::error(codes::LOCATION, place, "the host in this URL is not a host name");
    Some(draft.hint_if(in_ascii(&address.host).map(|name| format!("in ASCII it is `{name}`"))))
}

/// Whether a text is a DNS name or an IP address.
fn is_host(text: &str) -> bool {
    is_domain(text) || text.parse::<IpAddr>().is_ok()
}

/// Whether a text names a tenant: its id, which looks like a DNS name of a single label, or one of its domains.
pub fn is_tenant(text: &str) -> bool {
    const ID_LENGTH: usize = 36;
    is_domain(text) && (text.contains('.') || text.len() == ID_LENGTH)
}

/// Whether a text is a DNS name. None ends in a number: that would be (part of) an IPv4 address.
fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        (1..=63).contains(&label.len()) && inner && !label.starts_with('-') && !label.ends_with('-')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    let last = name.rsplit('.').next().unwrap_or_default();
    text.len() <= 253 && name.split('.').all(label) && !last.bytes().all(|byte| byte.is_ascii_digit())
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
    fn a_host_is_a_name_or_an_address_and_no_number() {
        let said = |host: &str| check_host(&Spanned { value: host.to_owned(), place: Place::default() });
        for good in
            ["mail.example.org", "mail.example.org.", "localhost", "192.0.2.1", "::1", "xn--mx-xka.example"]
        {
            assert!(said(good).is_none(), "{good}");
        }
        for bad in
            ["1", "1.2.3", "999.1.1.1", "0x7f.1", "a..b", "-a", "a b", "*", "", "[::1]", "m\u{fc}x.example"]
        {
            assert!(said(bad).is_some(), "{bad}");
        }
        assert_eq!(in_ascii("m\u{fc}x.example").as_deref(), Some("xn--mx-xka.example"));
    }

    #[test]
    fn a_tenant_is_an_id_or_a_domain() {
        assert!(is_tenant("1f0c7a52-5b0e-4b6e-9c0f-3f5a1c2d4e6b") && is_tenant("contoso.onmicrosoft.com"));
        assert!(!is_tenant("common") && !is_tenant("organizations") && !is_tenant("a b.example"));
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
