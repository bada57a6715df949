//! Publish and subscribe, and a durable stream.

pub mod mutants;
