//! The line to where a file is put: a connection of its own, to a host that the service has named and that belongs to its
//! cloud. The place knows who may write there, so the session's token stays at home.

use std::sync::Arc;
use std::time::Duration;

use super::session::{Document, GraphFailure, read};
use crate::model::clock::Clock;
use crate::model::failure::Cause;
use crate::model::profile::Protocol;
use crate::model::server::Destination;
use crate::net::{Connection, Network};
use crate::protocol::graph::{Expected, Refusal, UploadPlace, UploadRange, Uploaded};
use crate::protocol::http::{Exchange, Method, Request};
use crate::remote::Trace;

pub(super) struct Line {
    pub place: UploadPlace,
    pub connection: Option<Connection>,
    pub network: Network,
    pub clock: Arc<dyn Clock>,
    /// Without a login.
    pub destination: Destination,
    pub timeout: Duration,
}

impl Line {
    pub async fn put(&mut self, range: &UploadRange<'_>) -> Result<Uploaded, GraphFailure> {
        let place = range.content_range();
        let fields = [
            ("Accept", "application/json"),
            ("Content-Type", "application/octet-stream"),
            ("Content-Range", place.as_str()),
        ];
        self.ask(Method::Put, &fields, range.octets).await
    }

    /// How far the upload has come.
    pub async fn progress(&mut self) -> Result<Uploaded, GraphFailure> {
        self.ask(Method::Get, &[("Accept", "application/json")], &[]).await
    }

    async fn ask(
        &mut self,
        method: Method,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Uploaded, GraphFailure> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let (host, path) = (self.place.host(), self.place.path().expose());
        let request = Request { method, host, path, authorization: None, fields, body };
        let (mut exchange, mut document) = (Exchange::new(&request), Document::default());
        // Only an answer that was read to its end leaves the connection fit for another request.
        let (head, refusal) =
            read(&mut connection, &mut exchange, self.timeout, (Expected::Document, &mut document)).await?;
        if head.keeps_open {
            self.connection = Some(connection);
        }
        if Expected::Document.is(&head) {
            return Ok(Uploaded::read(head.status, &document.0)?);
        }
        Err(GraphFailure::Refused(Refusal::of(&head, &refusal.0)))
    }

    async fn connect(&self) -> Result<Connection, Cause> {
        let mut trace = Trace::new(Arc::clone(&self.clock));
        let connected = self.network.connect(&self.destination, Protocol::Ews, &mut trace).await;
        connected.map_err(|error| error.cause)
    }
}
