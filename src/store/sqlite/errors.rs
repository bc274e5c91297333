//! What an error of SQLite or of the file system means for whoever asked the store.

use std::io;

use rusqlite::ffi::{ErrorCode, SQLITE_IOERR_SHMSIZE};

use crate::store::StoreError;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        meaning(&error)
    }
}

/// The same as the conversion, for an error that several callers have to be told of.
pub(super) fn meaning(error: &rusqlite::Error) -> StoreError {
    use rusqlite::Error as E;
    // A column that does not hold what we wrote into it.
    if matches!(
        error,
        E::FromSqlConversionFailure(..)
            | E::IntegralValueOutOfRange(..)
            | E::InvalidColumnType(..)
            | E::Utf8Error(..)
    ) {
        return StoreError::Damaged(error.to_string());
    }
    match error.sqlite_error_code() {
        Some(code) => by_code(code, error),
        None => StoreError::Failed(error.to_string()),
    }
}

fn by_code(code: ErrorCode, error: &rusqlite::Error) -> StoreError {
    let words = error.to_string();
    // The shared memory beside the database could not be made larger.
    let is_grown_in_vain = error.sqlite_error().is_some_and(|it| it.extended_code == SQLITE_IOERR_SHMSIZE);
    if code == ErrorCode::DiskFull || is_grown_in_vain {
        StoreError::Full
    } else if [ErrorCode::ReadOnly, ErrorCode::CannotOpen, ErrorCode::PermissionDenied].contains(&code) {
        StoreError::ReadOnly(words)
    } else if code == ErrorCode::NotADatabase {
        StoreError::NotAStore(words)
    } else if code == ErrorCode::DatabaseCorrupt {
        StoreError::Damaged(words)
    } else if [ErrorCode::DatabaseBusy, ErrorCode::DatabaseLocked].contains(&code) {
        StoreError::Locked { holder: None, since: None }
    } else {
        StoreError::Failed(words)
    }
}

/// An error of the file system, at a file or folder of the store.
pub(super) fn at_file(path: &std::path::Path, error: &io::Error) -> StoreError {
    let words = format!("{}: {error}", path.display());
    let kind = error.kind();
    if [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded].contains(&kind) {
        StoreError::Full
    } else if [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem].contains(&kind) {
        StoreError::ReadOnly(words)
    } else {
        StoreError::Failed(words)
    }
}
