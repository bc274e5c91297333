//! Exchange Online by Microsoft Graph: the connector and the program against the playground, what both say against the
//! vendor's description, the playground against a client that is not ours, and tokens from a provider that is not ours.

mod attaching;
mod certificate;
mod folders;
mod forwarding;
mod independent;
mod mailbox;
mod rebuilding;
mod schema;
mod sending;
mod story;
mod tokens;
mod traps;
mod world;
