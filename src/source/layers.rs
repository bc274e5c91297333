//! What several layers are called, so that no two files of a manifest have the same name.
//!
//! A layer is named by its path below the folder that holds all layers: the same names come out wherever the manifest
//! stands and however the paths are spelled.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::SourceError;
use crate::model::limits;
use crate::model::problem::Layer;

/// The layer of each path; none for a single one. Layers that hold the same files are refused.
pub fn of(paths: &[PathBuf]) -> Result<Vec<Option<Arc<Layer>>>, SourceError> {
    if paths.len() <= 1 {
        return Ok(vec![None; paths.len()]);
    }
    if paths.len() > limits::MANIFEST_LAYERS_MAX {
        return Err(SourceError::TooManyLayers(limits::MANIFEST_LAYERS_MAX));
    }
    let real = paths.iter().map(|path| real(path)).collect::<Result<Vec<_>, _>>()?;
    if let Some(error) = overlap(paths, &real) {
        return Err(error);
    }
    // The names that people use; where links make them ambiguous, those that the file system uses.
    let spelled: Vec<PathBuf> = paths.iter().map(|path| spelled(path)).collect();
    let roots = if overlap(paths, &spelled).is_some() { real } else { spelled };
    let above = shared(&roots);
    let layers = roots.iter().zip(0u16..).map(|(root, number)| {
        let label = root.strip_prefix(&above).unwrap_or(root).to_string_lossy();
        Some(Arc::new(Layer { number, label: Arc::from(label) }))
    });
    Ok(layers.collect())
}

fn real(path: &Path) -> Result<PathBuf, SourceError> {
    path.canonicalize().map_err(|error| {
        let path = path.to_owned();
        if error.kind() == std::io::ErrorKind::NotFound {
            SourceError::Missing(path)
        } else {
            SourceError::Unreadable { path, detail: error.to_string() }
        }
    })
}

/// Two of the layers that are the same, or one of which is inside the other.
fn overlap(paths: &[PathBuf], roots: &[PathBuf]) -> Option<SourceError> {
    for (later, (path, root)) in paths.iter().zip(roots).enumerate() {
        for (earlier_path, earlier) in paths.iter().zip(roots).take(later) {
            if root == earlier {
                return Some(SourceError::Twice(path.clone()));
            }
            if root.starts_with(earlier) {
                return Some(SourceError::Overlap { outer: earlier_path.clone(), inner: path.clone() });
            }
            if earlier.starts_with(root) {
                return Some(SourceError::Overlap { outer: path.clone(), inner: earlier_path.clone() });
            }
        }
    }
    None
}

/// The absolute path as it is spelled, without `.` and `..`; links are not followed.
fn spelled(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                result.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => result.push(component),
        }
    }
    result
}

/// The innermost folder that holds all of them.
fn shared(roots: &[PathBuf]) -> PathBuf {
    let mut above = roots.first().cloned().unwrap_or_default();
    while !roots.iter().all(|root| root != &above && root.starts_with(&above)) {
        if !above.pop() {
            break;
        }
    }
    above
}
