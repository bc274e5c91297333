//! What a message says of itself, by Exchange Web Services, where the server cannot hand over its octets.

use async_trait::async_trait;

use crate::model::failure::Cause;
use crate::protocol::ews::item_properties::{ItemProperties, WithBody};
use crate::protocol::ews::{
    EwsError, Found, GetAttachment, GetItemProperties, GottenAttachment, ItemId, Refusal,
};
use crate::remote::rebuilt::{Final, Silent, Stop, UnderWay, Witness};

use super::fetching::is_page;
use super::session::{EwsFailure, Outlet, Session};

/// Asks for one item, piece by piece.
pub(super) struct Asking<'a> {
    pub session: &'a mut Session,
    pub id: ItemId,
}

#[async_trait]
impl Witness for Asking<'_> {
    async fn properties(&mut self, body: WithBody) -> Result<ItemProperties, Silent> {
        let operation = GetItemProperties { id: self.id.clone(), body };
        self.session.call(&operation).await.map_err(|failure| match failure {
            EwsFailure::Answer(error @ (EwsError::Garbage(_) | EwsError::LimitExceeded { .. })) => {
                Silent::Unreadable(error.cause())
            }
            EwsFailure::Conversation(cause @ Cause::LimitExceeded { .. }) => {
                self.session.hang_up();
                Silent::Unreadable(cause)
            }
            other @ (EwsFailure::Conversation(_) | EwsFailure::Answer(_)) => self.silent(other),
        })
    }

    async fn attachment(&mut self, id: &str, under_way: &mut UnderWay<'_, '_>) -> Result<(), Silent> {
        match self.session.call_with(&GetAttachment { id: id.to_owned() }, under_way).await {
            Ok(GottenAttachment::File | GottenAttachment::Item) => Ok(()),
            Ok(GottenAttachment::ItemWithoutMime) => {
                Err(Silent::Final(Final::Refused("it came without its content".to_owned())))
            }
            // The answer that was under way is not read to its end.
            Err(EwsFailure::Conversation(cause @ Cause::LimitExceeded { .. })) => {
                self.session.hang_up();
                Err(Silent::Stop(Stop::Failed(cause)))
            }
            Err(failure) => Err(self.silent(failure)),
        }
    }
}

impl Asking<'_> {
    fn silent(&self, failure: EwsFailure) -> Silent {
        match failure {
            EwsFailure::Answer(EwsError::Refused(refusal)) => self.refused(refusal),
            // A page of whoever stands in front of the server may not come again.
            EwsFailure::Conversation(cause) if is_page(&cause) => Stop::Passing(cause.to_string()).into(),
            other @ (EwsFailure::Conversation(_) | EwsFailure::Answer(_)) => {
                Stop::Failed(other.cause()).into()
            }
        }
    }

    /// A refusal that may be over the next time is an error.
    fn refused(&self, refusal: Refusal) -> Silent {
        if refusal.code == "ErrorItemNotFound" {
            return Silent::Final(Final::Gone);
        }
        if refusal.is_server_busy() {
            self.session.note_busy(&refusal);
        }
        let said = refusal.to_string();
        let cause = refusal.cause();
        match matches!(cause, Cause::Exchange { .. }) {
            true => Silent::Final(Final::Refused(said)),
            false => Stop::Failed(cause).into(),
        }
    }
}

#[async_trait]
impl Outlet for UnderWay<'_, '_> {
    async fn found(&mut self, found: Found) -> Result<(), Cause> {
        match found {
            Found::Octets(octets) => self.octets(octets).await,
            Found::Garbled => {
                self.is_garbled = true;
                Ok(())
            }
            Found::End(_) => Ok(()),
        }
    }
}
