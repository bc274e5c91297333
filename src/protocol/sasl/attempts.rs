//! How often to try to log in: once, and with `authentication: auto` perhaps once more.

use super::{Channel, Mechanism, select};
use crate::model::failure::Cause;
use crate::model::profile::Authentication;

/// The attempts at one login.
///
/// Servers offer SCRAM and CRAM-MD5 to everybody, also to accounts for which they hold no secret that those need, and
/// refuse such an account as if its password were wrong. So `auto` tries once more with PLAIN or LOGIN, and a really
/// wrong password costs two attempts. A declared mechanism is never replaced, and without TLS no password is shown.
pub struct Attempts<'a> {
    offered: &'a [String],
    channel: Channel,
    wanted: Authentication,
    /// Why the first attempt failed.
    refused: Option<Cause>,
}

impl<'a> Attempts<'a> {
    /// `offered` are the server's mechanisms, the plain login of its protocol as `LOGIN`.
    pub fn new(offered: &'a [String], wanted: Authentication, channel: Channel) -> Self {
        Self { offered, channel, wanted, refused: None }
    }

    /// What to try now.
    pub fn wanted(&self) -> Authentication {
        self.wanted
    }

    /// Notes a failure. `Ok`: try again. `Err`: that was all, and this is what to report.
    pub fn failed(&mut self, cause: Cause) -> Result<(), Cause> {
        if let Some(first) = self.refused.take() {
            return Err(more_telling(first, cause));
        }
        match self.second(&cause) {
            Some(second) => {
                self.wanted = second;
                self.refused = Some(cause);
                Ok(())
            }
            None => Err(cause),
        }
    }

    fn second(&self, refused: &Cause) -> Option<Authentication> {
        if let (Authentication::Negotiate, Cause::KerberosFailed { fault, .. }) = (self.wanted, refused) {
            let spoken = fault.leaves_ntlm() && Mechanism::Ntlm.is_offered(self.offered);
            return spoken.then_some(Authentication::Ntlm);
        }
        let (Authentication::Auto, Channel::Encrypted, Cause::LoginRefused { .. } | Cause::Refused { .. }) =
            (self.wanted, self.channel, refused)
        else {
            return None;
        };
        let first = select(self.offered, self.wanted, self.channel).ok()?;
        if first.reveals_password() {
            return None;
        }
        let ways = [(Mechanism::Plain, Authentication::Plain), (Mechanism::Login, Authentication::Login)];
        ways.into_iter().find(|(mechanism, _)| mechanism.is_offered(self.offered)).map(|(_, wanted)| wanted)
    }
}

/// The second failure tells more, unless the attempt could not be made properly because the server had enough.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all other causes are about the connection, not the login"
)]
fn more_telling(first: Cause, second: Cause) -> Cause {
    match second {
        Cause::LoginRefused { .. } | Cause::TemporarilyRefused { .. } => second,
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(said: &str) -> Cause {
        Cause::LoginRefused { said: said.to_owned() }
    }

    fn after_refusal(offered: &[&str], wanted: Authentication, channel: Channel) -> Option<Authentication> {
        let offered: Vec<String> = offered.iter().map(|name| (*name).to_owned()).collect();
        let mut attempts = Attempts::new(&offered, wanted, channel);
        attempts.failed(refused("no")).ok().map(|()| attempts.wanted())
    }

    #[test]
    fn auto_tries_once_more_with_the_password_itself() {
        let (auto, tls) = (Authentication::Auto, Channel::Encrypted);
        let all = ["SCRAM-SHA-256", "LOGIN", "PLAIN"];
        assert_eq!(after_refusal(&all, auto, tls), Some(Authentication::Plain));
        assert_eq!(after_refusal(&["cram-md5", "login"], auto, tls), Some(Authentication::Login));
        assert_eq!(after_refusal(&["SCRAM-SHA-256", "XOAUTH2"], auto, tls), None);
        assert_eq!(after_refusal(&["PLAIN", "LOGIN"], auto, tls), None);
    }

    #[test]
    fn a_declared_mechanism_is_not_replaced_and_no_password_crosses_a_clear_channel() {
        let all = ["SCRAM-SHA-256", "LOGIN", "PLAIN"];
        assert_eq!(after_refusal(&all, Authentication::ScramSha256, Channel::Encrypted), None);
        for allowed in [true, false] {
            assert_eq!(after_refusal(&all, Authentication::Auto, Channel::Clear { allowed }), None);
        }
    }

    #[test]
    fn only_a_refused_login_is_tried_again_and_only_once() {
        let offered = ["SCRAM-SHA-256".to_owned(), "PLAIN".to_owned()];
        let attempts = || Attempts::new(&offered, Authentication::Auto, Channel::Encrypted);
        let later = Cause::TemporarilyRefused { said: "later".to_owned() };
        assert_eq!(attempts().failed(later.clone()), Err(later));
        let lost = Cause::ConnectionLost { detail: "closed".to_owned() };
        for (second, reported) in [(refused("2"), refused("2")), (lost, refused("1"))] {
            let mut attempts = attempts();
            assert_eq!(attempts.failed(refused("1")), Ok(()));
            assert_eq!(attempts.failed(second), Err(reported));
        }
    }
}
