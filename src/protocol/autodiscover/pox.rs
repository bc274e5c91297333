//! Plain XML ("POX"). <https://learn.microsoft.com/exchange/client-developer/web-service-reference/pox-autodiscover-request-for-exchange>

use super::Answer;
use crate::model::failure::{Cause, server_words};
use crate::model::name::Address;
use crate::protocol::ews::Xml;
use crate::protocol::ews::element::Element;

const REQUEST: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006";
const RESPONSE: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";

pub fn request(address: &Address) -> String {
    let mut xml = Xml::document();
    xml.element("Autodiscover", &[("xmlns", REQUEST)], |xml| {
        xml.element("Request", &[], |xml| {
            xml.text("EMailAddress", address.as_str()).text("AcceptableResponseSchema", RESPONSE);
        });
    });
    xml.into_text()
}

/// Protocols with a URL of Exchange Web Services: from outside (`EXPR`), for both (`EXHTTP`), from inside (`EXCH`).
const PROTOCOLS: [&str; 3] = ["EXPR", "EXHTTP", "EXCH"];

pub fn read(document: &Element) -> Result<Answer, Cause> {
    let garbage = |detail: &str| Err(Cause::Garbage { detail: detail.to_owned() });
    if document.name != "Autodiscover" {
        return garbage("the answer is no document of Autodiscover");
    }
    let Some(response) = document.child("Response") else { return garbage("the answer holds no response") };
    if let Some(error) = response.child("Error") {
        let code = error.text_of("ErrorCode").unwrap_or("no code");
        let said = error.text_of("Message").unwrap_or_default();
        return Ok(Answer::Unknown(server_words(&format!("error {code} {said}"))));
    }
    let Some(account) = response.child("Account") else { return garbage("the answer holds no account") };
    let target = |name: &str| account.text_of(name).map(str::to_owned);
    match account.text_of("Action").unwrap_or("settings").to_ascii_lowercase().as_str() {
        "redirectaddr" => match target("RedirectAddr") {
            Some(address) => Ok(Answer::RedirectAddress(address)),
            None => garbage("the answer redirects to no address"),
        },
        "redirecturl" => match target("RedirectUrl") {
            Some(url) => Ok(Answer::RedirectUrl(url)),
            None => garbage("the answer redirects to no URL"),
        },
        _settings => Ok(services(account)),
    }
}

fn services(account: &Element) -> Answer {
    let of_type = |wanted: &str| {
        let protocols = account.children.iter().filter(|child| child.name == "Protocol");
        let wanted = wanted.to_owned();
        protocols.filter(move |protocol| {
            let kind = protocol.text_of("Type").or(protocol.attribute("Type"));
            kind.is_some_and(|kind| kind.eq_ignore_ascii_case(&wanted))
        })
    };
    let url =
        |protocol: &Element| protocol.text_of("EwsUrl").or(protocol.text_of("ASUrl")).map(str::to_owned);
    let urls: Vec<String> = PROTOCOLS.iter().flat_map(|kind| of_type(kind).filter_map(url)).collect();
    match urls.is_empty() {
        true => Answer::Unknown("it names no Exchange Web Services for this mailbox".to_owned()),
        false => Answer::Services(urls),
    }
}
