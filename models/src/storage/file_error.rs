//! A file that could not be read or written.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// What could not be done to which file, and why.
#[derive(Debug, Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FileError {
    pub action: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

impl FileError {
    /// Adds to an error, by `map_err`, what was to be done with the file.
    pub(crate) fn to(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self {
            action,
            path: path.to_owned(),
            source,
        }
    }
}
