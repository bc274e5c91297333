//! Sends a message in one step. When the answer is lost nobody knows what became of it, so a draft is sent instead where
//! that matters: [`super::CreateMessage`], [`super::SendMessage`].
//! <https://learn.microsoft.com/graph/api/user-sendmail>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Body, Call, Expected, GraphError, Operation, path};
use crate::model::name::Address;
use crate::protocol::http::Method;

#[derive(Debug)]
pub struct SendMail<'a> {
    pub raw: &'a [u8],
}

impl Operation for SendMail<'_> {
    type Response = ();

    fn call(&self, user: &Address) -> Call {
        Call::new(Method::Post, path(user, &["sendMail"]))
            .with(Body::Mime(STANDARD.encode(self.raw)))
            .expecting(Expected::Status(202))
    }

    fn read(&self, _: &[u8]) -> Result<(), GraphError> {
        Ok(())
    }
}
