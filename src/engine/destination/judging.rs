//! Judging a failure on a route: what the store knows of it makes the words better, and nothing else.

use crate::engine::Engine;
use crate::model::failure::{Failure, RemoteError};
use crate::model::server::{WebAddress, WebLocation};
use crate::sync::classify::{self, NamedBy, Setting, SoFar};

use super::Route;

impl Route<'_> {
    /// Judges a failure on this route.
    pub async fn judge(&self, engine: &Engine, error: RemoteError) -> Failure {
        let setting = self.setting();
        let sealed = match setting.secret {
            Some(secret) => self.reach.sealed(engine, secret).await.ok().flatten(),
            None => None,
        };
        let origin = sealed.map(|sealed| sealed.sealed.origin());
        let found = self.found(engine).await;
        let (host, named_by) = match &found {
            Some(found) => (found.host.as_str(), NamedBy::Autodiscover),
            None => (setting.host, setting.named_by),
        };
        let so_far = self.so_far(engine).await;
        let port = found.as_ref().and_then(|found| found.port).map_or(setting.port, u16::from);
        classify::classify(
            error,
            Setting { origin: origin.as_ref(), host, port, named_by, so_far, ..setting },
        )
    }

    /// Where Autodiscover has found the mailbox, if that is how it is reached.
    async fn found(&self, engine: &Engine) -> Option<WebAddress> {
        match &self.way.service.as_ref()?.location {
            WebLocation::Autodiscover { .. } => {}
            WebLocation::Path(_) | WebLocation::Graph => return None,
        }
        let found = engine.store.discovered(&self.mailbox.name).await.ok()??;
        WebAddress::parse(&found.url).filter(|_| found.address.same_as(&self.mailbox.address))
    }

    /// Whether a test of what is declared has passed before at this very host and port.
    async fn so_far(&self, engine: &Engine) -> SoFar {
        let row = engine.store.mailbox(&self.mailbox.name).await.ok().flatten();
        let has_worked = row.is_some_and(|row| {
            row.stored.operations.iter().any(|(operation, known)| {
                known.proved.is_some() && known.proved == known.connection && self.leads_there_too(*operation)
            })
        });
        if has_worked { SoFar::Worked } else { SoFar::NeverWorked }
    }
}
