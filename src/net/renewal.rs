//! Access tokens that end before a session does: who gives out another one.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::model::failure::Cause;
use crate::model::limits;
use crate::model::secret::Secret;

/// Whom a session asks for another access token when its server does not take any more the one that it had taken.
#[async_trait]
pub trait Renews: Send + Sync {
    /// Another one than that which was refused.
    async fn instead_of(&self, refused: &Secret<String>) -> Result<Secret<String>, Cause>;

    /// Whose tokens these are, as a digest: another client, or another secret, is another one.
    fn client(&self) -> [u8; 32];
}

/// The way of one session to further tokens.
pub struct Renewal {
    /// `None`: the session logs in without a token.
    by: Option<Arc<dyn Renews>>,
    renewed: Option<Duration>,
}

impl Renewal {
    pub(super) fn by(by: Option<Arc<dyn Renews>>) -> Self {
        Self { by, renewed: None }
    }

    /// Another token. A server that takes none for long is not brought one after the other: the next session begins with a login,
    /// which says what is wrong.
    pub async fn instead_of(
        &mut self,
        refused: &Secret<String>,
        now: Duration,
    ) -> Result<Secret<String>, Cause> {
        let is_soon = |renewed: Duration| now.saturating_sub(renewed) < limits::TOKEN_RENEWAL_GAP;
        let by = self.by.as_ref().filter(|_| !self.renewed.is_some_and(is_soon)).ok_or_else(ended)?;
        self.renewed = Some(now);
        let token = by.instead_of(refused).await?;
        // Some providers repeat what they gave out before.
        if token.expose() == refused.expose() { Err(ended()) } else { Ok(token) }
    }
}

/// A token ends at its time, or before it.
fn ended() -> Cause {
    let detail = "the access token has expired in the middle of the session; the next one asks for another";
    Cause::ConnectionLost { detail: detail.to_owned() }
}
