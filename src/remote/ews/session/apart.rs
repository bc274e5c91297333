//! Sessions that work for many mailboxes of one login: whose requests all go to one server, and the stream of notifications.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc::UnboundedSender;

use super::{EwsFailure, Session};
use crate::model::failure::Cause;
use crate::model::limits;
use crate::model::name::Address;
use crate::net::web;
use crate::protocol::ews::{self, GetStreamingEvents, Notifications, StreamedEnvelopes, status};
use crate::protocol::http::{Head, Method};

/// Which server all requests go to.
/// <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/how-to-maintain-affinity-between-group-of-subscriptions-and-mailbox-server>
pub(super) struct Affinity {
    anchor: Address,
    /// What that server calls itself.
    cookie: Option<String>,
}

const COOKIE: &str = "X-BackEndOverrideCookie=";

impl Affinity {
    pub(super) fn note(&mut self, head: &Head) {
        if let Some(cookie) = head.all("set-cookie").find(|cookie| cookie.starts_with(COOKIE)) {
            let value = cookie.split(';').next().unwrap_or_default();
            self.cookie = Some(value.to_owned()).filter(|value| value.len() <= limits::EWS_ITEM_ID_BYTES_MAX);
        }
    }
}

/// What stands above every request.
pub(super) fn fields<'a>(
    address: &'a Address,
    affinity: Option<&'a Affinity>,
) -> Vec<(&'static str, &'a str)> {
    let anchor = affinity.map_or(address, |affinity| &affinity.anchor);
    let mut fields = vec![
        ("Content-Type", "text/xml; charset=utf-8"),
        ("Accept", "text/xml"),
        // Messages in base64 hardly shrink, and who takes an answer apart while it comes wants it as it is.
        ("Accept-Encoding", "identity"),
        // The server that holds the mailbox answers, instead of one that would have to ask it.
        ("X-AnchorMailbox", anchor.as_str()),
    ];
    fields.extend(affinity.map(|_| ("X-PreferServerAffinity", "true")));
    let cookie = affinity.and_then(|affinity| affinity.cookie.as_deref());
    fields.extend(cookie.map(|cookie| ("Cookie", cookie)));
    fields
}

impl Session {
    /// All requests from now on go to the server that holds this mailbox, whomever they are about.
    pub fn anchor(&mut self, anchor: &Address) {
        self.affinity = Some(Affinity { anchor: anchor.clone(), cookie: None });
    }

    /// The next requests are about this mailbox.
    pub fn act_for(&mut self, address: &Address) {
        self.address = address.clone();
    }

    /// Lets go of the connection; the next request makes another one.
    pub fn hang_up(&mut self) {
        self.web.hang_up();
    }

    /// Asks for notifications and hands each over, until the server ends the stream in good order.
    pub async fn stream(
        &mut self,
        operation: &GetStreamingEvents,
        silence_max: Duration,
        heard: UnboundedSender<Notifications>,
    ) -> Result<(), EwsFailure> {
        let body = ews::envelope(operation, &self.header()).into_bytes();
        let fields = fields(&self.address, self.affinity.as_ref());
        let request = web::Request { method: Method::Post, path: &self.path, fields: &fields, body: &body };
        self.web.wait_at_least(silence_max);
        let envelopes = StreamedEnvelopes::default();
        let mut telling = Telling { operation, envelopes, heard, failure: None, is_over: false };
        let sent = self.web.send(&request, &mut telling).await;
        match (telling.failure, sent) {
            (Some(failure), _) => Err(failure),
            (None, Err(cause)) => Err(cause.into()),
            (None, Ok(head)) if head.status != 200 => Err(status::refused(&head, b"").into()),
            (None, Ok(_)) if telling.is_over => Ok(()),
            (None, Ok(_)) => {
                Err(Cause::ConnectionLost { detail: "the stream ended before its time".to_owned() }.into())
            }
        }
    }
}

/// Hands each envelope of a stream over as soon as it is whole.
struct Telling<'a> {
    operation: &'a GetStreamingEvents,
    envelopes: StreamedEnvelopes,
    heard: UnboundedSender<Notifications>,
    failure: Option<EwsFailure>,
    is_over: bool,
}

#[async_trait]
impl web::Sink for Telling<'_> {
    async fn piece(&mut self, octets: Bytes) -> Result<(), Cause> {
        let told = self.envelopes.feed(&octets).and_then(|()| {
            while let Some(envelope) = self.envelopes.next_envelope() {
                let told = ews::read(self.operation, &envelope)?;
                self.is_over |= told.is_over;
                // Nobody listens any more when the group has ended.
                let _ = self.heard.send(told);
            }
            Ok(())
        });
        told.map_err(|error| {
            self.failure = Some(error.clone().into());
            error.cause()
        })
    }
}
