//! Histories, sequential specifications and checkers.
//!
//! A *history* is what clients of a system saw: operations that were invoked and then returned
//! (`ok`), certainly did not happen (`fail`) or may or may not have happened (`info`). A checker
//! decides whether that history was possible, and says why not in a sentence.
//!
//! This crate knows nothing of simulation: it judges anybody's history.

pub mod history;
pub mod verdict;
