//! Squall finds the bugs of distributed systems before their users do.
//!
//! A system is written once, against [`time`], [`net`], [`fs`], [`task`] and [`rand`]; Squall runs it
//! in a simulated world where clock, network and disk misbehave on a seed, records what clients saw,
//! and decides with [`checkers`] whether that was possible.
//!
//! This crate is what users import, and the command line. The parts stand on their own:
//! `squall-sim` is the simulator, `squall-checkers` judges anybody's history.

pub use squall_checkers as checkers;
pub use squall_macros::test;
pub use squall_sim::{emit, engine, fault, fs, log, memory, mutant, net, rand, signal, task, time};

pub mod testing;

pub mod campaign;
pub mod cli;
pub mod commands;
pub mod doctor;
pub mod exit;
