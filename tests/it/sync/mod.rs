//! What is decided, held against what is written about it.

#[cfg(feature = "demo")]
mod mime;
mod states;
mod vendor_errors;
