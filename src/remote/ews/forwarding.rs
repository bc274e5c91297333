//! The rules of an inbox by Exchange Web Services: all changes in one request.

use async_trait::async_trait;

use super::session::{EwsFailure, Session};
use crate::model::failure::Cause;
use crate::model::forwarding::{InboxRule, RuleChange};
use crate::protocol::ews::{GetInboxRules, UpdateInboxRules};
use crate::remote::forwarding::Rules;

#[async_trait]
impl Rules for Session {
    async fn rules(&mut self) -> Result<Vec<InboxRule>, Cause> {
        let mailbox = self.address().clone();
        self.call(&GetInboxRules { mailbox }).await.map_err(EwsFailure::cause)
    }

    async fn change(&mut self, changes: Vec<RuleChange>) -> Result<(), Cause> {
        let mailbox = self.address().clone();
        self.call(&UpdateInboxRules { mailbox, changes }).await.map_err(EwsFailure::cause)
    }
}
