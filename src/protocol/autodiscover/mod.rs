//! Autodiscover: where the Exchange of a mailbox is, as data. Two dialects that answer the same question, and the search that
//! asks one place after the other.
//!
//! Sources: MS-OXDISCO (where to ask), MS-OXDSCLI (plain XML, "POX"), MS-OXWSADISC (SOAP), and
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/autodiscover-for-exchange>

mod allowed;
mod pox;
mod search;
mod soap;

pub use allowed::{Allowed, Kin};
pub use search::{Ask, Heard, Judged, Search};

use crate::model::failure::Cause;
use crate::model::name::Address;
use crate::model::server::WebAddress;
use crate::protocol::ews::{EwsError, element};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// `autodiscover.svc`, since Exchange 2010.
    Soap,
    /// `autodiscover.xml`, since Exchange 2007.
    Pox,
}

impl Dialect {
    /// The last part of its path.
    fn file(self) -> &'static str {
        match self {
            Self::Soap => "autodiscover.svc",
            Self::Pox => "autodiscover.xml",
        }
    }

    /// `Content-Type` of a request.
    pub fn content_type(self) -> &'static str {
        "text/xml; charset=utf-8"
    }

    /// Asks for the web services of a mailbox. `url` is where the request goes.
    pub fn request(self, address: &Address, url: &WebAddress) -> String {
        match self {
            Self::Soap => soap::request(address, url),
            Self::Pox => pox::request(address),
        }
    }

    /// Reads an answer that came with status 200.
    pub fn read(self, document: &[u8]) -> Result<Answer, Cause> {
        let document = element::read(document).map_err(EwsError::cause)?;
        match self {
            Self::Soap => soap::read(&document),
            Self::Pox => pox::read(&document),
        }
    }
}

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The URLs of Exchange Web Services that it names, those from outside first; never empty.
    Services(Vec<String>),
    /// Another Autodiscover service knows.
    RedirectUrl(String),
    /// The mailbox is known under another address.
    RedirectAddress(String),
    /// It does not know, in its own words.
    Unknown(String),
}

#[cfg(test)]
mod tests;
