//! Publish and subscribe, and durable streams: a message broker that speaks the NATS text protocol.
//!
//! One node. Messages go to whoever is subscribed at the moment, at most once; those of a *stream* are
//! durable before they are acknowledged, stored once for their id, and handed to consumers until they say
//! that they are done.
//!
//! In the order in which they are best read:
//!
//! - [`protocol`], [`headers`], [`subject`]: what travels, as pure functions of bytes and text.
//! - [`trie`], `router`: who hears what.
//! - [`streams`]: storing, de-duplicating, delivering and acknowledging, as a pure state machine.
//! - [`journal`]: how its changes survive the power.
//! - [`server`]: the asynchronous shell around them. [`client`]: who talks to it.
//! - [`truth`]: what a broker reports of itself to whoever judges it.

pub mod client;
pub mod headers;
pub mod journal;
pub mod mutants;
pub mod protocol;
mod router;
pub mod server;
pub mod streams;
pub mod subject;
#[cfg(test)]
mod tests;
pub mod trie;
pub mod truth;
