//! What a person does with Outlook.

use super::super::state::Submission;
use super::folders::Place;
use super::soap::Turn;
use super::{Caller, ExchangeDoor, changes, compose, folders, node};

impl ExchangeDoor<'_> {
    /// Gives all messages of that subject, in the inbox and in Sent Items, these categories and no others.
    pub fn categorise(&self, address: &str, subject: &str, categories: &[&str]) {
        self.turn(address, |turn| {
            for key in ["inbox", "sentitems"] {
                let place = Place { account: turn.caller.account, key: key.to_owned() };
                for held in folders::held(turn, &place) {
                    let parsed = mail_parser::MessageParser::new().parse(&held.raw[..]);
                    if parsed.as_ref().and_then(|it| it.subject()) == Some(subject) {
                        let properties = turn.inner.properties.entry(held.uidl.clone()).or_default();
                        properties.version += 1;
                        properties.categories = categories.iter().map(|&name| name.to_owned()).collect();
                    }
                }
            }
        });
    }

    /// Sends a message to whom its header names, with a copy in Sent Items.
    pub fn send_with_outlook(&self, address: &str, raw: &[u8]) {
        self.turn(address, |turn| {
            let recipients = compose::recipients(&node::Node::default(), raw);
            let submission = Submission {
                connection: 0,
                username: None,
                from: address.to_owned(),
                recipients,
                raw: bytes::Bytes::copy_from_slice(raw),
            };
            let now = turn.world.state.now();
            // A playground that is full has other troubles.
            let _ = turn.world.state.lock().submit(&submission, "", now);
            let place = Place { account: turn.caller.account, key: "sentitems".to_owned() };
            changes::put(turn, &place, submission.raw);
        });
    }

    /// Does something as the owner of a mailbox. An unknown address has none.
    pub(super) fn turn(&self, address: &str, act: impl FnOnce(&mut Turn<'_>)) {
        let Ok(account) = self.world().state.lock().resident(address) else { return };
        let mut inner = self.world().exchange.lock();
        folders::prepare(&mut inner, account);
        let (caller, request) = (Caller { username: String::new(), account }, node::Node::default());
        act(&mut Turn { world: self.world(), inner: &mut inner, caller: &caller, request: &request });
    }
}
