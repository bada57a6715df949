//! Transactions as they stand in a history.

use super::transactions::{Invocation, Transactions};
use crate::history::{History, Operation, Outcome, ValueRef};
use crate::spec::DecodeError;

const EXPECTED: &str =
    "a `txn` with a list of `[\"r\" key value]` and `[\"w\" key value]`, or a `read` or `write`";
const EXPECTED_VALUE: &str = "a value other than nil to write: nil stands for the initial value";

/// The transactions of a history.
///
/// # Errors
/// If an operation is no transaction of reads and writes; the error names it.
pub fn transactions(history: &History) -> Result<Transactions, DecodeError> {
    let mut transactions = Transactions::default();
    for operation in history.operations() {
        transactions.begin(Invocation {
            operation: operation.id as u32,
            process: operation.process,
            outcome: operation.outcome,
            invoked: operation.invoked as u32,
            completed: operation.completed.map(|event| event as u32),
        });
        match operation.f {
            "txn" => add_all(&mut transactions, &operation)?,
            "read" | "write" => add_single(&mut transactions, &operation)?,
            other => return Err(DecodeError::new(&operation, EXPECTED, format!("`{other}`"))),
        }
    }
    Ok(transactions)
}

/// What is known of an operation's value: the answer where there was one.
fn told<'h>(operation: &Operation<'h>) -> ValueRef<'h> {
    match operation.outcome {
        Outcome::Ok => operation.output,
        Outcome::Fail | Outcome::Info => operation.input,
    }
}

fn add_all(transactions: &mut Transactions, operation: &Operation<'_>) -> Result<(), DecodeError> {
    let value = told(operation);
    let misfit = || DecodeError::new(operation, EXPECTED, value.to_string());
    let accesses = value.as_list().ok_or_else(misfit)?;
    for access in accesses.iter() {
        let parts = access.as_list().and_then(|parts| parts.array::<3>());
        let [kind, key, value] = parts.ok_or_else(misfit)?;
        let key = transactions.key(key);
        match kind.as_text() {
            Some("r") => transactions.read(key, value),
            Some("w") => add_write(transactions, operation, key, value)?,
            _ => return Err(misfit()),
        }
    }
    Ok(())
}

fn add_single(
    transactions: &mut Transactions,
    operation: &Operation<'_>,
) -> Result<(), DecodeError> {
    let key = transactions.key(operation.key.unwrap_or_default());
    if operation.f == "read" {
        transactions.read(key, told(operation));
        return Ok(());
    }
    add_write(transactions, operation, key, operation.input)
}

fn add_write(
    transactions: &mut Transactions,
    operation: &Operation<'_>,
    key: u32,
    value: ValueRef<'_>,
) -> Result<(), DecodeError> {
    if value.is_nil() {
        let found = operation.input.to_string();
        return Err(DecodeError::new(operation, EXPECTED_VALUE, found));
    }
    transactions.write(key, value);
    Ok(())
}
