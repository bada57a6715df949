//! A reverse proxy for HTTP/1.1 on hyper, and the backends and clients around it.
//!
//! hyper speaks the protocol; what is here decides. Each decision is a small machine without clock,
//! network or `async`, and the server is the thin shell that asks them.
//!
//! In the order in which they are best read:
//!
//! - [`balancer`]: which backend is asked.
//! - [`health`]: which backends are up, by asking them.
//! - [`breaker`]: which backends are left alone for a while, by what requests have seen.
//! - [`retry`] and [`budget`]: what may be sent again, and how often at the most.
//! - [`pool`]: which connections may be used again.
//! - [`server`]: the proxy itself.
//! - [`backend`]: a server to stand behind it, that can be overloaded.
//! - [`client`]: who asks.
//! - [`io`] and [`listen`]: hyper on this house's sockets and clocks.
//! - [`connection`]: a connection on which requests are sent, one after the other.
//! - [`headers`]: the names of headers, and which of them end at a proxy.
//! - [`truth`]: what proxy and backends report of themselves to whoever judges them.

pub mod backend;
pub mod balancer;
pub mod breaker;
pub mod budget;
pub mod client;
pub mod connection;
pub mod headers;
pub mod health;
pub mod io;
pub mod listen;
pub mod mutants;
pub mod pool;
pub mod retry;
pub mod server;
pub mod truth;

#[cfg(test)]
mod tests;
