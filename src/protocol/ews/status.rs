//! What a status of HTTP says that brings no answer of Exchange.

use crate::model::failure::{Cause, server_words};
use crate::protocol::http::Head;

/// Whether a document may be an answer of SOAP, and not a page of whatever stands in front of Exchange.
pub fn is_answer(document: &[u8]) -> bool {
    const NAME: &[u8] = b"Envelope";
    // Who reads it says what is wrong with UTF-16.
    let is_wide = document.starts_with(b"\xff\xfe") || document.starts_with(b"\xfe\xff");
    is_wide || document.windows(NAME.len()).take(BEGINNING_BYTES).any(|window| window == NAME)
}

/// Where an envelope begins, if there is one.
const BEGINNING_BYTES: usize = 2048;

/// Whether the octets of an answer stand for themselves. Nobody asked for compression, and some servers compress all the same.
pub fn readable(head: &Head) -> Result<(), Cause> {
    match head.field("content-encoding").map(str::trim).filter(|coding| !coding.is_empty()) {
        None => Ok(()),
        Some(coding) if coding.eq_ignore_ascii_case("identity") => Ok(()),
        Some(coding) => {
            let coding = server_words(coding);
            let detail = format!(
                "the answer is compressed ({coding}) although nobody asked for that; look at the proxy in front"
            );
            Err(Cause::Garbage { detail })
        }
    }
}

/// What comes with a status of success and is no answer: mostly the page of a login or of a proxy.
pub fn no_answer(page: &[u8]) -> Cause {
    let detail = match page_words(page) {
        _ if page.is_empty() => "the answer is empty".to_owned(),
        Some(words) => format!("a page in the place of the answer, which says: {words}"),
        None => "a page in the place of the answer, of a proxy or a login".to_owned(),
    };
    Cause::Garbage { detail }
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
            // A load balancer without a server behind it says so with a page, and limits nobody.
            let kind = if head.status == 503 && !is_answer(page) { "UNAVAILABLE" } else { "THROTTLED" };
            Cause::TemporarilyRefused { said: format!("[{kind}] {code} {said}{}", wait.unwrap_or_default()) }
        }
        408 | 502 | 504 => Cause::TemporarilyRefused { said: format!("{code} {said}") },
        300..=399 => {
            let target = head.field("location").map(host_of);
            let said = target.map_or(said, |host| format!("it leads elsewhere, to `{host}`"));
            Cause::Exchange { code, said }
        }
        // The vendor's servers name the place to which a mailbox has moved.
        451 => {
            let target = head.field("x-ms-location").map(host_of);
            let said = target.map_or(said, |host| format!("the mailbox has moved, to `{host}`"));
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
