//! A replicated key-value service: Raft, a state machine with client sessions, and their protocol.
//!
//! In the order in which they are best read:
//!
//! - [`raft`]: how a group of nodes agrees on a log, as a pure state machine.

pub mod raft;
