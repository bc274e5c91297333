//! To which hosts a search may lead: nobody else is shown a login.

use crate::model::name::Address;

/// The hosts that belong to a mailbox: its address's domain with all that is below, and those that the profile names.
#[derive(Debug, Clone)]
pub struct Allowed {
    domain: String,
    named: Vec<String>,
}

/// How a host belongs to a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kin {
    /// It is in the domain of the address.
    Own,
    /// The profile names it.
    Named,
}

impl Allowed {
    pub fn new(address: &Address, named: &[String]) -> Self {
        Self { domain: plain(address.domain()), named: named.iter().map(|host| plain(host)).collect() }
    }

    /// `None`: it is not allowed.
    pub fn kin(&self, host: &str) -> Option<Kin> {
        let host = plain(host);
        let is_below = host.strip_suffix(&self.domain).is_some_and(|rest| rest.ends_with('.'));
        if host == self.domain || is_below {
            return Some(Kin::Own);
        }
        self.named.contains(&host).then_some(Kin::Named)
    }

    /// For people.
    pub fn words(&self) -> String {
        let named: String = self.named.iter().map(|host| format!(", {host}")).collect();
        format!("{}{named}", self.domain)
    }
}

/// Host names are compared in lower case, without the root's dot.
fn plain(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_domain_what_is_below_and_what_is_named_is_allowed() {
        let address = Address::parse("anna@Contoso.example").unwrap();
        let allowed = Allowed::new(&address, &["Mail.Fabrikam.example".to_owned()]);
        for (host, kin) in [
            ("contoso.example", Some(Kin::Own)),
            ("MAIL.contoso.example.", Some(Kin::Own)),
            ("mail.fabrikam.example", Some(Kin::Named)),
            ("fabrikam.example", None),
            ("x.mail.fabrikam.example", None),
            ("evilcontoso.example", None),
            ("contoso.example.evil.test", None),
            ("example", None),
            ("", None),
        ] {
            assert_eq!(allowed.kin(host), kin, "{host}");
        }
    }
}
