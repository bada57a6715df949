//! A replicated key-value service: Raft, a state machine with client sessions, and their protocol.
//!
//! In the order in which they are best read:
//!
//! - [`raft`]: how a group of nodes agrees on a log, as a pure state machine.
//! - [`log`]: how a node keeps its log, its vote and its snapshot on a disk that may lose power.
//! - [`service`]: what the log is for: keys and values, changed exactly once for each request.
//! - [`wire`]: how both speak over a stream of bytes.
//! - [`truth`]: what a node reports of itself to whoever judges it.

pub mod client;
pub mod log;
pub mod mutants;
pub mod raft;
pub mod server;
pub mod service;
pub mod truth;
pub mod wire;
