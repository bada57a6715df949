//! Histories, sequential specifications and checkers.
//!
//! A *history* is what clients of a system saw: operations that were invoked and then returned
//! (`ok`), certainly did not happen (`fail`) or may or may not have happened (`info`). A checker
//! decides whether that history was possible, and says why not in a sentence.
//!
//! This crate knows nothing of simulation: it judges anybody's history. How histories come about, and
//! how a verdict is shown, is left to others.
//!
//! In reading order: a [`history::History`] is read or built from [`history::Event`]s and pairs them
//! into [`history::Operation`]s. A [`spec::Spec`] says how a system would behave one operation at a
//! time; [`specs`] has those that come with the crate. [`linearizability::check`] judges the one by the
//! other and answers a [`verdict::Verdict`]. [`named`] holds checkers of other laws, such as those of banks,
//! sets, queues, logs, watches, locks, counters and ids, of forks and reversals among reads, and of how
//! well a system serves. [`isolation`] judges transactions by the consistency models that databases
//! promise, [`sessions`] what each client may rely on. [`check`] calls all but recovery after faults,
//! which must be told when these ended, by the names that a command line uses.

pub mod history;
pub mod isolation;
pub mod linearizability;
pub mod model;
pub mod named;
mod random;
pub mod sessions;
mod sorting;
pub mod spec;
pub mod specs;
pub mod verdict;

pub use history::History;
pub use linearizability::{Limits, Strategy};
pub use model::{Model, Options, check, check_linearizable, report};
pub use spec::Spec;
pub use specs::FailedCas;
pub use verdict::{Anomaly, Dependency, DependencyKind, Verdict};

/// Compiles and runs what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
