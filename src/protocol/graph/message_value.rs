//! A message as MIME. The service rebuilds it each time that it is asked for.
//! <https://learn.microsoft.com/graph/outlook-get-mime-message>

use super::{Call, Expected, GraphError, Operation, path};
use crate::model::name::Address;
use crate::protocol::http::Method;

/// Its answer is no JSON: the octets are taken while they arrive.
#[derive(Debug)]
pub struct MessageValue<'a> {
    pub id: &'a str,
}

impl Operation for MessageValue<'_> {
    type Response = ();

    fn call(&self, user: &Address) -> Call {
        Call::new(Method::Get, path(user, &["messages", self.id, "$value"])).expecting(Expected::Octets)
    }

    fn read(&self, _: &[u8]) -> Result<(), GraphError> {
        Ok(())
    }
}
