//! What a message says of itself, by Microsoft Graph, where the service cannot make it into MIME.

use async_trait::async_trait;
use bytes::Bytes;

use super::fetching::Attempt;
use super::session::{GraphFailure, Outlet, Session};
use crate::model::failure::Cause;
use crate::protocol::ews::item_properties::{ItemProperties, WithBody};
use crate::protocol::graph::{AttachmentValue, GetMessage, ListAttachments, Operation, Pictures, Refusal};
use crate::remote::rebuilt::{Final, Silent, Stop, UnderWay, Witness, is_about_octets};

/// Asks for one message, piece by piece.
pub(super) struct Asking<'a> {
    pub session: &'a mut Session,
    pub message: &'a str,
    pub attempt: Attempt,
}

#[async_trait]
impl Witness for Asking<'_> {
    async fn properties(&mut self, body: WithBody) -> Result<ItemProperties, Silent> {
        self.session.call(&GetMessage { id: self.message, body }).await.map_err(|failure| match failure {
            GraphFailure::Conversation(cause @ (Cause::LimitExceeded { .. } | Cause::Garbage { .. })) => {
                Silent::Unreadable(cause)
            }
            other @ (GraphFailure::Conversation(_)
            | GraphFailure::Unanswered(_)
            | GraphFailure::Undone(_)
            | GraphFailure::Refused(_)) => self.silent(other),
        })
    }

    /// Without links to somewhere else.
    async fn attachments(
        &mut self,
        properties: &mut ItemProperties,
        lacks: &mut Vec<String>,
    ) -> Result<(), Stop> {
        let list = |pictures| ListAttachments { message: self.message, pictures };
        let listed = match self.session.call(&list(Pictures::Told)).await {
            // Pictures as attachments are better than no attachments.
            Err(GraphFailure::Refused(refusal)) if refusal.status == 400 => {
                self.session.call(&list(Pictures::NotAsked)).await
            }
            listed => listed,
        };
        let said = match listed.map_err(|failure| self.silent(failure)) {
            Ok(listed) => {
                properties.attachments = listed.into_iter().filter_map(|one| one.content()).collect();
                return Ok(());
            }
            Err(Silent::Final(Final::Refused(said))) => said,
            Err(Silent::Final(Final::Gone)) => "they are not there any more".to_owned(),
            Err(Silent::Unreadable(cause)) => return Err(Stop::Failed(cause)),
            Err(Silent::Stop(stop)) => return Err(stop),
        };
        lacks.push(format!("its attachments ({said})"));
        Ok(())
    }

    async fn attachment(&mut self, id: &str, under_way: &mut UnderWay<'_, '_>) -> Result<(), Silent> {
        let call = AttachmentValue { message: self.message, id }.call(self.session.user());
        self.session.stream(call, under_way).await.map_err(|failure| self.silent(failure))
    }
}

impl Asking<'_> {
    fn silent(&self, failure: GraphFailure) -> Silent {
        match failure {
            GraphFailure::Refused(refusal) => self.refused(refusal),
            GraphFailure::Conversation(cause)
            | GraphFailure::Unanswered(cause)
            | GraphFailure::Undone(cause) => Stop::Failed(cause).into(),
        }
    }

    /// What may be otherwise with another reading is waited for, until there is none.
    fn refused(&self, refusal: Refusal) -> Silent {
        const FINAL: [&str; 3] = ["ErrorCannotOpen", "ErrorAttachment", "ErrorVirus"];
        let said = refusal.to_string();
        if refusal.is_throttled() || matches!(refusal.status, 401 | 403) {
            return Stop::Failed(refusal.cause()).into();
        }
        if refusal.is_missing() {
            return Silent::Final(Final::Gone);
        }
        let is_final = FINAL.iter().any(|begin| refusal.code.starts_with(begin));
        match is_final || is_about_octets(&refusal.code) || self.attempt == Attempt::Last {
            true => Silent::Final(Final::Refused(said)),
            false => Stop::Passing(said).into(),
        }
    }
}

#[async_trait]
impl Outlet for UnderWay<'_, '_> {
    async fn octets(&mut self, octets: Bytes) -> Result<(), Cause> {
        UnderWay::octets(self, octets).await
    }
}
