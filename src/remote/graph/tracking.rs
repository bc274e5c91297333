//! Folders below the inbox that are read like it: how they are found. The service shows one level at a time.

use std::collections::BTreeMap;

use super::session::{GraphFailure, Session};
use crate::model::failure::Cause;
use crate::model::limits;
use crate::protocol::graph::{Folder, ListMailFolders, MailFolder};
use crate::remote::tracked::Tracked;

/// Finds folders by their paths below the inbox, as people see them: in whatever case, because two folders beside each other
/// never differ in nothing else.
pub(super) async fn find(session: &mut Session, paths: &[String]) -> Result<Tracked<String>, Cause> {
    let mut tracked = Tracked::default();
    let mut levels = Levels::default();
    for path in paths.iter().take(limits::TRACKED_FOLDERS_MAX) {
        match levels.find(session, path).await.map_err(GraphFailure::cause)? {
            Some(id) if !tracked.folders.contains(&id) => tracked.folders.push(id),
            Some(_) => {}
            None => tracked.missing.push(path.clone()),
        }
    }
    Ok(tracked)
}

/// The levels that were asked for: of each folder the ids of those right below it, by their names in lower case.
#[derive(Default)]
struct Levels(BTreeMap<Option<String>, BTreeMap<String, String>>);

impl Levels {
    async fn find(&mut self, session: &mut Session, path: &str) -> Result<Option<String>, GraphFailure> {
        let mut place: Option<String> = None;
        for name in path.split('/').filter(|name| !name.is_empty()).take(limits::EWS_DEPTH_MAX) {
            if !self.0.contains_key(&place) {
                let below = place.clone().map_or(Folder::Inbox, Folder::Id);
                let all = folders_below(session, Some(below)).await?;
                let named = |folder: MailFolder| Some((folder.name?.to_lowercase(), folder.id));
                self.0.insert(place.clone(), all.into_iter().filter_map(named).collect());
            }
            match self.0.get(&place).and_then(|level| level.get(&name.to_lowercase())) {
                Some(id) => place = Some(id.clone()),
                None => return Ok(None),
            }
        }
        Ok(place)
    }
}

/// All folders right below one; `None`: below the root.
pub(super) async fn folders_below(
    session: &mut Session,
    below: Option<Folder>,
) -> Result<Vec<MailFolder>, GraphFailure> {
    let host = session.host().to_owned();
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = session.call(&ListMailFolders { host: &host, below: below.clone(), after }).await?;
        let is_empty = page.folders.is_empty();
        all.extend(page.folders);
        if all.len() > limits::EWS_FOLDERS_MAX {
            return Err(super::exceeded("the number of folders of a mailbox", limits::EWS_FOLDERS_MAX).into());
        }
        match page.next {
            Some(_) if is_empty => {
                let detail = "it says that there are more folders, and does not tell them".to_owned();
                return Err(Cause::Garbage { detail }.into());
            }
            Some(next) => after = Some(next),
            None => return Ok(all),
        }
    }
}
