//! Transactions that read by predicates are judged as the definitions say, and known anomalies by their
//! names.

mod differential;
mod known_cases;
mod reference;
