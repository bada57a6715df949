//! Transactional isolation: which consistency models can a history of transactions satisfy?
//!
//! [`models`] says what each model forbids, [`phenomena`] what there is to forbid. Most phenomena are
//! cycles of transactions, each of which must have come before the next: a [`graph::Graph`] holds what
//! is known of who came before whom, [`orders`] adds to it session order and real time, and
//! [`cycles::find`] says which phenomena its cycles are. [`list_append`] judges transactions that append
//! to lists and read them, [`rw_register`] transactions of registers, [`closed_predicate`] transactions
//! that read by predicates.

pub mod closed_predicate;
pub mod components;
pub mod cycles;
mod first_bad;
pub mod graph;
mod layers;
pub mod list_append;
pub mod models;
pub mod orders;
pub mod phenomena;
mod reach;
pub mod rw_register;
mod subgraph;
mod told;
mod walk;
