//! What the response codes of Exchange mean: their class, and what it takes to mend it. One table, for alerts and for
//! `doctor`; what it does not know keeps the server's words.
//!
//! Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/responsecode>, and the errors that
//! the vendor's server-side synchronisation documents, some of which have words and no code.

mod table;

use crate::model::failure::{Cause, Nature, RemoteError, Scope, TestStep};
pub use table::ALL;

/// What one or several codes mean.
#[derive(Debug, PartialEq, Eq)]
pub struct Meaning {
    /// The server's own, or `HTTP` with a status.
    pub(super) codes: &'static [&'static str],
    /// In lower case: who says this means it, whatever the code is. They are looked at when no row has the code.
    pub(super) says: &'static [&'static str],
    /// Stable, for scripts.
    pub key: &'static str,
    pub nature: Nature,
    pub scope: Scope,
    pub meaning: &'static str,
    /// What to do next.
    pub remedy: &'static str,
    /// Most likely first.
    pub likely: &'static [&'static str],
}

/// The row of what a server said, if there is one: that of the code, otherwise that of the words. A code that says nothing
/// but that something is wrong yields to another code that stands in the words, and to words that say what.
pub fn find(code: &str, said: &str) -> Option<&'static Meaning> {
    let by_code = ALL.iter().find(|meaning| meaning.codes.contains(&code));
    let is_vague = by_code.is_none_or(|meaning| meaning.key == "server-error");
    let words = said.to_lowercase();
    let mut by_words = ALL.iter().filter(|meaning| meaning.says.iter().any(|part| words.contains(part)));
    let by_inner = said.split(|c: char| !c.is_ascii_alphanumeric()).find_map(|word| {
        let row = ALL.iter().find(|meaning| meaning.codes.contains(&word))?;
        (word.starts_with("Error") && row.key != "server-error").then_some(row)
    });
    // An unknown code from within the server is a fault of the server.
    let outer = || {
        let is_outer =
            |meaning: &&Meaning| meaning.codes.iter().any(|code| said.ends_with(&format!("({code})")));
        ALL.iter().find(is_outer)
    };
    by_inner.or_else(|| by_words.next()).filter(|_| is_vague).or(by_code).or_else(outer)
}

/// The row of what was said at a step. The URL of a session that has opened the mailbox is no wrong one: what answers in its place
/// later passes.
pub fn find_at(step: TestStep, code: &str, said: &str) -> Option<&'static Meaning> {
    find(code, said).map(|row| match step {
        TestStep::Read | TestStep::Send | TestStep::Delete if row.key == "not-exchange-web-services" => {
            &AWAY_IN_SESSION
        }
        TestStep::Read
        | TestStep::Send
        | TestStep::Delete
        | TestStep::Secret
        | TestStep::Token
        | TestStep::Autodiscover
        | TestStep::Resolve
        | TestStep::Connect
        | TestStep::Tls
        | TestStep::Greet
        | TestStep::Authenticate
        | TestStep::Open
        | TestStep::ForwardRule
        | TestStep::ReceiveBack
        | TestStep::Close => row,
    })
}

const AWAY_IN_SESSION: Meaning = Meaning {
    codes: &[],
    says: &[],
    key: "service-away",
    nature: Nature::Transient,
    scope: Scope::Mailbox,
    meaning: "in the middle of a session something else answered than Exchange Web Services, which had answered before",
    remedy: "it is tried again by itself; if it stays so, look at the load balancer or the login page in front of Exchange",
    likely: &[
        "IIS or an application pool is being restarted",
        "a load balancer that leads to another server",
    ],
};

/// The stable code, the nature and the scope of what is known.
pub fn class(step: TestStep, code: &str, said: &str) -> Option<(&'static str, Nature, Scope)> {
    find_at(step, code, said).map(|meaning| (meaning.key, meaning.nature, meaning.scope))
}

/// What it means, and what to do.
pub fn words(step: TestStep, code: &str, said: &str) -> Option<(String, String)> {
    find_at(step, code, said).map(|meaning| (meaning.meaning.to_owned(), meaning.remedy.to_owned()))
}

/// What mostly is behind a failure of Exchange; most likely first. `None`: it is another failure, or an unknown code.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others are no answers of Exchange")]
pub fn likely(error: &RemoteError) -> Option<&'static [&'static str]> {
    match &error.cause {
        Cause::Exchange { code, said } => find_at(error.step, code, said).map(|meaning| meaning.likely),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_and_each_saying_has_one_meaning() {
        for list in [|meaning: &Meaning| meaning.codes, |meaning: &Meaning| meaning.says] {
            let all: Vec<&str> = ALL.iter().flat_map(list).copied().collect();
            assert_eq!(all.len(), all.iter().collect::<BTreeSet<_>>().len());
        }
        assert!(ALL.iter().flat_map(|meaning| meaning.says).all(|words| *words == words.to_lowercase()));
        let keys: BTreeSet<&str> = ALL.iter().map(|meaning| meaning.key).collect();
        assert_eq!(keys.len(), ALL.len());
        assert_eq!(find("ErrorSomethingNew", "something new"), None);
    }

    #[test]
    fn words_are_listened_to_where_the_code_says_nothing() {
        let key = |code, said| find(code, said).map(|meaning| meaning.key);
        let licence = "The mailbox does not have a valid license.";
        assert_eq!(key("ErrorInternalServerError", licence), Some("no-licence"));
        assert_eq!(
            key("ErrorInternalServerError", "An internal server error occurred."),
            Some("server-error")
        );
        assert_eq!(
            key("ErrorQuotaExceeded", licence),
            Some("mailbox-full"),
            "a code that says something is believed"
        );
        let inner = "An internal server error occurred. (ErrorQuotaExceeded), ErrorInternalServerError";
        assert_eq!(key("ErrorInternalServerError", inner), Some("mailbox-full"));
        let unknown = "An internal server error occurred. (ErrorInternalServerError)";
        assert_eq!(key("ErrorSomethingNew", unknown), Some("server-error"));
        assert_eq!(key("ErrorInvalidLicense", unknown), Some("no-licence"));
        assert_eq!(key("ErrorAccessDenied", inner), key("ErrorAccessDenied", ""));
        let said = "The account does not have permission to impersonate the requested user.";
        assert_eq!(key("SOAP:Server", said), Some("impersonation-denied"));
    }

    #[test]
    fn every_code_that_the_vendor_documents_is_known() {
        use Nature::{Permanent, Transient};
        for (code, nature) in [
            ("8005E259", Permanent),
            ("8005E272", Permanent),
            ("8005E273", Permanent),
            ("8005E274", Permanent),
            ("MailboxNotEnabledForRESTAPI", Permanent),
            ("8005E276", Permanent),
            ("800046", Permanent),
            ("ErrorInvalidLicense", Permanent),
            ("MailboxDisabled", Permanent),
            ("0x80004005", Transient),
            ("HTTP 403", Permanent),
            ("ErrorQuotaExceeded", Permanent),
            ("ErrorSubmissionQuotaExceeded", Transient),
            ("-2147209462", Transient),
            ("-2147220891", Transient),
            ("-2147218683", Permanent),
            ("NoCorrelationMatch", Permanent),
            ("383", Transient),
        ] {
            assert_eq!(find(code, "").map(|meaning| meaning.nature), Some(nature), "{code}");
        }
    }
}
