//! Folders below the inbox that are read like it: how they are found, and how far each was read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::failure::Cause;
use crate::model::limits;
use crate::protocol::ews::{FindFolder, Folder, FolderId, Traversal, WellKnown};

use super::session::{EwsFailure, Session};
use crate::remote::tracked::Tracked;

/// Finds folders by their paths below the inbox, as people see them.
pub(super) async fn find(session: &mut Session, paths: &[String]) -> Result<Tracked<FolderId>, Cause> {
    let mut tracked = Tracked::default();
    if paths.is_empty() {
        return Ok(tracked);
    }
    let all = all_below_inbox(session).await.map_err(EwsFailure::cause)?;
    let by_path = by_path(&all);
    for path in paths.iter().take(limits::TRACKED_FOLDERS_MAX) {
        match by_path.get(&path.trim_matches('/').to_lowercase()) {
            Some(id) if !tracked.folders.contains(id) => tracked.folders.push(id.clone()),
            Some(_) => {}
            None => tracked.missing.push(path.clone()),
        }
    }
    Ok(tracked)
}

async fn all_below_inbox(session: &mut Session) -> Result<Vec<Folder>, EwsFailure> {
    use crate::protocol::ews::NextPage;
    let mut all: Vec<Folder> = Vec::new();
    let mut offset = 0;
    loop {
        let operation = FindFolder {
            parent: session.folder(WellKnown::Inbox),
            traversal: Traversal::Deep,
            name: None,
            offset,
            count_max: limits::EWS_FOLDERS_PAGE,
        };
        let found = session.call(&operation).await?;
        all.extend(found.folders);
        if all.len() > limits::EWS_FOLDERS_MAX {
            return Err(
                super::exceeded("the number of folders below the inbox", limits::EWS_FOLDERS_MAX).into()
            );
        }
        match found.next {
            NextPage::At(next) => offset = next,
            NextPage::Last => return Ok(all),
        }
    }
}

/// Paths in lower case: two folders beside each other never differ in nothing but case.
fn by_path(folders: &[Folder]) -> BTreeMap<String, FolderId> {
    let by_id: BTreeMap<&FolderId, &Folder> = folders.iter().map(|folder| (&folder.id, folder)).collect();
    let path = |folder: &Folder| {
        let mut names = vec![folder.name.clone()?];
        let mut above = folder.parent.as_ref().and_then(|parent| by_id.get(parent));
        // A server that says that folders lie in each other does not keep us for ever.
        while let Some(parent) = above.filter(|_| names.len() <= limits::EWS_DEPTH_MAX) {
            names.push(parent.name.clone()?);
            above = parent.parent.as_ref().and_then(|parent| by_id.get(parent));
        }
        names.reverse();
        Some(names.join("/").to_lowercase())
    };
    folders.iter().filter_map(|folder| Some((path(folder)?, folder.id.clone()))).collect()
}

/// How far the inbox, each tracked folder and Sent Items were read. As one text it is the state of the mailbox: where nothing but the inbox
/// was read, the server's own; otherwise JSON, with which no state of a server begins, because those are base64, or links.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(in crate::remote) struct States {
    pub inbox: Option<String>,
    /// By the folder's id.
    pub folders: BTreeMap<String, String>,
    /// Of Sent Items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
    /// Whether the states are about categories, too, where a server has to be told that in the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<bool>,
}

impl States {
    pub fn parse(text: &str) -> Self {
        let whole = if text.starts_with('{') { serde_json::from_str(text).ok() } else { None };
        whole.unwrap_or_else(|| Self { inbox: Some(text.to_owned()), ..Self::default() })
    }

    pub fn render(self) -> Result<String, Cause> {
        if self.folders.is_empty() && self.sent.is_none() && self.categories.is_none() {
            return Ok(self.inbox.unwrap_or_default());
        }
        serde_json::to_string(&self).map_err(|error| Cause::Internal { detail: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(id: &str, parent: &str, name: &str) -> Folder {
        Folder {
            id: FolderId(id.to_owned()),
            parent: Some(FolderId(parent.to_owned())),
            name: Some(name.to_owned()),
            class: None,
            total: None,
            unread: None,
        }
    }

    #[test]
    fn a_folder_is_found_by_its_path_below_the_inbox() {
        let all =
            [folder("b", "a", "Contoso"), folder("a", "inbox", "Customers"), folder("c", "inbox", "Contoso")];
        let found = by_path(&all);
        let id = |path: &str| found.get(path).map(|id| id.0.as_str());
        assert_eq!(
            (id("customers/contoso"), id("contoso"), id("customers")),
            (Some("b"), Some("c"), Some("a"))
        );
        let circle = [folder("a", "b", "A"), folder("b", "a", "B")];
        assert_eq!(by_path(&circle).len(), 2);
    }

    #[test]
    fn states_of_several_folders_are_one_text_and_that_of_the_inbox_alone_is_the_servers() {
        let alone = States { inbox: Some("H4sIAA==".to_owned()), ..States::default() };
        assert_eq!(alone.clone().render(), Ok("H4sIAA==".to_owned()));
        assert_eq!(States::parse("H4sIAA=="), alone);
        let folders = BTreeMap::from([("F".to_owned(), "s".to_owned())]);
        let several = States { folders, ..alone };
        assert_eq!(States::parse(&several.clone().render().unwrap()), several);
        let sent = States { sent: Some("s".to_owned()), ..States::default() };
        assert_eq!(States::parse(&sent.clone().render().unwrap()), sent);
        assert_eq!(States::parse("{").inbox.as_deref(), Some("{"));
    }
}
