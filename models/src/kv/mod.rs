//! A key-value store on one disk.

pub mod mutants;
