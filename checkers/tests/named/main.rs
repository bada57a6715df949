//! The named checkers: each agrees with a naive reading of its law on random histories, says since
//! which event that is so, and tells anomalies in sentences.

mod adya_g2;
mod availability;
mod bank;
mod causal_reverse;
mod counter;
mod fanout;
mod histories;
mod kafka;
mod lock;
mod long_fork;
mod models;
mod monotonic;
mod nonce_echo;
mod queue;
#[path = "../../src/random.rs"]
mod random;
mod recovery;
mod set;
mod simulated;
mod speed;
mod unique_ids;
mod watch;
