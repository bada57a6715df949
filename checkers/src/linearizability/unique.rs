//! Objects whose values tell who wrote them: near-linear algorithms in place of a search.
//!
//! General linearizability is NP-complete, for registers too; where every value is written at most
//! once it is not (Gibbons and Korach, "Testing shared memories", 1997, section 4). Here that
//! is carried on to operations that may or may not have happened: with unique values it is known which
//! of them did, so they cost nothing.
//!
//! Each file has one kind of object: [`register`] and [`cas_chains`] (which share [`zones`]), [`queue`],
//! [`stack`] and [`priority_queue`] (which share [`held`]), [`set`] and [`log`]. Each takes plain arrays and answers a [`Decision`]. They know nothing of
//! histories and specifications; who calls them does.

pub(crate) mod cas_chains;
pub(crate) mod cell;
mod covered;
pub(crate) mod decision;
pub(crate) mod growth;
mod held;
mod holders;
mod intervals;
pub(crate) mod log;
mod minimal;
mod others;
pub(crate) mod priority_queue;
pub(crate) mod queue;
pub(crate) mod register;
pub(crate) mod set;
pub(crate) mod stack;
mod zones;

#[cfg(test)]
mod brute_force;
#[cfg(test)]
mod cell_cases;
#[cfg(test)]
mod giving_cases;
#[cfg(test)]
mod growth_cases;

pub(crate) use decision::{Conflict, Decision};
pub(crate) use intervals::Span;
