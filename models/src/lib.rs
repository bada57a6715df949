//! The systems under test: real, durable and readable in an evening, with planted bugs to measure tests by.
//!
//! Each system is a pure state machine with a thin asynchronous shell around it, so that what is
//! hard to get right can be read, and tested, without a clock, a network or a disk. This crate
//! stands on `squall-sim` alone and knows nothing of workloads and checkers.
//!
//! - [`consensus`]: Raft, and a replicated key-value service on top of it.
//! - [`kv`]: a store on one disk, with transactions, that speaks RESP.
//! - [`broker`]: publish and subscribe, and a durable stream, in the NATS protocol.
//! - [`proxy`]: an HTTP reverse proxy, and backends for it.
//!
//! [`storage`] is what those with a disk have in common.

pub mod broker;
mod client_error;
pub mod consensus;
pub mod kv;
pub mod mutants;
pub mod proxy;
pub mod storage;

pub use client_error::ClientError;

/// A server at work, until it fails.
///
/// Boxed, so that it is compiled here and not once more in each crate that starts one.
pub type Serving<E> = std::pin::Pin<Box<dyn Future<Output = Result<(), E>>>>;
