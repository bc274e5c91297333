//! Which request means what.

use super::super::super::World;
use super::super::super::state::AccountId;
use super::super::Caller;
use super::super::folders::{Place, prepare};
use super::super::node::Node;
use super::super::soap::Turn;
use super::names::{self, Ids};
use super::query::Target;
use super::{Answer, Request, batch, delta, folders, may_open, messages, rules, sending};

/// Everything that an operation works with.
pub(super) struct Errand<'a, 'b> {
    pub turn: &'a mut Turn<'b>,
    pub account: AccountId,
    pub request: &'a Request,
    pub target: &'a Target,
    pub ids: Ids,
}

pub(super) fn answer(world: &World, caller: &Caller, request: &Request) -> Answer {
    let Some(target) = Target::parse(&request.target) else {
        return Answer::error(400, "BadRequest", "Invalid request URL.");
    };
    let parts: Vec<&str> = target.parts.iter().map(String::as_str).collect();
    if let (["$batch"], "POST") = (&parts[..], request.method.as_str()) {
        return batch::answer(world, caller, request);
    }
    let (owner, rest) = match &parts[..] {
        ["me", rest @ ..] => (Ok(caller.account), rest),
        ["users", address, rest @ ..] => (world.state.lock().resident(address), rest),
        _ => return unknown(),
    };
    let Ok(account) = owner else {
        return Answer::error(404, "ErrorInvalidUser", "The requested user is invalid.");
    };
    if !may_open(world, caller, account) {
        return Answer::error(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.");
    }
    let ids = if request.wants_immutable_ids() { Ids::Immutable } else { Ids::Usual };
    let mut inner = world.exchange.lock();
    prepare(&mut inner, account);
    let node = Node::default();
    let mut turn = Turn { world, inner: &mut inner, caller, request: &node };
    let mut errand = Errand { turn: &mut turn, account, request, target: &target, ids };
    in_mailbox(&mut errand, rest)
}

fn in_mailbox(errand: &mut Errand<'_, '_>, rest: &[&str]) -> Answer {
    match (errand.request.method.as_str(), rest) {
        ("GET", ["mailFolders"]) => folders::list(errand, None),
        ("POST", ["mailFolders"]) => folders::create(errand, None),
        (_, ["mailFolders", name, rest @ ..]) => {
            match names::find_folder(errand.turn, errand.account, name) {
                Some(place) => in_folder(errand, &place, rest),
                None => Answer::error(
                    404,
                    "ErrorItemNotFound",
                    "The specified folder could not be found in the store.",
                ),
            }
        }
        ("GET", ["messages"]) => messages::list(errand, None),
        ("POST", ["messages"]) => messages::create(errand, "drafts"),
        ("POST", ["sendMail"]) => sending::at_once(errand),
        (_, ["messages", id, rest @ ..]) => match names::find_message(errand.turn, errand.account, id) {
            Some((place, held)) => messages::one(errand, (&place, &held), rest),
            None => Answer::not_found(),
        },
        _ => unknown(),
    }
}

fn in_folder(errand: &mut Errand<'_, '_>, place: &Place, rest: &[&str]) -> Answer {
    match (errand.request.method.as_str(), rest) {
        ("GET", ["messageRules"]) if place.key == "inbox" => rules::list(errand),
        ("POST", ["messageRules"]) if place.key == "inbox" => rules::create(errand),
        ("GET" | "PATCH" | "DELETE", ["messageRules", id]) if place.key == "inbox" => rules::one(errand, id),
        ("GET", []) => folders::one(errand, place),
        ("GET", ["childFolders"]) => folders::list(errand, Some(place)),
        ("POST", ["childFolders"]) => folders::create(errand, Some(place)),
        ("GET", ["messages"]) => messages::list(errand, Some(place)),
        ("POST", ["messages"]) => messages::create(errand, &place.key),
        ("GET", ["messages", "delta" | "delta()" | "microsoft.graph.delta()"]) => {
            delta::answer(errand, place)
        }
        _ => unknown(),
    }
}

fn unknown() -> Answer {
    Answer::error(400, "BadRequest", "Resource not found for the segment.")
}

impl Errand<'_, '_> {
    /// The beginning of each link.
    pub fn root(&self) -> String {
        format!("https://{}/v1.0", self.request.field("host").unwrap_or("localhost"))
    }
}
