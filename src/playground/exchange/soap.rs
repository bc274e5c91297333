//! The envelope: who acts for whom, which operation is meant, and how an answer or a fault looks.

use super::super::World;
use super::super::options::Impersonation;
use super::super::state::AccountId;
use super::node::{self, Node, element, escaped};
use super::{
    Call, Caller, Inner, attachments, changes, directory, folders, items, refiling, rules, settings, sync,
};

const NAMESPACES: &str = "xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
    xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\" \
    xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\"";
const VERSION: &str = "<t:ServerVersionInfo MajorVersion=\"15\" MinorVersion=\"2\" MajorBuildNumber=\"2562\" \
    MinorBuildNumber=\"17\" Version=\"V2017_07_11\"/>";
/// Requests and answers that are kept for whoever validates them.
const CALLS_KEPT_MAX: usize = 10_000;

/// Why a request as a whole is refused.
pub(super) struct Fault {
    pub code: &'static str,
    pub words: String,
    pub back_off_ms: Option<u128>,
}

impl Fault {
    pub fn new(code: &'static str, words: &str) -> Self {
        Self { code, words: words.to_owned(), back_off_ms: None }
    }

    fn render(&self) -> String {
        let value = self.back_off_ms.map(|wait| {
            format!("<t:MessageXml><t:Value Name=\"BackOffMilliseconds\">{wait}</t:Value></t:MessageXml>")
        });
        format!(
            "<s:Fault><faultcode xmlns:a=\"http://schemas.microsoft.com/exchange/services/2006/types\">a:{code}</faultcode>\
             <faultstring xml:lang=\"en-US\">{words}</faultstring><detail><e:ResponseCode \
             xmlns:e=\"http://schemas.microsoft.com/exchange/services/2006/errors\">{code}</e:ResponseCode><e:Message \
             xmlns:e=\"http://schemas.microsoft.com/exchange/services/2006/errors\">{words}</e:Message>{value}</detail>\
             </s:Fault>",
            code = self.code,
            words = escaped(&self.words),
            value = value.unwrap_or_default(),
        )
    }
}

/// One response message, without its name.
pub(super) enum Message {
    /// What follows the response code.
    Success(String),
    Error {
        code: &'static str,
        words: &'static str,
        /// What the schema wants all the same.
        rest: &'static str,
    },
}

impl Message {
    pub fn error(code: &'static str, words: &'static str) -> Self {
        Self::Error { code, words, rest: "" }
    }

    /// With the class as an attribute and the code inside.
    fn render(&self, name: &str) -> String {
        let inside = match self {
            Self::Success(rest) => format!("<m:ResponseCode>NoError</m:ResponseCode>{rest}"),
            Self::Error { code, words, rest } => format!(
                "{}{}<m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>{rest}",
                element("m:MessageText", words),
                element("m:ResponseCode", code)
            ),
        };
        let class = match self {
            Self::Success(_) => "Success",
            Self::Error { .. } => "Error",
        };
        format!("<m:{name} ResponseClass=\"{class}\">{inside}</m:{name}>")
    }
}

/// Everything that an operation works with.
pub(super) struct Turn<'a> {
    pub world: &'a World,
    pub inner: &'a mut Inner,
    pub caller: &'a Caller,
    pub request: &'a Node,
}

pub(super) fn answer(
    world: &World,
    (username, login, anchor): (String, AccountId, Option<String>),
    text: &str,
) -> (&'static str, String) {
    let (status, body, about) = match judged(world, (username.clone(), login), text) {
        Ok((body, about)) => ("200 OK", body, about),
        Err(fault) => ("500 Internal Server Error", fault.render(), None),
    };
    let response = wrapped(&body);
    let (operation, address) = about.unwrap_or_else(|| ("Fault".to_owned(), String::new()));
    let mut inner = world.exchange.lock();
    if inner.calls.len() < CALLS_KEPT_MAX {
        let (request, response) = (text.to_owned(), response.clone());
        inner.calls.push(Call { operation, username, anchor, address, request, response });
    }
    (status, response)
}

pub(super) fn wrapped(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope {NAMESPACES}><s:Header>{VERSION}</s:Header><s:Body>{body}\
         </s:Body></s:Envelope>"
    )
}

type Judged = (String, Option<(String, String)>);

fn judged(world: &World, (username, login): (String, AccountId), text: &str) -> Result<Judged, Fault> {
    let invalid = || Fault::new("ErrorSchemaValidation", "The request failed schema validation.");
    let envelope = node::parse(text).filter(|root| root.name == "Envelope").ok_or_else(invalid)?;
    let request = envelope.get("Body").and_then(|body| body.children.first()).ok_or_else(invalid)?;
    let account = match envelope.path(&["Header", "ExchangeImpersonation", "ConnectingSID"]) {
        None => login,
        Some(sid) => impersonated(world, &username, sid)?,
    };
    let caller = Caller { username, account };
    let mut inner = world.exchange.lock();
    busy(&mut inner)?;
    folders::prepare(&mut inner, account);
    let name = request.name.clone();
    let mut turn = Turn { world, inner: &mut inner, caller: &caller, request };
    let body = operate(&mut turn, &name)?;
    drop(inner);
    let address = world.state.lock().user(account).address.clone();
    Ok((body, Some((name, address))))
}

fn busy(inner: &mut Inner) -> Result<(), Fault> {
    let busy = &mut inner.busy;
    busy.seen = busy.seen.saturating_add(1);
    let is_turn = busy.every > 0 && busy.seen.is_multiple_of(busy.every);
    if busy.calls == 0 && !is_turn {
        return Ok(());
    }
    busy.calls = busy.calls.saturating_sub(1);
    let words = "The server cannot service this request right now. Try again later.";
    Err(Fault { back_off_ms: Some(busy.back_off.as_millis()), ..Fault::new("ErrorServerBusy", words) })
}

fn impersonated(world: &World, username: &str, sid: &Node) -> Result<AccountId, Fault> {
    let address = sid.children.first().map(|child| child.text.trim()).unwrap_or_default();
    let found = world.state.lock().resident(address);
    let account = found.map_err(|_| {
        Fault::new("ErrorNonExistentMailbox", "The SMTP address has no mailbox associated with it.")
    })?;
    if world.options.impersonation == Impersonation::of(username) {
        return Ok(account);
    }
    let words = "The account does not have permission to impersonate the requested user.";
    Err(Fault::new("ErrorImpersonateUserDenied", words))
}

fn operate(turn: &mut Turn<'_>, name: &str) -> Result<String, Fault> {
    let messages = match name {
        "GetFolder" => folders::get(turn),
        "FindFolder" => folders::find(turn),
        "CreateFolder" => folders::create(turn),
        "UpdateFolder" => refiling::update(turn),
        "MoveFolder" => refiling::relocate(turn),
        "DeleteFolder" => refiling::delete(turn),
        "SyncFolderHierarchy" => folders::sync(turn),
        "SyncFolderItems" => sync::items(turn),
        "FindItem" => items::find(turn),
        "GetItem" => items::get(turn),
        "CreateItem" => changes::create(turn),
        "SendItem" => changes::send(turn),
        "UpdateItem" => changes::update(turn),
        "MoveItem" => changes::relocate(turn),
        "DeleteItem" => changes::delete(turn),
        "CreateAttachment" => attachments::create_attachment(turn),
        "GetAttachment" => attachments::get_attachment(turn),
        "ResolveNames" => directory::resolve_names(turn),
        "GetServerTimeZones" => directory::time_zones(turn),
        "Subscribe" => settings::subscribe(turn),
        "Unsubscribe" => settings::unsubscribe(turn),
        "CreateUserConfiguration" | "UpdateUserConfiguration" => settings::put_configuration(turn),
        "GetUserConfiguration" => settings::get_configuration(turn),
        "GetInboxRules" => return Ok(rules::get_rules(turn)),
        "UpdateInboxRules" => return Ok(rules::update_rules(turn)),
        "ConvertId" => {
            let items = turn.request.all("AlternateId").len().max(1);
            let words = "Id is malformed.";
            (0..items).map(|_| Message::error("ErrorInvalidIdMalformed", words)).collect()
        }
        _ => return Err(Fault::new("ErrorInvalidRequest", "The request is invalid.")),
    };
    let inside: String =
        messages.iter().map(|message| message.render(&format!("{name}ResponseMessage"))).collect();
    Ok(format!("<m:{name}Response><m:ResponseMessages>{inside}</m:ResponseMessages></m:{name}Response>"))
}
