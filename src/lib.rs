//! The map; written with the code.
pub mod cli;
pub mod engine;
pub mod manifest;
pub mod model;
pub mod net;
pub mod plan;
#[cfg(feature = "demo")]
pub mod playground;
pub mod protocol;
pub mod remote;
pub mod secrets;
pub mod source;
pub mod store;
pub mod sync;
