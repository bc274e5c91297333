//! The harness: real servers, started privately on loopback, each with its state in a folder of its own.
//!
//! A test that needs one begins with `let Some(()) = require(Need::Servers) else { return };`.

pub mod need;
pub mod program;
pub mod scratch;

#[cfg(feature = "demo")]
pub mod apache;
#[cfg(feature = "demo")]
pub mod certificates;
#[cfg(feature = "demo")]
pub mod courier;
#[cfg(feature = "demo")]
pub mod dovecot;
#[cfg(feature = "demo")]
pub mod fault_proxy;
#[cfg(feature = "demo")]
pub mod kerberos;
#[cfg(feature = "demo")]
pub mod kill_proxy;
#[cfg(feature = "demo")]
pub mod name_server;
#[cfg(feature = "demo")]
pub mod ntlm;
#[cfg(feature = "demo")]
pub mod postfix;
#[cfg(feature = "demo")]
pub mod provider;

#[cfg(feature = "demo")]
mod tests;
