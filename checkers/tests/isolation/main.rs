//! Checkers of transactions and of sessions, against naive readings of the same laws.

mod closed_predicate;
mod cycles;
mod list_append;
#[path = "../../src/random.rs"]
mod random;
mod rw_register;
mod sessions;
