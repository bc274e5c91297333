//! Large files: a place for each, which is open to whoever knows it, and ranges that are put there one after another.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::super::super::World;
use super::super::super::state::{AccountId, Held};
use super::super::Caller;
use super::super::folders::{self, Place};
use super::super::node::Node;
use super::super::soap::Turn;
use super::attachments::{self, File};
use super::query::Target;
use super::route::Errand;
use super::{Answer, Request};

/// What the service takes by an upload at least, and in one range at most.
const FILE_BYTES_MIN: usize = 3 * 1024 * 1024;
const RANGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Uploads that are under way, by their tokens.
#[derive(Default)]
pub(super) struct Uploads {
    under_way: BTreeMap<String, Upload>,
    given: u64,
    /// The host of the places; `None`: the one that was asked.
    pub host: Option<String>,
}

struct Upload {
    account: AccountId,
    uidl: String,
    file: File,
    size: usize,
    received: Vec<u8>,
}

pub(super) fn open(errand: &mut Errand<'_, '_>, (place, held): (&Place, &Held)) -> Answer {
    let body = errand.request.json().unwrap_or_default();
    // The names of an action's parameters are told apart by nothing but their letters.
    let named = |(key, _): &(&String, &serde_json::Value)| key.eq_ignore_ascii_case("attachmentItem");
    let item = body.as_object().and_then(|body| body.iter().find(named)).map(|(_, item)| item);
    let size = item.and_then(|item| item["size"].as_u64()).and_then(|size| usize::try_from(size).ok());
    let (Some(file), Some(size)) = (item.and_then(File::described), size) else {
        return Answer::error(400, "ErrorInvalidRequest", "An upload needs a name and a size.");
    };
    if size < FILE_BYTES_MIN {
        let code = "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize";
        return Answer::error(400, code, "Attachment size must be greater than the minimum size.");
    }
    if size > errand.turn.world.options.message_bytes_max {
        let words = "The attachment exceeds the maximum supported size.";
        return Answer::error(413, "ErrorAttachmentSizeLimitExceeded", words);
    }
    if place.key != "drafts" {
        return Answer::error(400, "ErrorInvalidOperation", "Only a draft can be changed.");
    }
    let (account, asked) = (errand.account, errand.request.field("host").unwrap_or("localhost").to_owned());
    let uploads = &mut errand.turn.inner.graph.uploads;
    uploads.given += 1;
    let token = URL_SAFE_NO_PAD.encode(format!("U|{}", uploads.given));
    let upload = Upload { account, uidl: held.uidl.clone(), file, size, received: Vec::new() };
    uploads.under_way.insert(token.clone(), upload);
    let host = uploads.host.clone().unwrap_or(asked);
    let number = uploads.given;
    Answer::json(
        201,
        json!({
            "@odata.context": format!("{}/$metadata#microsoft.graph.uploadSession", errand.root()),
            "uploadUrl": format!("https://{host}/api/gv1.0/AttachmentSessions('{number}')?authtoken={token}"),
            "expirationDateTime": "2100-01-01T00:00:00Z",
            "nextExpectedRanges": ["0-"],
        }),
    )
}

/// `None`: the request is about no place of an upload.
pub(super) fn answer(world: &World, request: &Request) -> Option<Answer> {
    let path = request.target.strip_prefix("/api/")?;
    // The token in the query is the only one that belongs here.
    if request.field("authorization").is_some() {
        let words = "The audience claim value is invalid for current resource.";
        return Some(Answer::error(401, "InvalidAudienceForResource", words));
    }
    let target = Target::parse(&format!("/{path}"));
    let token = target.as_ref().and_then(|target| target.get("authtoken")).unwrap_or_default().to_owned();
    let mut inner = world.exchange.lock();
    let Some(upload) = inner.graph.uploads.under_way.get_mut(&token) else {
        return Some(Answer::error(404, "ErrorItemNotFound", "The upload session was not found."));
    };
    match request.method.as_str() {
        "GET" => Some(progress(upload)),
        "DELETE" => {
            inner.graph.uploads.under_way.remove(&token);
            Some(Answer::nothing(204))
        }
        "PUT" => match take(upload, request) {
            Some(refusal) => Some(refusal),
            None if upload.received.len() < upload.size => Some(progress(upload)),
            None => {
                let upload = inner.graph.uploads.under_way.remove(&token)?;
                Some(finish(world, &mut inner, upload))
            }
        },
        _ => Some(Answer::error(405, "MethodNotAllowed", "The method is not allowed.")),
    }
}

fn progress(upload: &Upload) -> Answer {
    let expected = [upload.received.len().to_string()];
    Answer::json(200, json!({ "expirationDateTime": "2100-01-01T00:00:00Z", "nextExpectedRanges": expected }))
}

/// Takes a range that begins where the last one ended. Returns a refusal of any other.
fn take(upload: &mut Upload, request: &Request) -> Option<Answer> {
    let expected = upload.received.len();
    let length = request.body.len();
    let wanted = format!("bytes {expected}-{}/{}", (expected + length).saturating_sub(1), upload.size);
    if request.field("content-range") != Some(wanted.as_str()) || length == 0 {
        let words = "The uploaded range is not the one that is expected.";
        return Some(Answer::error(416, "ErrorInvalidRange", words));
    }
    if length > RANGE_BYTES_MAX {
        return Some(Answer::error(413, "RequestEntityTooLarge", "The range is too large."));
    }
    upload.received.extend_from_slice(&request.body);
    None
}

fn finish(world: &World, inner: &mut super::super::Inner, upload: Upload) -> Answer {
    let caller = Caller { username: String::new(), account: upload.account };
    let node = Node::default();
    let mut turn = Turn { world, inner, caller: &caller, request: &node };
    let place = Place { account: upload.account, key: "drafts".to_owned() };
    let draft = folders::held(&turn, &place).into_iter().find(|held| held.uidl == upload.uidl);
    let added =
        draft.and_then(|held| attachments::add(&mut turn, &place, &held, &upload.file, &upload.received));
    match added {
        Some(_) => {
            let mut answer = Answer::nothing(201);
            answer.fields.push((
                "Location".to_owned(),
                "https://outlook.office.com/api/gv1.0/Attachments('1')".to_owned(),
            ));
            answer
        }
        None => Answer::error(404, "ErrorItemNotFound", "The message was not found."),
    }
}
