//! Access tokens that a session gets in the place of others: they are searched for like the first one, before they are used.

use std::sync::Arc;

use async_trait::async_trait;

use super::Password;
use super::forms::forms;
use crate::model::failure::Cause;
use crate::model::secret::Secret;
use crate::model::server::Login;
use crate::net::renewal::Renews;
use crate::remote::Trace;

/// Whoever opens a session with this trace gets no token that is not searched for.
pub(super) fn learn(password: &Password, login: &Login, trace: &mut Trace) {
    let Login::Password { username, password: _ } = login else { return };
    let learning = |tokens| -> Arc<dyn Renews> {
        Arc::new(Learning { tokens, password: password.clone(), username: username.clone() })
    };
    let tokens = trace.tokens().map(learning);
    trace.renew_with(tokens);
}

struct Learning {
    tokens: Arc<dyn Renews>,
    password: Password,
    username: String,
}

#[async_trait]
impl Renews for Learning {
    async fn instead_of(&self, refused: &Secret<String>) -> Result<Secret<String>, Cause> {
        let token = self.tokens.instead_of(refused).await?;
        self.password.learn(forms(&self.username, token.expose()));
        Ok(token)
    }

    fn client(&self) -> [u8; 32] {
        self.tokens.client()
    }
}
