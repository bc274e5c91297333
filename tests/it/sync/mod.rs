//! What is decided, held against what is written about it.

mod failures;
#[cfg(feature = "demo")]
mod mime;
mod states;
mod vendor_errors;
