//! What the systems' logs on disk have in common. Each has its own format and its own protocol, and both can be
//! read in one place: [`consensus::log`](crate::consensus), [`kv::wal`](crate::kv), [`broker::journal`](crate::broker).
//! Here is what they are made of.
//!
//! - `frame`: what one fsync makes durable, and how it is told from what was not written there.
//! - `checked`, `fields`: the checksums of bytes, and the numbers in them.
//! - `torn_end`: how a file is taken up again after a crash.
//! - `directory`: directories that are durable.
//! - `damage`: which file no crash can have left as it is, where, and in what way.
//! - `file_error`: which file could not be read or written.

pub(crate) mod checked;
mod damage;
pub(crate) mod directory;
pub(crate) mod fields;
mod file_error;
pub(crate) mod frame;
pub(crate) mod torn_end;

pub use checked::BadBytes;
pub use damage::Damage;
pub use file_error::FileError;
