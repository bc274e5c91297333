//! SOAP: `GetUserSettings`. <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getusersettings-operation-soap>

use super::Answer;
use crate::model::failure::{Cause, server_words};
use crate::model::name::Address;
use crate::model::server::WebAddress;
use crate::protocol::ews::Xml;
use crate::protocol::ews::element::{AUTODISCOVER, ENVELOPE, Element, Namespace};

const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
const ACTION: &str = "http://schemas.microsoft.com/exchange/2010/Autodiscover/Autodiscover/GetUserSettings";
/// From outside first: their certificates are those that everybody can verify.
const SETTINGS: [&str; 2] = ["ExternalEwsUrl", "InternalEwsUrl"];

pub fn request(address: &Address, url: &WebAddress) -> String {
    let mut xml = Xml::document();
    let namespaces = [("xmlns:s", ENVELOPE), ("xmlns:a", AUTODISCOVER), ("xmlns:wsa", ADDRESSING)];
    xml.element("s:Envelope", &namespaces, |xml| {
        xml.element("s:Header", &[], |xml| {
            xml.text("a:RequestedServerVersion", "Exchange2010");
            xml.text("wsa:Action", ACTION).text("wsa:To", &url.to_string());
        });
        xml.element("s:Body", &[], |xml| {
            xml.element("a:GetUserSettingsRequestMessage", &[], |xml| {
                xml.element("a:Request", &[], |xml| {
                    xml.element("a:Users", &[], |xml| {
                        xml.element("a:User", &[], |xml| {
                            xml.text("a:Mailbox", address.as_str());
                        });
                    });
                    xml.element("a:RequestedSettings", &[], |xml| {
                        for setting in SETTINGS {
                            xml.text("a:Setting", setting);
                        }
                    });
                });
            });
        });
    });
    xml.into_text()
}

pub fn read(document: &Element) -> Result<Answer, Cause> {
    let garbage = |detail: &str| Err(Cause::Garbage { detail: detail.to_owned() });
    if !document.is(Namespace::Envelope, "Envelope") {
        return garbage("the answer is not SOAP");
    }
    let body = document.child("Body");
    if let Some(fault) = body.and_then(|body| body.child("Fault")) {
        let said = fault.text_of("faultstring").unwrap_or("no words");
        return Ok(Answer::Unknown(server_words(&format!("fault: {said}"))));
    }
    let message = body.and_then(|body| body.child("GetUserSettingsResponseMessage"));
    let Some(response) = message.and_then(|message| message.child("Response")) else {
        return garbage("the answer is one to another request");
    };
    // There is a code for the request, and one for each user; a request asks about one.
    let user = response.at(&["UserResponses", "UserResponse"]);
    let (Some(user), true) = (user, has_no_error(response)) else { return Ok(unknown(response)) };
    let target = user.text_of("RedirectTarget").map(str::to_owned);
    match (user.text_of("ErrorCode").unwrap_or("NoError"), target) {
        ("RedirectAddress", Some(address)) => Ok(Answer::RedirectAddress(address)),
        ("RedirectUrl", Some(url)) => Ok(Answer::RedirectUrl(url)),
        ("NoError", _) => Ok(services(user)),
        _ => Ok(unknown(user)),
    }
}

fn has_no_error(element: &Element) -> bool {
    element.text_of("ErrorCode").is_none_or(|code| code == "NoError")
}

fn unknown(element: &Element) -> Answer {
    let code = element.text_of("ErrorCode").unwrap_or("no code");
    let said = element.text_of("ErrorMessage").unwrap_or_default();
    Answer::Unknown(server_words(&format!("{code} {said}")))
}

fn services(user: &Element) -> Answer {
    let settings = user.child("UserSettings").map_or(&[][..], |settings| &settings.children);
    let value = |wanted: &&str| {
        let setting = settings.iter().find(|setting| setting.text_of("Name") == Some(wanted));
        setting.and_then(|setting| setting.text_of("Value")).map(str::to_owned)
    };
    let urls: Vec<String> = SETTINGS.iter().filter_map(value).collect();
    match urls.is_empty() {
        true => Answer::Unknown("it names no Exchange Web Services for this mailbox".to_owned()),
        false => Answer::Services(urls),
    }
}
