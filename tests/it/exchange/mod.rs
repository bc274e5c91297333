//! Exchange: the connector and the program against the playground, what both say against the vendor's schemas, and the
//! playground against a client that is not ours.

mod autodiscover;
mod independent;
mod logins;
mod mailbox;
mod schema;
mod story;
mod world;
