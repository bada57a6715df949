//! A key-value store on one disk: a log, a memtable with versions, checkpoints, transactions, RESP.
//!
//! Any Redis client can talk to it. In the order in which it is best read:
//!
//! - [`store`]: the keys, their versions and snapshots, as a pure value.
//! - [`session`]: what a connection may do with them: commands, and two kinds of transaction.
//! - [`wal`]: how the store survives the power: the log, group commit, checkpoints, recovery.
//! - [`resp`] and [`command`]: what travels, and what it asks for; `operation` is what it does.
//! - [`server`]: the asynchronous shell around all of this.
//! - [`client`]: a client that is honest about what it does not know.
//! - [`truth`]: what a server reports of itself to whoever judges it.
//!
//! # What it promises
//!
//! - **Durability.** A write that has been answered is on the disk.
//! - **Visibility.** What can be read is on the disk: nobody reads what a power loss may take away.
//! - **Atomicity.** A transaction is one record of the log: it is there as a whole or not at all.
//! - **Linearizability** of single commands and of `MULTI` … `EXEC`; `MGET` is one snapshot.
//! - **Snapshot isolation** of `BEGIN` … `COMMIT`. Write skew is possible, lost updates and read skew are not.
//!   A transaction that has only read ends with `ROLLBACK` or `COMMIT`, which are the same then.
//! - **Honesty.** A failed fsync stops the server, and damage that no crash can have caused keeps it from
//!   starting, by file and offset.
//!
//! # The commands
//!
//! | as in Redis | |
//! |---|---|
//! | strings | `GET SET MGET MSET INCR DECR INCRBY DECRBY` (`SET` takes no options) |
//! | keys | `DEL EXISTS DBSIZE` |
//! | sets | `SADD SMEMBERS` (in order) |
//! | transactions | `WATCH UNWATCH MULTI EXEC DISCARD` |
//! | connections | `PING HELLO CLIENT COMMAND SELECT QUIT` (only RESP2, only database 0) |
//!
//! | of its own | |
//! |---|---|
//! | `BEGIN` | from here on this connection reads one snapshot, and its own writes |
//! | `COMMIT` | `+OK`: all writes are done; `-CONFLICT …`: nothing is, somebody else wrote one of the keys first |
//! | `ROLLBACK` | nothing is done |
//!
//! # What it does not do
//!
//! It has one node; all keys fit into memory; while it makes a checkpoint it answers nothing; keys do
//! not expire.

pub mod client;
pub mod command;
pub mod limits;
pub mod mutants;
mod operation;
pub mod resp;
pub mod server;
pub mod session;
pub mod store;
#[cfg(test)]
mod tests;
pub mod truth;
pub mod wal;
