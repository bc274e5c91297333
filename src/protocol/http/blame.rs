//! What is wrong with an answer that is none.

use bytes::BytesMut;

use crate::model::failure::{Cause, server_words};

pub(super) fn garbage(detail: &str) -> Cause {
    Cause::Garbage { detail: detail.to_owned() }
}

pub(super) fn exceeded(what: &str, limit: u64) -> Cause {
    Cause::LimitExceeded { what: what.to_owned(), limit }
}

/// A server that greets with something else is one of another protocol.
pub(super) fn wrong_protocol(input: &BytesMut) -> Cause {
    let beginning = input.get(..80.min(input.len())).unwrap_or_default();
    let said = server_words(&String::from_utf8_lossy(beginning));
    Cause::WrongProtocol { protocol: "HTTP".to_owned(), said }
}
