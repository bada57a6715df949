//! The planted bugs of the kv.

use crate::mutants::Mutant;

/// The planted bugs, in the order of tables.
pub const MUTANTS: &[Mutant] = &[];
