//! TBD
use crate::model::problem::{Problem, SourceFile};
pub fn print(_: &[Problem], _: &[SourceFile]) {}
pub fn to_json(_: &[Problem]) -> serde_json::Value { serde_json::Value::Null }
