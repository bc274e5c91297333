//! All integration tests, one folder per room. `tidy.rs` stands alone because it needs nothing compiled.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

#[cfg(feature = "demo")]
mod cli;
#[cfg(feature = "demo")]
mod engine;
#[cfg(feature = "demo")]
mod exchange;
mod fuzz;
#[cfg(feature = "demo")]
mod graph;
mod manifest;
#[cfg(feature = "demo")]
mod net;
mod plan;
#[cfg(feature = "demo")]
mod playground;
#[cfg(feature = "demo")]
mod remote;
mod secrets;
mod store;
mod support;
mod sync;
