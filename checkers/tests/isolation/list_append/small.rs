//! Small histories of transactions, plainly.

use squall_checkers::history::Outcome;
use squall_checkers::isolation::list_append::{Header, Transactions};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Append(u32, u32),
    Read(u32, Vec<u32>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) process: u64,
    pub(crate) outcome: Outcome,
    pub(crate) invoked: u32,
    pub(crate) completed: u32,
    pub(crate) steps: Vec<Step>,
}

/// As the checker takes it: in the order of invocations. What did not return tells no reads.
pub(crate) fn columns(history: &[Transaction]) -> Transactions {
    let mut columns = Transactions::default();
    for transaction in history {
        columns.begin(Header {
            process: transaction.process,
            outcome: transaction.outcome,
            invoked: transaction.invoked,
            completed: transaction.completed,
        });
        for step in &transaction.steps {
            match step {
                Step::Append(key, element) => columns.append(*key, *element),
                Step::Read(key, list) if transaction.outcome == Outcome::Ok => {
                    columns.read(*key, list);
                }
                Step::Read(key, _) => columns.unknown_read(*key),
            }
        }
    }
    columns
}
