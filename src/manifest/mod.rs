//! TBD
use crate::model::{desired::Desired, host::HostSettings, problem::{Problem, SourceFile}};
pub struct Reading { pub desired: Option<Desired>, pub problems: Vec<Problem> }
pub fn read(_: &[SourceFile], _: &HostSettings) -> Reading { unreachable!() }
pub fn schema() -> serde_json::Value { unreachable!() }
pub mod host { use super::*; pub fn read(_: &SourceFile) -> Result<HostSettings, Vec<Problem>> { unreachable!() } }
