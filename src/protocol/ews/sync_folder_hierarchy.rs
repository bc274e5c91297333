//! SyncFolderHierarchy: which folders came, changed and went.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/syncfolderhierarchy-operation>

use super::element::Element;
use super::folder::{self, Folder, FolderId, FolderRef};
use super::{EwsError, Operation, Xml, missing, only_message};

#[derive(Debug, Clone)]
pub struct SyncFolderHierarchy {
    /// What lies below it; `None`: the whole mailbox.
    pub below: Option<FolderRef>,
    /// None of [`super::SyncFolderItems`]: the two do not understand each other's states.
    pub state: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FolderChange {
    Created(Folder),
    Updated(Folder),
    Deleted(FolderId),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HierarchyChanges {
    pub state: String,
    pub changes: Vec<FolderChange>,
    pub is_last: bool,
}

impl Operation for SyncFolderHierarchy {
    type Response = HierarchyChanges;
    const NAME: &'static str = "SyncFolderHierarchy";

    fn write(&self, xml: &mut Xml) {
        folder::write_shape(xml);
        if let Some(below) = &self.below {
            below.write_in(xml, "m:SyncFolderId");
        }
        if let Some(state) = &self.state {
            xml.text("m:SyncState", state);
        }
    }

    fn read(&self, answer: &Element) -> Result<HierarchyChanges, EwsError> {
        let message = only_message(answer)?;
        let state = message.text_of("SyncState").ok_or_else(|| missing("a sync state"))?.to_owned();
        let is_last = message.text_of("IncludesLastFolderInRange");
        let changes = message.child("Changes").map_or(&[][..], |changes| &changes.children);
        Ok(HierarchyChanges {
            state,
            changes: changes.iter().filter_map(change).collect(),
            // Old servers do not page and do not say so.
            is_last: is_last.is_none_or(|text| matches!(text, "true" | "1")),
        })
    }
}

fn change(element: &Element) -> Option<FolderChange> {
    let folder = || element.children.first().and_then(Folder::of);
    match element.name.as_str() {
        "Create" => folder().map(FolderChange::Created),
        "Update" => folder().map(FolderChange::Updated),
        "Delete" => element.child("FolderId").and_then(folder::id_of).map(FolderChange::Deleted),
        _ => None,
    }
}
