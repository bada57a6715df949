//! What a server says that it does, as it does it: the ground truth that it is judged by.
//!
//! Of one server, in the order of its events over all incarnations:
//!
//! - a version is [synced](Truth::Synced) before it is [visible](Truth::Visible),
//!   [read](Truth::ReadServed) or [acknowledged](Truth::Acknowledged);
//! - what has been synced is [restored](Truth::Restored) by every later start: the restored version is no
//!   less than any that was synced, visible, read or acknowledged before.

use super::store::Version;

/// An event in a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    /// The server has started from what its disk remembered.
    Restored {
        /// The last commit that it knows.
        version: Version,
        /// The version of its checkpoint; zero without one.
        checkpoint: Version,
        /// The bytes of a torn tail that it has cut off.
        cut_off_bytes: u64,
    },
    /// The server has found files that no crash can leave behind, and does not start.
    RefusedToStart { reason: String },
    /// The commits up to here are durable: their fsync has succeeded.
    Synced { version: Version },
    /// The commits up to here can be read.
    Visible { version: Version },
    /// A client's read is answered from the store as of this version.
    ReadServed { version: Version },
    /// A client is told that this commit is done.
    Acknowledged { version: Version },
    /// A checkpoint of the store as of this version is durable, and the log before it is gone.
    Checkpointed { version: Version },
    /// The server cannot write, and stops rather than promise what it cannot keep.
    Stopped { reason: String },
}
