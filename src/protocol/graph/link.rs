//! Links that the service gives to go on with: opaque, and only ever followed to where the token may go.

use super::ROOT;
use super::refusal::GraphError;
use crate::model::failure::server_words;
use crate::model::limits;

/// A link of the service's own host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link(String);

impl Link {
    /// Checks a link that an answer held, or that was kept. `host`: whom the token is for. A link to anybody else is an error,
    /// because the token would go along.
    pub fn parse(url: &str, host: &str) -> Result<Self, GraphError> {
        if url.len() > limits::GRAPH_LINK_BYTES_MAX {
            return Err(GraphError::limit("a link of Microsoft Graph", limits::GRAPH_LINK_BYTES_MAX));
        }
        let place = url.split('?').next().unwrap_or(url);
        let whole = url.strip_prefix("https://").filter(|_| is_clean(url));
        let Some((authority, path)) = whole.and_then(|rest| rest.split_once('/')) else {
            return Err(GraphError::Garbage(format!("a link that is no URL: {}", server_words(place))));
        };
        // Compared as a whole, so that neither a user nor another port can hide in it.
        let is_here = authority.strip_suffix(":443").unwrap_or(authority).eq_ignore_ascii_case(host);
        if !is_here {
            return Err(GraphError::Garbage(format!(
                "a link leads to another host, `{}`; the token is not sent there",
                server_words(authority)
            )));
        }
        if !format!("/{path}").starts_with(&format!("{ROOT}/")) {
            return Err(GraphError::Garbage(format!("a link leads out of {ROOT}: {}", server_words(place))));
        }
        Ok(Self(url.to_owned()))
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Path and query.
    pub fn path(&self) -> &str {
        let after = self.0.find("://").map_or(0, |at| at + 3);
        let rest = self.0.get(after..).unwrap_or_default();
        rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
    }
}

/// Nothing that would end a line of the request, or be taken off by whoever reads it.
fn is_clean(url: &str) -> bool {
    url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "graph.microsoft.com";

    #[test]
    fn a_link_of_the_service_is_followed_as_it_is() {
        let url = "https://graph.microsoft.com/v1.0/users('a')/messages/delta?$deltatoken=a-b_c%3D";
        let link = Link::parse(url, HOST).unwrap();
        assert_eq!((link.as_str(), link.path()), (url, &url["https://graph.microsoft.com".len()..]));
        assert!(Link::parse("https://GRAPH.microsoft.com:443/v1.0/x", HOST).is_ok());
    }

    #[test]
    fn a_link_to_anybody_else_is_refused() {
        for url in [
            "https://evil.example/v1.0/x",
            "https://graph.microsoft.com.evil.example/v1.0/x",
            "https://graph.microsoft.com@evil.example/v1.0/x",
            "https://graph.microsoft.com:8443/v1.0/x",
            "http://graph.microsoft.com/v1.0/x",
            "https://graph.microsoft.com/beta/x",
            "https://graph.microsoft.com/v1.0/x\r\nHost: evil.example",
            "https://graph.microsoft.com/v1.0/x#y",
            "//evil.example/v1.0/x",
            "",
        ] {
            assert!(Link::parse(url, HOST).is_err(), "{url}");
        }
        let long = format!("https://{HOST}/v1.0/x?{}", "a".repeat(limits::GRAPH_LINK_BYTES_MAX));
        assert!(matches!(Link::parse(&long, HOST), Err(GraphError::LimitExceeded { .. })));
    }
}
