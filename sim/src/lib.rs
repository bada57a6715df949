//! A deterministic world of clocks, networks and disks that misbehave on a seed.

pub mod engine;
pub mod fault;
pub mod keyed;
pub mod mutant;
pub mod time;
