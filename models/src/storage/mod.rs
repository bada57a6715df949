//! What the systems' logs on disk have in common. Each has its own format and its own protocol, and both can be
//! read in one place: [`consensus::log`](crate::consensus), [`kv::wal`](crate::kv), [`broker::journal`](crate::broker).
//! Here is what they are made of.
//!
//! - `damage`: which file no crash can have left as it is, where, and in what way.
//! - `file_error`: which file could not be read or written.

mod damage;
mod file_error;

pub use damage::Damage;
pub use file_error::FileError;
