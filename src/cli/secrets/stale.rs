//! Ciphertexts that are not for those who should be able to read them.

use std::collections::BTreeSet;

use super::manuscript::Manuscript;
use crate::manifest::written::WrittenSecret;

/// `stale: not for ci, still for ops`. `None`: what is written beside the ciphertext are the organization's recipients, and the
/// ciphertext is for as many. Whether it is for just those shows only to somebody who can open it.
pub fn words(manuscript: &Manuscript, written: &WrittenSecret) -> Option<String> {
    let should: BTreeSet<&String> = manuscript.recipients.keys().collect();
    let is: BTreeSet<&String> = written.sealed_to.iter().collect();
    let list = |names: Vec<&&String>| names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    let (missing, surplus) =
        (should.difference(&is).collect::<Vec<_>>(), is.difference(&should).collect::<Vec<_>>());
    match (missing.is_empty(), surplus.is_empty()) {
        (true, true) => fewer(manuscript, written, is.len()),
        (false, true) => Some(format!("stale: not for {}", list(missing))),
        (true, false) => Some(format!("stale: still for {}", list(surplus))),
        (false, false) => Some(format!("stale: not for {}, still for {}", list(missing), list(surplus))),
    }
}

/// As many names as `sealedTo` has are not in the ciphertext's header.
fn fewer(manuscript: &Manuscript, written: &WrittenSecret, named: usize) -> Option<String> {
    let readers = written.readers(&manuscript.files).filter(|readers| *readers < named)?;
    Some(format!("stale: encrypted to {readers} of the {named} in `sealedTo`"))
}
