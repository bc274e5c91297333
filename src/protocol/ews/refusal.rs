//! What Exchange says when it does not do what was asked, in its own codes.

use std::time::Duration;

use super::element::Element;
use crate::model::failure::{Cause, server_words};

/// Why there is no answer, by blame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EwsError {
    /// The server understood, and does not do it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What came is no answer to what was asked.
    #[error("{0}")]
    Garbage(String),
    #[error("{what} exceeds the limit of {limit}")]
    LimitExceeded { what: &'static str, limit: u64 },
}

impl EwsError {
    pub(super) fn garbage(what: &str, said: &str) -> Self {
        Self::Garbage(format!("{what} {}", server_words(said)))
    }

    pub(super) fn limit(what: &'static str, limit: usize) -> Self {
        Self::LimitExceeded { what, limit: limit as u64 }
    }

    pub fn cause(self) -> Cause {
        match self {
            Self::Refused(refusal) => refusal.cause(),
            Self::Garbage(detail) => Cause::Garbage { detail },
            Self::LimitExceeded { what, limit } => Cause::LimitExceeded { what: what.to_owned(), limit },
        }
    }

    /// Whether the server refused with this code.
    pub fn is(&self, code: &str) -> bool {
        match self {
            Self::Refused(refusal) => refusal.code == code,
            Self::Garbage(_) | Self::LimitExceeded { .. } => false,
        }
    }
}

/// A response code that is none of success, with the server's words.
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/responsecode>
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {said}")]
pub struct Refusal {
    /// `ErrorItemNotFound` …; of a fault without one, its fault code.
    pub code: String,
    pub said: String,
    /// `ErrorServerBusy` says how long to stay away.
    pub back_off: Option<Duration>,
}

/// Codes that say: later. <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/ews-throttling-in-exchange>
const LATER: [&str; 6] = [
    "ErrorServerBusy",
    "ErrorTooManyObjectsOpened",
    "ErrorExceededConnectionCount",
    "ErrorExceededSubscriptionCount",
    "ErrorExceededFindCountLimit",
    "ErrorConnectionFailed",
];

/// The same without a limit that was exceeded: a part of the server is away.
const AWAY: [&str; 7] = [
    "ErrorMailboxStoreUnavailable",
    "ErrorMailboxMoveInProgress",
    "ErrorInternalServerTransientError",
    "ErrorMailboxFailover",
    "ErrorADUnavailable",
    "ErrorTimeoutExpired",
    "ErrorBatchProcessingStopped",
];

/// In the place of a response code.
const UNTOLD: &str = "(none)";

impl Refusal {
    /// A fault of SOAP: `faultstring`, and in `detail` what Exchange adds to it.
    pub(super) fn of_fault(fault: &Element) -> Self {
        let detail = fault.child("detail");
        let code = detail.and_then(|detail| detail.text_of("ResponseCode"));
        let said = detail.and_then(|detail| detail.text_of("Message")).or(fault.text_of("faultstring"));
        let code = code.or(fault.text_of("faultcode")).unwrap_or("SOAP fault");
        let (code, said) = innermost(code, detail, words(said));
        Self { code, said, back_off: detail.and_then(back_off) }
    }

    pub fn is_server_busy(&self) -> bool {
        LATER.contains(&self.code.as_str())
    }

    /// Whether it leaves open how far the server came before it failed.
    pub fn is_vague(&self) -> bool {
        AWAY.contains(&self.code.as_str()) || self.is_internal()
    }

    /// Whether something is wrong within the server, whatever it says about it.
    pub fn is_internal(&self) -> bool {
        self.code == INTERNAL || self.said.ends_with(&format!("({INTERNAL})"))
    }

    /// As a cause of failure. Waiting is asked for in the words that all servers have for it.
    pub fn cause(self) -> Cause {
        let Self { code, said, back_off } = self;
        if LATER.contains(&code.as_str()) {
            let wait = back_off.map(|wait| format!(" (try again in {} milliseconds)", wait.as_millis()));
            return Cause::TemporarilyRefused {
                said: format!("[THROTTLED] {code}: {said}{}", wait.unwrap_or_default()),
            };
        }
        if code == UNTOLD {
            return Cause::Garbage {
                detail: "a response message does not say what became of the request".to_owned(),
            };
        }
        if AWAY.contains(&code.as_str()) {
            return Cause::TemporarilyRefused { said: format!("{code}: {said}") };
        }
        Cause::Exchange { code, said }
    }
}

const INTERNAL: &str = "ErrorInternalServerError";

/// It wraps what really happened, such as a missing licence. It stays in the words, for whoever does not know what is inside.
fn innermost(code: &str, holder: Option<&Element>, said: String) -> (String, String) {
    let inner = holder.and_then(|holder| value(holder, "InnerErrorResponseCode"));
    match inner.filter(|inner| inner.starts_with("Error") && *inner != code) {
        Some(inner) => (server_words(inner), format!("{said} ({})", server_words(code))),
        None => (server_words(code), said),
    }
}

fn words(said: Option<&str>) -> String {
    said.map_or_else(|| "it gives no reason".to_owned(), server_words)
}

/// A value of `MessageXml`, by its name.
fn value<'e>(holder: &'e Element, name: &str) -> Option<&'e str> {
    let values = holder.child("MessageXml")?.children.iter();
    values.into_iter().find(|value| value.attribute("Name") == Some(name)).map(|value| value.text.trim())
}

fn back_off(holder: &Element) -> Option<Duration> {
    value(holder, "BackOffMilliseconds")?.parse().ok().map(Duration::from_millis)
}

/// Judges one response message. A warning is a success, unless its code says that nothing was done. One that does not say what it
/// is (`ResponseClass`, which the schema requires) is none.
pub(super) fn judge(message: &Element) -> Result<(), Refusal> {
    let code = message.text_of("ResponseCode");
    match message.attribute("ResponseClass") {
        Some("Success") => return Ok(()),
        Some("Warning") if code != Some("ErrorBatchProcessingStopped") => return Ok(()),
        Some(_) | None => {}
    }
    let said = words(message.text_of("MessageText"));
    let code = code.filter(|code| *code != "NoError").unwrap_or(UNTOLD);
    let (code, said) = innermost(code, Some(message), said);
    Err(Refusal { code, said, back_off: back_off(message) })
}

#[cfg(test)]
mod tests {
    use super::super::element;
    use super::*;

    const FAULT: &str = "<Fault><faultcode>a:ErrorServerBusy</faultcode><faultstring>busy</faultstring><detail>\
        <e:ResponseCode xmlns:e='x'>ErrorServerBusy</e:ResponseCode><e:Message xmlns:e='x'>The server cannot service \
        this request right now.</e:Message><t:MessageXml xmlns:t='y'><t:Value Name='BackOffMilliseconds'>297749\
        </t:Value></t:MessageXml></detail></Fault>";

    #[test]
    fn a_busy_server_says_how_long_to_wait() {
        let fault = element::read(FAULT.as_bytes()).unwrap();
        let refusal = Refusal::of_fault(&fault);
        assert_eq!(refusal.back_off, Some(Duration::from_millis(297_749)));
        let Cause::TemporarilyRefused { said } = refusal.cause() else { panic!() };
        assert!(said.starts_with("[THROTTLED] ErrorServerBusy") && said.contains("in 297749 milliseconds"));
    }

    #[test]
    fn a_fault_without_a_code_keeps_the_servers_words() {
        let fault =
            "<Fault><faultcode>SOAP:Server</faultcode><faultstring>Unknown request</faultstring></Fault>";
        let refusal = Refusal::of_fault(&element::read(fault.as_bytes()).unwrap());
        assert_eq!(refusal.to_string(), "SOAP:Server: Unknown request");
    }

    #[test]
    fn what_hides_inside_an_internal_error_comes_out() {
        let message = "<m ResponseClass='Error'><MessageText>An internal server error occurred.</MessageText>\
            <ResponseCode>ErrorInternalServerError</ResponseCode><MessageXml><Value Name='InnerErrorResponseCode'>\
            ErrorInvalidLicense</Value></MessageXml></m>";
        let refusal = judge(&element::read(message.as_bytes()).unwrap()).unwrap_err();
        assert_eq!(refusal.code, "ErrorInvalidLicense");
        assert!(refusal.is_internal() && refusal.is_vague(), "{refusal}");
    }

    #[test]
    fn what_does_not_say_that_it_succeeded_has_not() {
        let judged = |message: &str| judge(&element::read(message.as_bytes()).unwrap());
        assert_eq!(judged("<m ResponseClass='Success'/>"), Ok(()));
        assert_eq!(judged("<m ResponseClass='Warning'><ResponseCode>ErrorX</ResponseCode></m>"), Ok(()));
        for message in ["<m/>", "<m><ResponseCode>NoError</ResponseCode></m>", "<m ResponseClass='success'/>"]
        {
            assert!(judged(message).is_err(), "{message}");
        }
    }
}
