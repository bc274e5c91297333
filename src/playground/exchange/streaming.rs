//! GetStreamingEvents: an answer that does not end before its time, with an envelope for each thing that happens. What happens
//! between two streams is told by nobody, not by the next one either.

use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::super::World;
use super::super::state::AccountId;
use super::folders::{self, Place};
use super::http::{self, Request};
use super::items;
use super::node::{self, Node, element};
use super::soap::{self, Turn};
use super::{Call, Caller};

/// A folder that somebody wants to hear of, and what it looked like when that was last told.
pub(super) struct Subscription {
    pub place: Place,
    pub seen: (usize, Option<String>),
    /// The stream that tells of it: the newest that was asked for.
    pub stream: u64,
}

/// A stream that was asked for.
pub(super) struct Wanted {
    number: u64,
    ids: Vec<String>,
    ends_after: Duration,
    request: String,
}

/// How often a stream looks.
const LOOK: Duration = Duration::from_millis(20);
/// A sign of life at the latest after so many looks.
const HEARTBEAT_LOOKS: u32 = 50;
/// The vendor's limit of one group.
const SUBSCRIPTIONS_MAX: usize = 200;

/// `None`: it is another request, or nobody's.
pub(super) fn wanted(world: &World, request: &Request) -> Option<((String, AccountId), Wanted)> {
    if !request.body.contains("GetStreamingEvents") {
        return None;
    }
    let login = http::authenticate(world, request.field("authorization")?)?;
    let root = node::parse(&request.body)?;
    let asked = root.get("Body")?.get("GetStreamingEvents")?;
    let ids: Vec<String> = asked.all("SubscriptionId").iter().map(|id| id.text.trim().to_owned()).collect();
    let minutes = asked.text_at(&["ConnectionTimeout"])?.parse::<u64>().ok()?.clamp(1, 30);
    let ends_after = Duration::from_secs(minutes * 60);
    let mut inner = world.exchange.lock();
    inner.numbers += 1;
    let number = inner.numbers;
    let (caller, node) = (Caller { username: login.0.clone(), account: login.1 }, Node::default());
    for id in &ids {
        let Some(place) = inner.subscriptions.get(id).map(|it| it.place.clone()) else { continue };
        let turn = Turn { world, inner: &mut inner, caller: &caller, request: &node };
        let now = folders::mark(&turn, &place);
        if let Some(subscription) = inner.subscriptions.get_mut(id) {
            if subscription.stream > 0 {
                subscription.seen = now;
            }
            subscription.stream = number;
        }
    }
    drop(inner);
    Some((login, Wanted { number, ids, ends_after, request: request.body.clone() }))
}

pub(super) async fn serve(
    world: &World,
    stream: &mut (impl AsyncWrite + Unpin),
    (username, account): (String, AccountId),
    wanted: Wanted,
) -> std::io::Result<()> {
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    let lost: Vec<String> = {
        let inner = world.exchange.lock();
        wanted.ids.iter().filter(|id| !inner.subscriptions.contains_key(*id)).cloned().collect()
    };
    let first = match (lost.is_empty(), wanted.ids.len() > SUBSCRIPTIONS_MAX) {
        (true, false) => status("OK"),
        (true, true) => refused("ErrorInvalidSubscriptionRequest", &[]),
        (false, _) => refused("ErrorSubscriptionNotFound", &lost),
    };
    note(world, (username.clone(), account), &wanted.request, &first);
    chunk(stream, &first).await?;
    if lost.is_empty() && wanted.ids.len() <= SUBSCRIPTIONS_MAX {
        let _open = Open::count(world);
        tell(world, stream, &Caller { username, account }, &wanted).await?;
        chunk(stream, &status("Closed")).await?;
    }
    stream.write_all(b"0\r\n\r\n").await?;
    stream.flush().await
}

struct Open<'w>(&'w World);

impl<'w> Open<'w> {
    fn count(world: &'w World) -> Self {
        world.exchange.lock().streams += 1;
        Self(world)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.exchange.lock();
        inner.streams = inner.streams.saturating_sub(1);
    }
}

async fn tell(
    world: &World,
    stream: &mut (impl AsyncWrite + Unpin),
    caller: &Caller,
    wanted: &Wanted,
) -> std::io::Result<()> {
    let looks = wanted.ends_after.as_millis() / LOOK.as_millis();
    let mut quiet = 0;
    for _ in 0..looks {
        tokio::time::sleep(LOOK).await;
        let Some(told) = news(world, caller, wanted) else { continue };
        quiet += 1;
        let envelope = match told {
            Told::News(notifications) => message(&format!(
                "<m:ResponseCode>NoError</m:ResponseCode><m:Notifications>{notifications}</m:Notifications>"
            )),
            Told::Lost(ids) => {
                chunk(stream, &refused("ErrorSubscriptionNotFound", &ids)).await?;
                return Ok(());
            }
            Told::Elsewhere => return Ok(()),
            Told::Cut => return Err(std::io::ErrorKind::ConnectionAborted.into()),
            Told::Nothing if quiet >= HEARTBEAT_LOOKS => status("OK"),
            Told::Nothing => continue,
        };
        quiet = 0;
        note(world, (caller.username.clone(), caller.account), &wanted.request, &envelope);
        chunk(stream, &envelope).await?;
    }
    Ok(())
}

enum Told {
    Nothing,
    News(String),
    Lost(Vec<String>),
    /// Another stream has taken over.
    Elsewhere,
    /// It ends in the middle.
    Cut,
}

/// `None`: streams are to say nothing at all.
fn news(world: &World, caller: &Caller, Wanted { number, ids, .. }: &Wanted) -> Option<Told> {
    let mut inner = world.exchange.lock();
    if *number <= inner.streams_cut {
        return Some(Told::Cut);
    }
    if inner.is_silent {
        return None;
    }
    let lost: Vec<String> = ids.iter().filter(|id| !inner.subscriptions.contains_key(*id)).cloned().collect();
    if !lost.is_empty() {
        return Some(Told::Lost(lost));
    }
    if ids.iter().all(|id| inner.subscriptions.get(id).is_some_and(|it| it.stream != *number)) {
        return Some(Told::Elsewhere);
    }
    let request = Node::default();
    let mut notifications = String::new();
    for id in ids {
        let Some(place) = inner.subscriptions.get(id).map(|it| it.place.clone()) else { continue };
        let turn = Turn { world, inner: &mut inner, caller, request: &request };
        let now = folders::mark(&turn, &place);
        let Some(subscription) = inner.subscriptions.get_mut(id) else { continue };
        if subscription.seen == now || subscription.stream != *number {
            continue;
        }
        let item = now.1.clone().unwrap_or_default();
        subscription.seen = now;
        notifications.push_str(&format!(
            "<t:Notification>{}<t:NewMailEvent>{}<t:ItemId Id=\"{}\" ChangeKey=\"Q3w=\"/><t:ParentFolderId Id=\"{}\" \
             ChangeKey=\"MA==\"/></t:NewMailEvent></t:Notification>",
            element("t:SubscriptionId", id),
            element("t:TimeStamp", &world.state.now().to_string()),
            items::item_id(&place, &item),
            folders::folder_id(&place),
        ));
    }
    Some(if notifications.is_empty() { Told::Nothing } else { Told::News(notifications) })
}

fn status(status: &str) -> String {
    message(&format!(
        "<m:ResponseCode>NoError</m:ResponseCode><m:ConnectionStatus>{status}</m:ConnectionStatus>"
    ))
}

fn message(inside: &str) -> String {
    wrapped(&format!(
        "<m:GetStreamingEventsResponseMessage ResponseClass=\"Success\">{inside}</m:GetStreamingEventsResponseMessage>"
    ))
}

fn refused(code: &str, ids: &[String]) -> String {
    let ids: String = ids.iter().map(|id| element("t:SubscriptionId", id)).collect();
    let ids =
        if ids.is_empty() { ids } else { format!("<m:ErrorSubscriptionIds>{ids}</m:ErrorSubscriptionIds>") };
    wrapped(&format!(
        "<m:GetStreamingEventsResponseMessage ResponseClass=\"Error\"><m:MessageText>The subscriptions could not be \
         used.</m:MessageText>{}<m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>{ids}</m:GetStreamingEventsResponseMessage>",
        element("m:ResponseCode", code)
    ))
}

fn wrapped(message: &str) -> String {
    soap::wrapped(&format!(
        "<m:GetStreamingEventsResponse><m:ResponseMessages>{message}</m:ResponseMessages></m:GetStreamingEventsResponse>"
    ))
}

fn note(world: &World, (username, account): (String, AccountId), request: &str, response: &str) {
    let address = world.state.lock().user(account).address.clone();
    let call = Call {
        operation: "GetStreamingEvents".to_owned(),
        username,
        anchor: None,
        address,
        request: request.to_owned(),
        response: response.to_owned(),
    };
    world.exchange.lock().calls.push(call);
}

async fn chunk(stream: &mut (impl AsyncWrite + Unpin), text: &str) -> std::io::Result<()> {
    stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await?;
    stream.flush().await
}
