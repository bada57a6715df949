//! The named checkers: each agrees with a naive reading of its law on random histories, says since
//! which event that is so, and tells anomalies in sentences.

mod bank;
mod fanout;
mod histories;
mod nonce_echo;
mod queue;
mod recovery;
mod set;
