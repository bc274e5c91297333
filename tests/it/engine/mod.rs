//! The engine on real stores and loopback servers: its rules one by one, and everything again with the process killed at
//! every call.

mod crash;
mod faults;
mod real;
mod rules;
mod site;
mod steps;
mod watch;
mod world;
