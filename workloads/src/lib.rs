//! Plans, generators, nemeses, scenarios and the runner: from a seed to a record and a verdict.
//!
//! A [`scenario`] makes a [`plan`] of a seed; the [`runner`] runs it in the engine and answers a
//! [`record`]; [`judge`] makes a verdict of that. What clients do comes from a [`generator`], what is
//! done to machines from a [`nemesis`]. Servers run on the machines of a [`cluster`], and [`clients`] on
//! machines of their own; [`invariants`] are judged while they run. A failure becomes a [`capsule`].
//! What the runner must know of a system under test is in [`system`], and [`scenarios`] has those that
//! there are.
//!
//! This crate writes no files and knows no command line.

pub mod plan;
pub mod record;

pub mod scenario;
pub mod scenarios;
pub mod system;

pub mod generator;
pub mod history;
pub mod invariants;
pub mod nemesis;

pub mod clients;
pub mod cluster;
mod gathering;
pub mod runner;

pub mod capsule;
pub mod judge;
