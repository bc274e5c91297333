//! TBD
use crate::model::problem::{Problem, SourceFile};
pub fn print(p: &[Problem], _: &[SourceFile]) {
    for p in p {
        super::output::talk(&format!("{:?} {} {} {:?}", p.severity, p.code, p.message, p.origin));
    }
}
pub fn to_json(_: &[Problem]) -> serde_json::Value {
    serde_json::Value::Null
}
