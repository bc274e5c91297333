//! Kerberos in SASL (RFC 4752): the tokens of a ticket, and then the agreement that nothing more is protected, because TLS
//! does that.

use crate::model::failure::Cause;

/// `no security layer`, in the server's offer and in our choice.
const NO_LAYER: u8 = 1;

/// The client's half of a Kerberos login. Who makes the tokens is not known here.
pub trait Ticket: Send {
    /// The next token, if the server waits for one.
    fn respond(&mut self, token: &[u8]) -> Result<Option<Vec<u8>>, Cause>;
    /// Whether both sides have proved who they are.
    fn is_complete(&self) -> bool;
    /// Takes a message of the server out of its protection.
    fn unprotect(&mut self, message: &[u8]) -> Result<Vec<u8>, Cause>;
    /// Protects a message against change.
    fn protect(&mut self, message: &[u8]) -> Result<Vec<u8>, Cause>;
}

pub(super) struct Gssapi {
    first: Vec<u8>,
    ticket: Box<dyn Ticket>,
    is_agreed: bool,
}

impl Gssapi {
    pub fn new(first: Vec<u8>, ticket: Box<dyn Ticket>) -> Self {
        Self { first, ticket, is_agreed: false }
    }

    pub fn initial(&self) -> Vec<u8> {
        self.first.clone()
    }

    pub fn is_agreed(&self) -> bool {
        self.is_agreed
    }

    pub fn respond(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Cause> {
        let garbage = |detail: &str| Cause::Garbage { detail: detail.to_owned() };
        if self.is_agreed {
            return Err(garbage("the server asks for more than the mechanism has"));
        }
        if !self.ticket.is_complete() {
            return Ok(self.ticket.respond(challenge)?.unwrap_or_default());
        }
        // Which layers there are, and how long a protected message may be.
        let offer = self.ticket.unprotect(challenge)?;
        let [layers, ..] =
            <[u8; 4]>::try_from(offer).map_err(|_| garbage("its offer of layers is damaged"))?;
        if layers & NO_LAYER == 0 {
            return Err(Cause::NoMechanism {
                wanted: "GSSAPI without a security layer".to_owned(),
                offered: vec!["GSSAPI with a security layer only".to_owned()],
            });
        }
        self.is_agreed = true;
        // No layer, no longest message, and nobody else to act as.
        self.ticket.protect(&[NO_LAYER, 0, 0, 0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that needs the server's token once, and protects by turning around.
    struct Fake {
        heard: bool,
    }

    impl Ticket for Fake {
        fn respond(&mut self, token: &[u8]) -> Result<Option<Vec<u8>>, Cause> {
            assert_eq!(token, b"server");
            self.heard = true;
            Ok(None)
        }

        fn is_complete(&self) -> bool {
            self.heard
        }

        fn unprotect(&mut self, message: &[u8]) -> Result<Vec<u8>, Cause> {
            Ok(message.iter().rev().copied().collect())
        }

        fn protect(&mut self, message: &[u8]) -> Result<Vec<u8>, Cause> {
            self.unprotect(message)
        }
    }

    fn heard() -> Gssapi {
        let mut login = Gssapi::new(b"first".to_vec(), Box::new(Fake { heard: false }));
        assert_eq!(login.initial(), b"first");
        assert_eq!(login.respond(b"server"), Ok(Vec::new()));
        assert!(!login.is_agreed());
        login
    }

    #[test]
    fn both_agree_on_no_layer() {
        let mut login = heard();
        assert_eq!(login.respond(&[0, 0, 1, 7]), Ok(vec![0, 0, 0, 1]));
        assert!(login.is_agreed());
        assert!(login.respond(b"more").is_err());
    }

    #[test]
    fn a_server_that_insists_on_a_layer_or_sends_nonsense_is_left() {
        assert!(matches!(heard().respond(&[0, 0, 1, 6]), Err(Cause::NoMechanism { .. })));
        for damaged in [&[][..], &[7], &[0, 0, 0, 0, 7]] {
            assert!(matches!(heard().respond(damaged), Err(Cause::Garbage { .. })));
        }
    }
}
