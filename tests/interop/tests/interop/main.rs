//! Other people's clients are understood, and what they were told outlives the servers.

mod nats;
mod redis;
#[path = "../../../tokio_world/server.rs"]
#[allow(dead_code, reason = "other tests of servers use more of it")]
mod server;

/// What `server` starts.
mod program {
    pub(crate) use squall_interop::squall;
}
