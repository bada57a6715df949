//! The scenarios that come with Squall, a file a system.

pub mod broker;
pub mod consensus;
mod draft;
pub mod kv;
pub mod proxy;
