//! The rules of an inbox by Microsoft Graph: one request for each change.

use async_trait::async_trait;

use super::session::{GraphFailure, Session};
use crate::model::failure::Cause;
use crate::model::forwarding::{InboxRule, RuleChange};
use crate::model::limits;
use crate::protocol::graph::{CreateMessageRule, DeleteMessageRule, ListMessageRules, UpdateMessageRule};
use crate::remote::forwarding::Rules;

#[async_trait]
impl Rules for Session {
    async fn rules(&mut self) -> Result<Vec<InboxRule>, Cause> {
        let host = self.host().to_owned();
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let operation = ListMessageRules { host: &host, after };
            let page = self.call(&operation).await.map_err(GraphFailure::cause)?;
            let is_empty = page.rules.is_empty();
            all.extend(page.rules);
            if all.len() > limits::GRAPH_RULES_MAX {
                return Err(super::exceeded("the number of rules of a mailbox", limits::GRAPH_RULES_MAX));
            }
            match page.next {
                Some(_) if is_empty => {
                    let detail = "it says that there are more rules, and does not tell them".to_owned();
                    return Err(Cause::Garbage { detail });
                }
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }

    async fn change(&mut self, changes: Vec<RuleChange>) -> Result<(), Cause> {
        for change in &changes {
            let done = match change {
                RuleChange::Create(rule) => self.call(&CreateMessageRule { rule }).await,
                RuleChange::Set(InboxRule { id: None, .. }) => Ok(()),
                RuleChange::Set(rule @ InboxRule { id: Some(id), .. }) => {
                    self.call(&UpdateMessageRule { id, rule }).await
                }
                RuleChange::Delete(id) => match self.call(&DeleteMessageRule { id }).await {
                    // Somebody was faster.
                    Err(GraphFailure::Refused(refusal)) if refusal.is_missing() => Ok(()),
                    other => other,
                },
            };
            done.map_err(GraphFailure::cause)?;
        }
        Ok(())
    }
}
