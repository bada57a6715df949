//! Invariants that are judged at every step, by what servers say of themselves. One a file.

mod durability;
mod election_safety;
mod one_vote;
mod state_machine_safety;

pub use durability::Durability;
pub use election_safety::ElectionSafety;
pub use one_vote::OneVote;
pub use state_machine_safety::{Application, StateMachineSafety};

use squall_checkers::verdict::Anomaly;

/// The anomaly of an invariant that does not hold.
fn broken(checker: &str, class: &str, sentence: String) -> Anomaly {
    Anomaly {
        checker: checker.to_owned(),
        class: class.to_owned(),
        sentence,
        witness: Vec::new(),
        first_bad_event: None,
        explanation: Vec::new(),
    }
}
