//! ResolveNames: whom the directory knows under an address.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/resolvenames-operation>

use super::element::Element;
use super::{EwsError, Operation, Xml, only_message};

#[derive(Debug, Clone)]
pub struct ResolveNames {
    /// A name or a part of one; `smtp:<address>` for exactly that address.
    pub entry: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub name: Option<String>,
    pub address: String,
    /// `Mailbox`, `PublicDL`, `Contact` …
    pub kind: Option<String>,
}

impl Operation for ResolveNames {
    /// Empty: nobody. At most 100.
    type Response = Vec<Resolved>;
    const NAME: &'static str = "ResolveNames";

    fn attributes(&self) -> Vec<(&'static str, &str)> {
        vec![("ReturnFullContactData", "false"), ("SearchScope", "ActiveDirectory")]
    }

    fn write(&self, xml: &mut Xml) {
        xml.text("m:UnresolvedEntry", &self.entry);
    }

    fn read(&self, answer: &Element) -> Result<Vec<Resolved>, EwsError> {
        let message = match only_message(answer) {
            Err(error) if error.is("ErrorNameResolutionNoResults") => return Ok(Vec::new()),
            other => other?,
        };
        let all = message.child("ResolutionSet").map_or(&[][..], |set| &set.children);
        let resolved = |resolution: &Element| {
            let mailbox = resolution.child("Mailbox")?;
            Some(Resolved {
                name: mailbox.text_of("Name").map(str::to_owned),
                address: mailbox.text_of("EmailAddress")?.to_owned(),
                kind: mailbox.text_of("MailboxType").map(str::to_owned),
            })
        };
        Ok(all.iter().filter_map(resolved).collect())
    }
}
