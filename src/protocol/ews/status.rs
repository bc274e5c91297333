//! What a status of HTTP says that brings no answer of Exchange.

use crate::model::failure::{Cause, server_words};
use crate::protocol::http::Head;

/// Whether a document may be an answer of SOAP, and not a page of whatever stands in front of Exchange.
pub fn is_answer(document: &[u8]) -> bool {
    let text = document.trim_ascii_start();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    text.starts_with(b"<?xml") || text.windows(9).take(200).any(|window| window == b":Envelope")
}

/// What an HTTP status says that brings no answer.
pub fn refused(head: &Head, page: &[u8]) -> Cause {
    let said = match page_words(page) {
        Some(words) => format!("{} ({words})", head.reason),
        None => head.reason.clone(),
    };
    let code = format!("HTTP {}", head.status);
    match head.status {
        401 => {
            let offered = head.login_schemes().join(", ");
            let offered = if offered.is_empty() { "nothing".to_owned() } else { offered };
            Cause::LoginRefused { said: format!("{code}; it offers {offered}") }
        }
        429 | 503 => {
            let wait = head.retry_after().map(|wait| format!(" (retry after {} seconds)", wait.as_secs()));
            Cause::TemporarilyRefused {
                said: format!("[THROTTLED] {code} {said}{}", wait.unwrap_or_default()),
            }
        }
        408 | 502 | 504 => Cause::TemporarilyRefused { said: format!("{code} {said}") },
        300..=399 => {
            let target = head.field("location").map(host_of);
            let said = target.map_or(said, |host| format!("it leads elsewhere, to `{host}`"));
            Cause::Exchange { code, said }
        }
        200..=299 => Cause::Garbage { detail: format!("{code} without an answer") },
        _ => Cause::Exchange { code, said },
    }
}

/// The host of a URL: what follows it may be meant for nobody else.
fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    server_words(rest.split(['/', '?', '#']).next().unwrap_or(rest))
}

/// The title of a page of HTML, or the beginning of a text.
pub(in crate::protocol) fn page_words(page: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(page.get(..4096.min(page.len()))?).into_owned();
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title>").zip(lower.find("</title>"));
    let words = match title {
        Some((begin, end)) if begin < end => text.get(begin + 7..end)?,
        Some(_) => return None,
        None if text.trim_start().starts_with('<') => return None,
        None => &text,
    };
    let words: String = words.trim().chars().take(120).collect();
    Some(server_words(&words)).filter(|_| !words.is_empty())
}
