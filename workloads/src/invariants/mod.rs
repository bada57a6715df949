//! Invariants that are judged at every step, by what servers say of themselves. One a file.

mod at_most_once;
mod durability;
mod election_safety;
mod exclusive_delivery;
pub mod half_open;
mod one_vote;
mod retry_budget;
mod state_machine_safety;
mod wasted_work;

pub use at_most_once::AtMostOnce;
pub use durability::Durability;
pub use election_safety::ElectionSafety;
pub use exclusive_delivery::ExclusiveDelivery;
pub use one_vote::OneVote;
pub use retry_budget::RetryBudget;
pub use state_machine_safety::{Application, StateMachineSafety};
pub use wasted_work::WastedWork;

use squall_checkers::verdict::Anomaly;

/// The anomaly of an invariant that does not hold.
fn broken(checker: &str, class: &str, sentence: String) -> Anomaly {
    Anomaly {
        checker: checker.to_owned(),
        class: class.to_owned(),
        sentence,
        ..Anomaly::default()
    }
}
