//! What is wrong with files that no crash can leave behind.

use thiserror::Error;

/// A file that is not as it was written: no crash leaves it so, and no guess would be safe.
///
/// The server must not start: it may have lost what it promised to keep. What was expected and what was
/// found, the `problem`, each format has its own words for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}, byte {offset}: {problem}")]
pub struct Damage<P> {
    /// The name of the file in the system's directory.
    pub file: String,
    /// Where what is wrong begins.
    pub offset: u64,
    pub problem: P,
}
