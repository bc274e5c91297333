//! MAIL and RCPT: who sends, who receives, and who may.

use bytes::BytesMut;

use crate::model::limits::RECIPIENTS_MAX;

use super::super::options::{Relay, Senders};
use super::super::state;
use super::{Body, Closed, Envelope, Hello, Next, Session, Utf8, path};

impl Session {
    pub(super) async fn mail(&mut self, argument: &str) -> Result<Next, Closed> {
        match self.begin(argument) {
            Ok(envelope) => {
                self.envelope = Some(envelope);
                self.say("250 2.1.0 sender ok").await
            }
            Err(refusal) => self.say(refusal).await,
        }
    }

    pub(super) async fn rcpt(&mut self, argument: &str) -> Result<Next, Closed> {
        match self.admit(argument) {
            Ok(()) => self.say("250 2.1.5 recipient ok").await,
            Err(refusal) => self.say(&refusal).await,
        }
    }

    fn begin(&self, argument: &str) -> Result<Envelope, &'static str> {
        match self.hello {
            Hello::Awaited => return Err("503 5.5.1 EHLO comes first"),
            Hello::Plain(_) | Hello::Extended(_) => {}
        }
        if self.envelope.is_some() {
            return Err("503 5.5.1 a sender is named already");
        }
        let path = path::parse("FROM:", argument).ok_or("501 5.5.4 syntax: MAIL FROM:<address>")?;
        let mut envelope = Envelope {
            from: path.address.to_owned(),
            recipients: Vec::new(),
            body: Body::SevenBit,
            utf8: Utf8::Absent,
            chunks: BytesMut::new(),
        };
        for parameter in path.parameters {
            self.parameter(parameter, &mut envelope)?;
        }
        if !path.address.is_empty() && !path::is_address(path.address) {
            return Err("501 5.1.7 bad sender address");
        }
        if !path.address.is_ascii() && envelope.utf8 == Utf8::Absent {
            return Err("550 5.6.7 an address that is not ASCII needs SMTPUTF8");
        }
        self.may_send_as(path.address)?;
        Ok(envelope)
    }

    fn parameter(&self, parameter: &str, envelope: &mut Envelope) -> Result<(), &'static str> {
        let parameter = parameter.to_ascii_uppercase();
        let (keyword, value) = match parameter.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (parameter.as_str(), None),
        };
        match (&self.hello, keyword, value) {
            (Hello::Awaited | Hello::Plain(_), _, _) => Err("555 5.5.4 parameters need EHLO"),
            (Hello::Extended(_), "SIZE", Some(size)) => {
                let digits = size.len() <= 20 && size.bytes().all(|byte| byte.is_ascii_digit());
                let size: u128 = digits.then(|| size.parse().ok()).flatten().ok_or("501 5.5.4 bad SIZE")?;
                let max = self.wire.world.options.message_bytes_max as u128;
                if size > max { Err("552 5.3.4 message too big") } else { Ok(()) }
            }
            (Hello::Extended(_), "BODY", Some("7BIT")) => {
                envelope.body = Body::SevenBit;
                Ok(())
            }
            (Hello::Extended(_), "BODY", Some("8BITMIME")) => {
                envelope.body = Body::EightBit;
                Ok(())
            }
            (Hello::Extended(_), "SMTPUTF8", None) => {
                envelope.utf8 = Utf8::Announced;
                Ok(())
            }
            // RFC 4954 section 5: accepted, and not believed.
            (Hello::Extended(_), "AUTH", Some(_)) if self.may_log_in() => Ok(()),
            (Hello::Extended(_), "RET", Some("HDRS" | "FULL")) | (Hello::Extended(_), "ENVID", Some(_))
                if self.offers_more() =>
            {
                Ok(())
            }
            (Hello::Extended(_), "SIZE" | "BODY" | "SMTPUTF8", _) => Err("501 5.5.4 bad parameter value"),
            (Hello::Extended(_), _, _) => Err("555 5.5.4 unknown parameter"),
        }
    }

    fn may_send_as(&self, from: &str) -> Result<(), &'static str> {
        let Some(login) = &self.login else { return Ok(()) };
        match self.wire.world.options.senders {
            Senders::Any => Ok(()),
            Senders::Own if from.is_empty() => Ok(()),
            Senders::Own => {
                let mut inner = self.wire.world.state.lock();
                let owned = state::addresses(inner.user(login.account)).any(|own| state::same(own, from));
                if owned { Ok(()) } else { Err("553 5.7.1 sender address is not owned by the user") }
            }
        }
    }

    fn admit(&mut self, argument: &str) -> Result<(), String> {
        let offers_dsn = self.offers_more();
        let Some(envelope) = &mut self.envelope else {
            return Err(String::from("503 5.5.1 MAIL comes first"));
        };
        let path = path::parse("TO:", argument).ok_or("501 5.5.4 syntax: RCPT TO:<address>")?;
        if !path.parameters.iter().all(|parameter| offers_dsn && is_of_dsn(parameter)) {
            return Err(String::from("555 5.5.4 unknown parameter"));
        }
        let address = path.address;
        if !path::is_address(address) {
            return Err(String::from("501 5.1.3 bad recipient address"));
        }
        if !address.is_ascii() && envelope.utf8 == Utf8::Absent {
            return Err(String::from("550 5.6.7 an address that is not ASCII needs SMTPUTF8"));
        }
        if envelope.recipients.len() >= RECIPIENTS_MAX {
            return Err(String::from("452 4.5.3 too many recipients"));
        }
        let inner = self.wire.world.state.lock();
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
        let relays = match self.wire.world.options.relay {
            Relay::Anyone => true,
            Relay::Authenticated => self.login.is_some(),
        };
        if inner.is_local_domain(domain) {
            inner.resident(address).map_err(|_| format!("550 5.1.1 <{address}>: no such user here"))?;
        } else if !relays {
            return Err(format!("554 5.7.1 <{address}>: relay access denied"));
        }
        envelope.recipients.push(address.to_owned());
        Ok(())
    }
}

/// RFC 3461 sections 4.1 and 4.2.
fn is_of_dsn(parameter: &str) -> bool {
    let parameter = parameter.to_ascii_uppercase();
    match parameter.split_once('=') {
        Some(("NOTIFY", "NEVER")) => true,
        Some(("NOTIFY", when)) => when.split(',').all(|one| ["SUCCESS", "FAILURE", "DELAY"].contains(&one)),
        Some(("ORCPT", address)) => address.split_once(';').is_some_and(|(kind, _)| kind == "RFC822"),
        Some(_) | None => false,
    }
}
