//! The engine on real stores and loopback servers: its rules one by one, and everything again with the process killed at
//! every call.

mod crash;
mod real;
mod rules;
mod site;
mod watch;
mod world;
