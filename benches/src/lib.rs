//! The work that engines are compared by, on Squall's. What it is in numbers is in
//! `squall-bench-work`, and the same work on other engines in `benches/peers`.
//!
//! Checkers are given the histories that the field's figures are quoted for: [`history`] records them, and
//! [`speed`] has those of the table of speed in `checkers/README.md`.

mod fan_in;
mod heartbeat;
mod histories;
pub mod lists;
mod ping_pong;
mod sleepers;
pub mod speed;

use std::time::Duration;

use squall_bench_work::Work;
use squall_sim::engine::{Config, Latency, NetworkConfig};

pub use self::fan_in::fan_in;
pub use self::heartbeat::heartbeat_cluster;
pub use self::histories::{history, jepsen_log, recorded};
pub use self::ping_pong::ping_pong;
pub use self::sleepers::sleepers;

/// Does a work once; answers how much was done.
pub fn engine(work: Work) -> u64 {
    match work {
        Work::Heartbeat => heartbeat_cluster(squall_bench_work::heartbeat::VIRTUAL_SECONDS),
        Work::PingPong => ping_pong(squall_bench_work::ping_pong::ROUND_TRIPS),
        Work::Sleepers => sleepers(squall_bench_work::sleepers::TASKS),
        Work::FanIn => fan_in(squall_bench_work::fan_in::CLIENTS),
    }
}

fn config(latency_min: Duration, latency_max: Duration) -> Config {
    let network = NetworkConfig {
        latency: Latency::Uniform {
            min_ns: latency_min.as_nanos() as u64,
            max_ns: latency_max.as_nanos() as u64,
        },
        ..NetworkConfig::default()
    };
    Config {
        network,
        ..Config::new(1)
    }
}
