//! The octets of a message on their way out, never held whole.

use std::ops::Range;

use crate::cli::exit::Failure;
use crate::cli::output;
use crate::model::record::ContentHash;
use crate::store::Store;

/// Read and printed in one go.
const PIECE_BYTES: u64 = 1024 * 1024;

/// What is in the store of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    Octets,
    Nothing,
}

/// Prints the message as it was received. What is damaged is told when all of it was read: nobody knows before.
pub async fn print(store: &dyn Store, content: &ContentHash) -> Result<Held, Failure> {
    let mut hasher = blake3::Hasher::new();
    let mut printed = 0;
    loop {
        let Some(piece) = store.raw_part(content, part(printed)).await? else { return Ok(Held::Nothing) };
        if piece.is_empty() {
            break;
        }
        hasher.update(&piece);
        printed += piece.len() as u64;
        output::bytes(&piece)?;
    }
    if hasher.finalize().to_hex().as_str() == content.0 {
        return Ok(Held::Octets);
    }
    Err(Failure::new(format!("blob {} holds something else than was stored", content.0))
        .cause("the disk or somebody has changed it")
        .hint("what was printed is not the message; a copy made with `mailplumb state backup` has it"))
}

fn part(start: u64) -> Range<u64> {
    start..start + PIECE_BYTES
}
