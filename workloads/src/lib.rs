//! Plans, generators, nemeses, scenarios and the runner: from a seed to a record and a verdict.

pub mod plan;
pub mod record;
