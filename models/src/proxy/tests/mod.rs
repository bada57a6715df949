//! The proxy in the engine: with backends and clients, under faults, with and without planted bugs.

mod peers;
mod recovery;
mod storms;
mod world;
