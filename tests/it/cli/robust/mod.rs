//! What happens to a store when the disk is full, the program is new, or processes die and compete.

mod disk;
mod kills;
mod processes;
mod stops;
mod upgrade;

/// Where the state of a manifest in `mail` is.
const STATE: &str = "mail/.mailplumb/state.db";
