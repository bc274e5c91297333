//! The message that a test of outgoing mail sends from a mailbox to itself.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::model::name::Address;

/// Marks our own test messages. Its value is a nonce that the store knows; any other value means nothing.
pub const HEADER: &str = "X-Mailplumb-Test";

/// The message, with CRLF line ends.
pub fn compose(address: &Address, nonce: &str, at: Timestamp) -> Vec<u8> {
    let date = jiff::fmt::rfc2822::to_string(&at.to_zoned(jiff::tz::TimeZone::UTC))
        .unwrap_or_else(|_| "Thu, 1 Jan 1970 00:00:00 +0000".to_owned());
    let address = address.in_ascii().unwrap_or(Cow::Borrowed(address.as_str()));
    let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
    format!(
        "From: <{address}>\r\n\
         To: <{address}>\r\n\
         Subject: Your mailbox is now connected to mailplumb\r\n\
         Date: {date}\r\n\
         Message-ID: <{nonce}.test@{domain}>\r\n\
         {HEADER}: {nonce}\r\n\
         Auto-Submitted: auto-generated\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\
         \r\n\
         mailplumb sent this message from your mailbox to itself to test outgoing mail.\r\n\
         Nothing needs to be done, and it may be deleted.\r\n",
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_addressed_to_itself_and_marked() {
        let address = Address::parse("anna@contoso.example").unwrap();
        let raw = String::from_utf8(compose(&address, "abc", Timestamp::UNIX_EPOCH)).unwrap();
        assert!(raw.contains("\r\nTo: <anna@contoso.example>\r\n"));
        assert!(raw.contains("\r\nX-Mailplumb-Test: abc\r\n"));
        assert!(raw.contains("\r\nDate: Thu, 1 Jan 1970 00:00:00 +0000\r\n"));
        assert!(raw.lines().all(|line| line.len() <= 78));
        let address = Address::parse("anna@bücher.example").unwrap();
        assert!(compose(&address, "abc", Timestamp::UNIX_EPOCH).is_ascii());
    }
}
