//! An HTTP reverse proxy.

pub mod mutants;
