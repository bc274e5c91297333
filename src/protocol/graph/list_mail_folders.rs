//! The folders of a mailbox, or of a folder. <https://learn.microsoft.com/graph/api/user-list-mailfolders>

use serde::Deserialize;

use super::get_mail_folder::SELECTED;
use super::{Call, Folder, GraphError, Link, MailFolder, Operation, document, path};
use crate::model::name::Address;
use crate::protocol::http::Method;

/// Folders of one page; the service does not go deeper than one level at a time.
#[derive(Debug)]
pub struct ListMailFolders<'a> {
    /// Whom links may lead to.
    pub host: &'a str,
    /// `None`: those right below the root.
    pub below: Option<Folder>,
    /// Where the last page said that the next one is.
    pub after: Option<Link>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct MailFolders {
    pub folders: Vec<MailFolder>,
    pub next: Option<Link>,
}

#[derive(Deserialize)]
struct Document {
    value: Vec<MailFolder>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

impl Operation for ListMailFolders<'_> {
    type Response = MailFolders;

    fn call(&self, user: &Address) -> Call {
        let path = match (&self.after, &self.below) {
            (Some(link), _) => link.path().to_owned(),
            (None, None) => format!("{}?{SELECTED}&$top=100", path(user, &["mailFolders"])),
            (None, Some(folder)) => {
                format!("{}?{SELECTED}&$top=100", path(user, &["mailFolders", folder.key(), "childFolders"]))
            }
        };
        Call::new(Method::Get, path)
    }

    fn read(&self, body: &[u8]) -> Result<MailFolders, GraphError> {
        let Document { value, next } = document::read("a list of folders", body)?;
        let next = next.map(|link| Link::parse(&link, self.host)).transpose()?;
        Ok(MailFolders { folders: value, next })
    }
}
