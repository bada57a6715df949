//! The engine: our own deterministic world.

pub mod disk;

use serde::{Deserialize, Serialize};

/// The order of ready tasks, and of events of one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// First come, first served.
    Fifo,
    /// By a keyed priority of (identity, its how-many-th wake-up).
    #[default]
    Random,
}
