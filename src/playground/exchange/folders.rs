//! Folders: the inbox and Sent Items of the playground's mailboxes, and those that only Exchange shows.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::state::{AccountId, FolderName, Held};
use super::node::{Node, element, escaped};
use super::soap::{Message, Turn};
use super::{Inner, OwnFolder};

/// A folder of an account, by its key: `inbox`, `sentitems`, `own:4` …
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub account: AccountId,
    pub key: String,
}

pub(super) const NOT_FOUND: Message = Message::Error {
    code: "ErrorFolderNotFound",
    words: "The specified folder could not be found in the store.",
    rest: "",
};

const INVALID_STATE: Message = Message::Error {
    code: "ErrorInvalidSyncStateData",
    words: "Synchronization state data is corrupt or otherwise invalid.",
    rest: "<m:SyncState/><m:IncludesLastFolderInRange>true</m:IncludesLastFolderInRange>",
};

/// The vendor's name of a folder, what people see, and its class.
const WELL_KNOWN: [(&str, &str, &str); 7] = [
    ("msgfolderroot", "Top of Information Store", "IPF.Note"),
    ("root", "", "IPF.Note"),
    ("drafts", "Drafts", "IPF.Note"),
    ("deleteditems", "Deleted Items", "IPF.Note"),
    ("calendar", "Calendar", "IPF.Appointment"),
    ("contacts", "Contacts", "IPF.Contact"),
    ("tasks", "Tasks", "IPF.Task"),
];

/// Makes the folders of an account that every mailbox of Exchange has.
pub(super) fn prepare(inner: &mut Inner, AccountId(account): AccountId) {
    if inner.folders.iter().any(|folder| folder.account == account) {
        return;
    }
    for (key, name, class) in WELL_KNOWN {
        let parent = match key {
            "root" => "",
            "msgfolderroot" => "root",
            _ => "msgfolderroot",
        };
        inner.folders.push(OwnFolder {
            account,
            parent: parent.to_owned(),
            key: key.to_owned(),
            name: name.to_owned(),
            class: class.to_owned(),
            held: Vec::new(),
        });
    }
}

/// A folder inside of another one, which is made where it is missing.
pub(super) fn child(inner: &mut Inner, parent: &Place, name: &str) -> Place {
    let found = inner.folders.iter().find(|folder| {
        folder.account == parent.account.0 && folder.parent == parent.key && folder.name == name
    });
    if let Some(folder) = found {
        return Place { account: parent.account, key: folder.key.clone() };
    }
    inner.numbers += 1;
    let key = format!("own:{}", inner.numbers);
    inner.folders.push(OwnFolder {
        account: parent.account.0,
        parent: parent.key.clone(),
        key: key.clone(),
        name: name.to_owned(),
        class: "IPF.Note".to_owned(),
        held: Vec::new(),
    });
    Place { account: parent.account, key }
}

pub(super) fn folder_id(place: &Place) -> String {
    STANDARD.encode(format!("F|{}|{}", place.account.0, place.key))
}

fn parse_id(id: &str) -> Option<Place> {
    let text = String::from_utf8(STANDARD.decode(id).ok()?).ok()?;
    let mut parts = text.strip_prefix("F|")?.splitn(2, '|');
    let account = AccountId(parts.next()?.parse().ok()?);
    Some(Place { account, key: parts.next()?.to_owned() })
}

/// The folder that a request names. `None`: there is none, or the caller may not open it.
pub(super) fn named(turn: &Turn<'_>, holder: Option<&Node>) -> Option<Place> {
    let reference = holder?.children.first()?;
    let place = match reference.name.as_str() {
        "FolderId" => parse_id(reference.attribute("Id")?)?,
        "DistinguishedFolderId" => {
            let account = match reference.path(&["Mailbox", "EmailAddress"]) {
                Some(address) => turn.world.state.lock().resident(address.text.trim()).ok()?,
                None => turn.caller.account,
            };
            Place { account, key: reference.attribute("Id")?.to_owned() }
        }
        _ => return None,
    };
    let is_there = matches!(place.key.as_str(), "inbox" | "sentitems") || own(turn.inner, &place).is_some();
    (is_there && turn.caller.may_open(turn.world, place.account)).then_some(place)
}

fn own<'i>(inner: &'i Inner, place: &Place) -> Option<&'i OwnFolder> {
    inner.folders.iter().find(|folder| folder.account == place.account.0 && folder.key == place.key)
}

pub(super) fn shared(place: &Place) -> Option<FolderName> {
    match place.key.as_str() {
        "inbox" => Some(FolderName::Inbox),
        "sentitems" => Some(FolderName::Sent),
        _ => None,
    }
}

/// The messages of a folder, oldest first.
pub(super) fn held(turn: &Turn<'_>, place: &Place) -> Vec<Held> {
    match shared(place) {
        Some(name) => turn.world.state.lock().folder_mut(place.account, name).held.clone(),
        None => own(turn.inner, place).map(|folder| folder.held.clone()).unwrap_or_default(),
    }
}

/// What a folder looks like: how many messages, and which one is the newest.
pub(super) fn mark(turn: &Turn<'_>, place: &Place) -> (usize, Option<String>) {
    let held = held(turn, place);
    (held.len(), held.last().map(|held| held.uidl.clone()))
}

/// Works on the messages of a folder that only Exchange shows.
pub(super) fn own_mut<'i>(inner: &'i mut Inner, place: &Place) -> Option<&'i mut OwnFolder> {
    inner.folders.iter_mut().find(|folder| folder.account == place.account.0 && folder.key == place.key)
}

/// The properties in the schema's order.
fn render(turn: &Turn<'_>, place: &Place) -> String {
    let count = held(turn, place);
    let unread = count.iter().filter(|held| !held.flags.contains("\\Seen")).count();
    let (parent, name, class) = match own(turn.inner, place) {
        Some(folder) => (folder.parent.clone(), folder.name.clone(), folder.class.clone()),
        None => {
            let name = if place.key == "inbox" { "Inbox" } else { "Sent Items" };
            ("msgfolderroot".to_owned(), name.to_owned(), "IPF.Note".to_owned())
        }
    };
    let key = STANDARD.encode(format!("{}", count.len()));
    let children = children(turn.inner, place).len();
    let parent_id = folder_id(&Place { account: place.account, key: parent.clone() });
    let parent =
        if parent.is_empty() { String::new() } else { format!("<t:ParentFolderId Id=\"{parent_id}\"/>") };
    let (kind, unread) = match class.as_str() {
        "IPF.Appointment" => ("CalendarFolder", String::new()),
        "IPF.Contact" => ("ContactsFolder", String::new()),
        "IPF.Task" => ("TasksFolder", element("t:UnreadCount", "0")),
        _ => ("Folder", element("t:UnreadCount", &unread.to_string())),
    };
    format!(
        "<t:{kind}><t:FolderId Id=\"{}\" ChangeKey=\"{key}\"/>{parent}{}{}{}{}{unread}</t:{kind}>",
        folder_id(place),
        element("t:FolderClass", &class),
        element("t:DisplayName", &name),
        element("t:TotalCount", &count.len().to_string()),
        element("t:ChildFolderCount", &children.to_string()),
    )
}

fn children(inner: &Inner, place: &Place) -> Vec<Place> {
    let mut found: Vec<Place> = inner
        .folders
        .iter()
        .filter(|folder| folder.account == place.account.0 && folder.parent == place.key)
        .map(|folder| Place { account: place.account, key: folder.key.clone() })
        .collect();
    if place.key == "msgfolderroot" {
        let shared = ["inbox", "sentitems"].map(str::to_owned);
        found.extend(shared.map(|key| Place { account: place.account, key }));
    }
    found
}

pub(super) fn below(inner: &Inner, place: &Place) -> Vec<Place> {
    let mut found = Vec::new();
    for child in children(inner, place) {
        found.extend(below(inner, &child));
        found.push(child);
    }
    found
}

pub(super) fn get(turn: &mut Turn<'_>) -> Vec<Message> {
    let ids = turn.request.get("FolderIds").map_or(&[][..], |ids| &ids.children);
    let one = |reference: &Node| {
        // The reader of references wants the element that holds one.
        let holder = Node { children: vec![copy(reference)], ..Node::default() };
        match named(turn, Some(&holder)) {
            Some(place) => Message::Success(format!("<m:Folders>{}</m:Folders>", render(turn, &place))),
            None => Message::Error {
                code: "ErrorFolderNotFound",
                words: "The specified folder could not be found in the store.",
                rest: "<m:Folders/>",
            },
        }
    };
    ids.iter().map(one).collect()
}

pub(super) fn copy(node: &Node) -> Node {
    Node {
        name: node.name.clone(),
        attributes: node.attributes.clone(),
        children: node.children.iter().map(copy).collect(),
        text: node.text.clone(),
    }
}

pub(super) fn find(turn: &mut Turn<'_>) -> Vec<Message> {
    let Some(parent) = named(turn, turn.request.get("ParentFolderIds")) else { return vec![NOT_FOUND] };
    let mut found = match turn.request.attribute("Traversal") {
        Some("Deep") => below(turn.inner, &parent),
        _ => children(turn.inner, &parent),
    };
    if let Some(name) = turn.request.get("Restriction").and_then(|it| it.all("Constant").first().copied()) {
        let wanted = name.attribute("Value").unwrap_or_default();
        found.retain(|place| own(turn.inner, place).is_some_and(|folder| folder.name == wanted));
    }
    let inside: String = found.iter().map(|place| render(turn, place)).collect();
    vec![Message::Success(format!(
        "<m:RootFolder IndexedPagingOffset=\"{count}\" TotalItemsInView=\"{count}\" IncludesLastItemInRange=\"true\">\
         <t:Folders>{inside}</t:Folders></m:RootFolder>",
        count = found.len()
    ))]
}

pub(super) fn create(turn: &mut Turn<'_>) -> Vec<Message> {
    let Some(parent) = named(turn, turn.request.get("ParentFolderId")) else { return vec![NOT_FOUND] };
    let wanted = turn.request.get("Folders").map_or(&[][..], |folders| &folders.children);
    let mut messages = Vec::new();
    for folder in wanted {
        let name = folder.text_at(&["DisplayName"]).unwrap_or_default().to_owned();
        let is_there = children(turn.inner, &parent)
            .iter()
            .any(|place| own(turn.inner, place).is_some_and(|own| own.name == name));
        if is_there {
            let words = "A folder with the specified name already exists.";
            messages.push(Message::Error { code: "ErrorFolderExists", words, rest: "<m:Folders/>" });
            continue;
        }
        turn.inner.numbers += 1;
        let key = format!("own:{}", turn.inner.numbers);
        let class = folder.text_at(&["FolderClass"]).unwrap_or("IPF.Note").to_owned();
        turn.inner.folders.push(OwnFolder {
            account: parent.account.0,
            parent: parent.key.clone(),
            key: key.clone(),
            name,
            class,
            held: Vec::new(),
        });
        let place = Place { account: parent.account, key };
        let id = folder_id(&place);
        messages.push(Message::Success(format!(
            "<m:Folders><t:Folder><t:FolderId Id=\"{id}\" ChangeKey=\"MA==\"/></t:Folder></m:Folders>"
        )));
    }
    messages
}

/// The id of a folder with what it was called and where it was.
fn told_of(inner: &Inner, place: &Place) -> (String, String) {
    let as_it_is = own(inner, place).map(|folder| format!("{}/{}", folder.parent, folder.name));
    (folder_id(place), STANDARD.encode(as_it_is.unwrap_or_default()))
}

/// The state is the list of folders that were told, so that none has to be kept.
pub(super) fn sync(turn: &mut Turn<'_>) -> Vec<Message> {
    let root = Place { account: turn.caller.account, key: "root".to_owned() };
    let top = match turn.request.get("SyncFolderId") {
        None => root,
        Some(holder) => match named(turn, Some(holder)) {
            Some(place) => place,
            None => return vec![NOT_FOUND],
        },
    };
    let now: BTreeMap<String, String> =
        below(turn.inner, &top).iter().map(|place| told_of(turn.inner, place)).collect();
    let told: BTreeMap<String, String> = match turn.request.text_at(&["SyncState"]) {
        None => BTreeMap::new(),
        Some(state) => match STANDARD.decode(state).ok().and_then(|state| String::from_utf8(state).ok()) {
            Some(list) => list
                .split(' ')
                .filter_map(|one| one.split_once('~'))
                .map(|(id, as_it_was)| (id.to_owned(), as_it_was.to_owned()))
                .collect(),
            None => return vec![INVALID_STATE],
        },
    };
    let mut changes = String::new();
    for place in below(turn.inner, &top) {
        let (id, as_it_is) = told_of(turn.inner, &place);
        let tag = match told.get(&id) {
            None => "t:Create",
            Some(as_it_was) if *as_it_was != as_it_is => "t:Update",
            Some(_) => continue,
        };
        changes.push_str(&format!("<{tag}>{}</{tag}>", render(turn, &place)));
    }
    for gone in told.keys().filter(|id| !now.contains_key(*id)) {
        changes.push_str(&format!("<t:Delete><t:FolderId Id=\"{}\"/></t:Delete>", escaped(gone)));
    }
    let state: Vec<String> = now.iter().map(|(id, as_it_is)| format!("{id}~{as_it_is}")).collect();
    let state = state.join(" ");
    vec![Message::Success(format!(
        "{}<m:IncludesLastFolderInRange>true</m:IncludesLastFolderInRange><m:Changes>{changes}</m:Changes>",
        element("m:SyncState", &STANDARD.encode(state))
    ))]
}
