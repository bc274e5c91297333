//! Exchange Web Services: SOAP over HTTP, as data. One file per operation, under the vendor's name.
//!
//! An [`Operation`] writes its request and reads its answer; [`envelope`] puts a request into SOAP, [`read`] takes an answer
//! out of it. Nothing here knows how a request travels. Requests are strict (they validate against the vendor's schemas);
//! answers are read leniently, because those of real servers do not always validate.
//! Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/ews-operations-in-exchange>

mod create_attachment;
mod create_folder;
mod create_item;
mod delete_item;
pub mod element;
mod find_folder;
mod find_item;
pub mod folder;
mod get_attachment;
mod get_folder;
mod get_item;
mod get_server_time_zones;
mod inbox_rules;
pub mod item;
pub mod item_properties;
mod move_item;
pub mod rebuilt;
mod refusal;
mod resolve_names;
mod send_item;
mod split;
pub mod status;
mod streaming;
mod sync_folder_hierarchy;
mod sync_folder_items;
pub mod update_item;
mod user_configuration;
mod write;

pub use create_attachment::CreateAttachment;
pub use create_folder::CreateFolder;
pub use create_item::{CreateItem, Disposition};
pub use delete_item::{DeleteItem, Disposal};
pub use find_folder::{FindFolder, FoundFolders, Traversal};
pub use find_item::{FindItem, FoundItems, NextPage, Restriction};
pub use folder::{Folder, FolderId, FolderRef, WellKnown};
pub use get_attachment::{GetAttachment, GottenAttachment};
pub use get_folder::GetFolder;
pub use get_item::{GetItem, Gotten};
pub use get_server_time_zones::{GetServerTimeZones, TimeZone};
pub use inbox_rules::{GetInboxRules, InboxRule, RuleChange, RuleHealth, RuleReach, UpdateInboxRules};
pub use item::{Item, ItemId, MARKER};
pub use item_properties::GetItemProperties;
pub use move_item::MoveItem;
pub use refusal::{EwsError, Refusal};
pub use resolve_names::{ResolveNames, Resolved};
pub use send_item::SendItem;
pub use split::{Found, Splitter};
pub use streaming::{
    GetStreamingEvents, Notifications, StreamedEnvelopes, Subscribe, Subscription, Unsubscribe,
};
pub use sync_folder_hierarchy::{FolderChange, HierarchyChanges, SyncFolderHierarchy};
pub use sync_folder_items::{Further, ItemChange, ItemChanges, SyncFolderItems};
pub use update_item::{Change, Conflict, UpdateItem};
pub use user_configuration::{
    CreateUserConfiguration, GetUserConfiguration, UpdateUserConfiguration, UserConfiguration,
};
pub use write::Xml;

use element::{ENVELOPE, Element, MESSAGES, Namespace, TYPES};

use crate::model::name::Address;

/// One operation with its arguments.
pub trait Operation {
    type Response;

    /// The vendor's name: `GetFolder` asks, and `GetFolderResponse` answers.
    const NAME: &'static str;

    /// Elements of the answer that hold octets in base64, see [`Splitter`].
    const OCTETS_IN: &'static [&'static str] = &["MimeContent"];

    /// Whether it would be a second message if it was done twice.
    const SENDS: bool = false;

    /// Octets of messages in the request, so that room is made once.
    fn octets(&self) -> usize {
        0
    }

    /// Attributes of the request's element.
    fn attributes(&self) -> Vec<(&'static str, &str)> {
        Vec::new()
    }

    /// What is inside of the request's element.
    fn write(&self, xml: &mut Xml);

    /// What the answer means. `answer` is the element `<NAME>Response`.
    fn read(&self, answer: &Element) -> Result<Self::Response, EwsError>;
}

/// Which requests the server is to understand. Answers have the elements of that version.
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/requestserverversion>
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerVersion {
    Exchange2007Sp1,
    Exchange2010Sp1,
    Exchange2013Sp1,
}

impl ServerVersion {
    /// What is asked for first: all that is used here, and every server since 2010 knows it.
    pub const FIRST: Self = Self::Exchange2010Sp1;

    fn key(self) -> &'static str {
        match self {
            Self::Exchange2007Sp1 => "Exchange2007_SP1",
            Self::Exchange2010Sp1 => "Exchange2010_SP1",
            Self::Exchange2013Sp1 => "Exchange2013_SP1",
        }
    }

    /// What to ask for when a server does not know this version.
    pub fn older(self) -> Option<Self> {
        match self {
            Self::Exchange2013Sp1 => Some(Self::Exchange2010Sp1),
            Self::Exchange2010Sp1 => Some(Self::Exchange2007Sp1),
            Self::Exchange2007Sp1 => None,
        }
    }
}

/// What stands above a request: for whom, and in which version.
#[derive(Debug, Clone)]
pub struct Header {
    pub version: ServerVersion,
    /// Acts as the owner of that mailbox; the server wants the role `ApplicationImpersonation` for it.
    pub impersonated: Option<Address>,
    /// The id of a Windows time zone, for what is declared without one.
    pub time_zone: Option<String>,
}

/// A request as a whole document.
pub fn envelope<O: Operation>(operation: &O, header: &Header) -> String {
    let mut xml = Xml::with_room_for(operation.octets());
    xml.raw("<?xml version=\"1.0\" encoding=\"utf-8\"?>");
    let namespaces = [("xmlns:s", ENVELOPE), ("xmlns:t", TYPES), ("xmlns:m", MESSAGES)];
    xml.element("s:Envelope", &namespaces, |xml| {
        xml.element("s:Header", &[], |xml| write_header(xml, header));
        xml.element("s:Body", &[], |xml| {
            let name = format!("m:{}", O::NAME);
            xml.element(&name, &operation.attributes(), |xml| operation.write(xml));
        });
    });
    xml.into_text()
}

fn write_header(xml: &mut Xml, header: &Header) {
    xml.empty("t:RequestServerVersion", &[("Version", header.version.key())]);
    if let Some(address) = &header.impersonated {
        xml.element("t:ExchangeImpersonation", &[], |xml| {
            xml.element("t:ConnectingSID", &[], |xml| {
                xml.text("t:SmtpAddress", address.as_str());
            });
        });
    }
    if let Some(id) = &header.time_zone {
        xml.element("t:TimeZoneContext", &[], |xml| {
            xml.empty("t:TimeZoneDefinition", &[("Id", id)]);
        });
    }
}

/// Reads an answer, whatever its HTTP status was: a fault comes with 500.
pub fn read<O: Operation>(operation: &O, document: &[u8]) -> Result<O::Response, EwsError> {
    let envelope = element::read(document)?;
    operation.read(answer(&envelope, O::NAME)?)
}

/// The element that answers an operation. A fault is an error.
fn answer<'e>(envelope: &'e Element, operation: &str) -> Result<&'e Element, EwsError> {
    if !envelope.is(Namespace::Envelope, "Envelope") {
        return Err(EwsError::garbage("the answer is not SOAP; it is a document of", &envelope.name));
    }
    let body = envelope.children.iter().find(|child| child.is(Namespace::Envelope, "Body"));
    let first = body.and_then(|body| body.children.first());
    let first = first.ok_or_else(|| EwsError::Garbage("the answer's body is empty".to_owned()))?;
    if first.is(Namespace::Envelope, "Fault") {
        return Err(EwsError::Refused(Refusal::of_fault(first)));
    }
    if first.namespace == Namespace::Messages && first.name.strip_suffix("Response") == Some(operation) {
        return Ok(first);
    }
    Err(EwsError::garbage("the answer is one to another request:", &first.name))
}

/// Whether an answer is a fault that says: later. The time that it says with it may be missing.
pub fn busy_fault(document: &[u8]) -> Option<Option<std::time::Duration>> {
    let envelope = element::read(document).ok()?;
    let fault = envelope.child("Body")?.children.first().filter(|it| it.is(Namespace::Envelope, "Fault"))?;
    let refusal = Refusal::of_fault(fault);
    refusal.is_server_busy().then_some(refusal.back_off)
}

/// What the server says of itself in each answer: `15.2.2562.17`.
pub fn server_version(document: &[u8]) -> Option<String> {
    let envelope = element::read(document).ok()?;
    let version = envelope.at(&["Header", "ServerVersionInfo"])?;
    let part = |name| version.attribute(name).and_then(|text| text.parse::<u32>().ok());
    let [major, minor] = [part("MajorVersion")?, part("MinorVersion")?];
    let [build, revision] = ["MajorBuildNumber", "MinorBuildNumber"].map(|name| part(name).unwrap_or(0));
    Some(format!("{major}.{minor}.{build}.{revision}"))
}

/// One of the response messages of an answer, judged: one for each thing that was asked about, in the same order.
pub(crate) fn messages(answer: &Element) -> Vec<Result<&Element, Refusal>> {
    let all = answer.child("ResponseMessages").map_or(&[][..], |messages| &messages.children);
    all.iter().map(|message| refusal::judge(message).map(|()| message)).collect()
}

/// The only response message of an answer.
pub(crate) fn only_message(answer: &Element) -> Result<&Element, EwsError> {
    match messages(answer).into_iter().next() {
        Some(message) => Ok(message?),
        None => Err(EwsError::Garbage("the answer holds no response message".to_owned())),
    }
}

/// What is missing in an answer that cannot do without.
pub(crate) fn missing(what: &str) -> EwsError {
    EwsError::Garbage(format!("the answer does not hold {what}"))
}

#[cfg(test)]
pub(crate) mod tests;
