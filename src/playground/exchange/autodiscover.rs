//! Autodiscover in both dialects: SOAP (`GetUserSettings`) and plain XML. It tells where the playground's Exchange is, or leads
//! elsewhere where it was told to.

use super::super::World;
use super::Call;
use super::node::{self, Node, element, escaped};

const SOAP: &str = "http://schemas.microsoft.com/exchange/2010/Autodiscover";
const POX: &str = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
const OUTLOOK: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";

/// What is said of an address instead of where its mailbox is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lead {
    /// The mailbox is known under another address.
    Address(String),
    /// Another service knows.
    Url(String),
    /// Exchange Web Services are there.
    Service(String),
}

/// The vendor's two dialects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Soap,
    Pox,
}

impl Dialect {
    pub fn of(path: &str) -> Option<Self> {
        match path.to_ascii_lowercase().as_str() {
            "/autodiscover/autodiscover.svc" => Some(Self::Soap),
            "/autodiscover/autodiscover.xml" => Some(Self::Pox),
            _ => None,
        }
    }
}

impl Dialect {
    pub fn is_spoken(self, world: &World) -> bool {
        match self {
            Self::Soap => !world.exchange.lock().is_plain_xml_only,
            Self::Pox => true,
        }
    }
}

pub(super) fn answer(world: &World, dialect: Dialect, username: &str, text: &str) -> (&'static str, String) {
    let asked = node::parse(text).and_then(|root| asked(dialect, &root));
    let address = asked.clone().unwrap_or_default();
    let lead = asked.map(|address| lead(world, &address));
    let (status, response) = match dialect {
        Dialect::Soap => soap(lead.as_ref(), &address),
        Dialect::Pox => ("200 OK", pox(lead.as_ref(), &address)),
    };
    let operation = match dialect {
        Dialect::Soap => "GetUserSettings",
        Dialect::Pox => "Autodiscover",
    };
    world.exchange.lock().discoveries.push(Call {
        operation: operation.to_owned(),
        username: username.to_owned(),
        anchor: None,
        address,
        request: text.to_owned(),
        response: response.clone(),
    });
    (status, response)
}

fn asked(dialect: Dialect, root: &Node) -> Option<String> {
    let address = match dialect {
        Dialect::Soap => root
            .path(&["Body", "GetUserSettingsRequestMessage", "Request"])?
            .all("Mailbox")
            .first()?
            .text
            .clone(),
        Dialect::Pox => root.text_at(&["Request", "EMailAddress"])?.to_owned(),
    };
    Some(address.trim().to_owned())
}

/// `None`: no such mailbox.
fn lead(world: &World, address: &str) -> Option<Lead> {
    let told = world.exchange.lock().leads.get(&address.to_lowercase()).cloned();
    if told.is_some() {
        return told;
    }
    world.state.lock().resident(address).ok()?;
    let host = world.options.host_names.first().map_or("localhost", String::as_str);
    Some(Lead::Service(format!("https://{host}/EWS/Exchange.asmx")))
}

fn soap(lead: Option<&Option<Lead>>, address: &str) -> (&'static str, String) {
    let Some(lead) = lead else {
        let fault = "<s:Fault><faultcode>s:Client</faultcode><faultstring>The request is invalid.</faultstring></s:Fault>";
        return ("500 Internal Server Error", envelope(fault));
    };
    let (code, target, settings) = match lead {
        None => ("InvalidUser", None, String::new()),
        Some(Lead::Address(address)) => ("RedirectAddress", Some(address), String::new()),
        Some(Lead::Url(url)) => ("RedirectUrl", Some(url), String::new()),
        Some(Lead::Service(url)) => ("NoError", None, service_settings(url, address)),
    };
    let target = target.map_or_else(
        || "<RedirectTarget i:nil=\"true\"/>".to_owned(),
        |target| element("RedirectTarget", target),
    );
    let user = format!(
        "<UserResponse><ErrorCode>{code}</ErrorCode><ErrorMessage>{code}</ErrorMessage>{target}<UserSettingErrors/>\
         <UserSettings>{settings}</UserSettings></UserResponse>"
    );
    let body = format!(
        "<GetUserSettingsResponseMessage xmlns=\"{SOAP}\"><Response xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\">\
         <ErrorCode>NoError</ErrorCode><ErrorMessage/><UserResponses>{user}</UserResponses></Response>\
         </GetUserSettingsResponseMessage>"
    );
    ("200 OK", envelope(&body))
}

fn service_settings(url: &str, address: &str) -> String {
    let settings = [
        ("AutoDiscoverSMTPAddress", address),
        ("InternalEwsUrl", url),
        ("ExternalEwsUrl", url),
        (
            "EwsSupportedSchemas",
            "Exchange2007, Exchange2007_SP1, Exchange2010, Exchange2010_SP1, Exchange2013",
        ),
    ];
    let setting = |(name, value): (&str, &str)| {
        format!(
            "<UserSetting i:type=\"StringSetting\">{}{}</UserSetting>",
            element("Name", name),
            element("Value", value)
        )
    };
    settings.map(setting).concat()
}

fn envelope(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:a=\"http://www.w3.org/2005/08/addressing\"><s:Header><h:ServerVersionInfo xmlns:h=\"{SOAP}\">\
         <h:MajorVersion>15</h:MajorVersion><h:MinorVersion>2</h:MinorVersion><h:MajorBuildNumber>2562</h:MajorBuildNumber>\
         <h:MinorBuildNumber>17</h:MinorBuildNumber><h:Version>Exchange2015</h:Version></h:ServerVersionInfo></s:Header>\
         <s:Body>{body}</s:Body></s:Envelope>"
    )
}

fn pox(lead: Option<&Option<Lead>>, address: &str) -> String {
    let error = |code: u16, words: &str| {
        format!(
            "<Response xmlns=\"{POX}\"><Error Time=\"00:00:00.0000000\" Id=\"1\"><ErrorCode>{code}</ErrorCode>\
             <Message>{words}</Message><DebugData/></Error></Response>"
        )
    };
    let response = match lead {
        None => error(600, "Invalid Request"),
        Some(None) => error(500, "The email address can't be found."),
        Some(Some(Lead::Address(target))) => redirect("redirectAddr", "RedirectAddr", target),
        Some(Some(Lead::Url(target))) => redirect("redirectUrl", "RedirectUrl", target),
        Some(Some(Lead::Service(url))) => {
            let protocol = |kind: &str| {
                format!("<Protocol>{}{}</Protocol>", element("Type", kind), element("EwsUrl", url))
            };
            format!(
                "<Response xmlns=\"{OUTLOOK}\"><User>{}</User><Account><AccountType>email</AccountType>\
                 <Action>settings</Action>{}{}</Account></Response>",
                element("AutoDiscoverSMTPAddress", address),
                protocol("EXCH"),
                protocol("EXPR")
            )
        }
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Autodiscover xmlns=\"{POX}\">{response}</Autodiscover>"
    )
}

fn redirect(action: &str, name: &str, target: &str) -> String {
    format!(
        "<Response xmlns=\"{OUTLOOK}\"><Account><Action>{action}</Action><{name}>{}</{name}></Account></Response>",
        escaped(target)
    )
}
