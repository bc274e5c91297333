//! Where manifests come from.

mod cache;
pub mod directory;
mod git;
mod layers;
mod links;
mod lookout;
pub mod watch;

use std::path::PathBuf;

pub use lookout::{Files, Lookout};

use crate::model::problem::{Extent, FileStamp, FoundFile, SourceFile};

/// A place that holds a manifest. The engine knows this trait only.
pub trait Source: Send + Sync {
    /// Every file of the manifest, in a fixed order.
    fn load(&self) -> Result<Vec<SourceFile>, SourceError>;

    /// [`Source::load`], but a file that still has the stamp that is known of it, by its name, may be left unread.
    fn load_changed(
        &self,
        _known: &dyn Fn(&str) -> Option<FileStamp>,
    ) -> Result<Vec<FoundFile>, SourceError> {
        let whole = |file| FoundFile { file, stamp: None, extent: Extent::Whole };
        Ok(self.load()?.into_iter().map(whole).collect())
    }

    /// A lock that somebody holds who is writing the files at this moment.
    fn write_lock(&self) -> Option<PathBuf> {
        None
    }

    /// Whether anything can be remembered here.
    fn remembers(&self) -> bool {
        false
    }

    /// What [`Source::remember`] was given last, by this process or another one. Anybody may have written it.
    fn recall(&self) -> Option<Vec<u8>> {
        None
    }

    /// Keeps something for the next reading, where that is possible. Losing it only costs time.
    fn remember(&self, _bytes: &[u8]) {}
}

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("no manifest at `{}`", .0.display())]
    Missing(PathBuf),
    #[error("`{}` holds no `.yaml` or `.yml` file", .0.display())]
    Empty(PathBuf),
    #[error("`{}` cannot be read: {detail}", path.display())]
    Unreadable { path: PathBuf, detail: String },
    #[error("the manifest is larger than {0} bytes")]
    TooLarge(u64),
    #[error("the manifest has more than {0} files")]
    TooMany(usize),
    #[error("`{}` is named twice as a layer", .0.display())]
    Twice(PathBuf),
    #[error("the layer `{}` is inside the layer `{}`, which reads it too", inner.display(), outer.display())]
    Overlap { outer: PathBuf, inner: PathBuf },
    #[error("a manifest has at most {0} layers")]
    TooManyLayers(usize),
}
