//! Generators: what clients do, drawn from keys.

use std::collections::BTreeSet;

use squall_checkers::history::Value;
use squall_sim::keyed::Key;

use crate::clients::FinalOperation;
use crate::plan::{ClientPlan, Plan, PlannedOperation};

/// The shape of a workload on registers.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub clients: u64,
    pub keys: u64,
    /// For each client.
    pub operations: u64,
    /// The mean of what a client waits between two operations.
    pub wait_ns_mean: u64,
}

/// Reads and writes; every write has a value of its own, which makes the check both cheap and sharp.
pub fn registers(key: Key, shape: &Shape) -> Vec<ClientPlan> {
    clients(key, shape, |key, number| match key.label("f").below(2) {
        0 => ("read", Value::Nil),
        _ => ("write", Value::Int(number)),
    })
}

/// Reads, writes and compare-and-swaps over five values, as in Jepsen.
pub fn cas_registers(key: Key, shape: &Shape) -> Vec<ClientPlan> {
    let value = |key: Key| Value::Int(key.below(5) as i64);
    clients(key, shape, move |key, _| match key.label("f").below(4) {
        0 | 1 => ("read", Value::Nil),
        2 => ("write", value(key.label("new"))),
        _ => (
            "cas",
            Value::List(vec![value(key.label("expected")), value(key.label("new"))]),
        ),
    })
}

/// Transfers of a little money between accounts, and reads of all of them; without keys.
pub fn bank(key: Key, shape: &Shape, accounts: u64) -> Vec<ClientPlan> {
    unkeyed(key, shape, |key, _| {
        if key.label("f").chance(1, 3) {
            return ("read", Value::Nil);
        }
        let from = key.label("from").below(accounts);
        // Another account than that which pays.
        let to = (from + 1 + key.label("to").below(accounts - 1)) % accounts;
        let terms = [from, to, key.label("amount").between(1, 5)];
        let terms = terms.map(|term| Value::Int(term as i64));
        ("transfer", Value::List(terms.into()))
    })
}

/// Additions of unique elements to a set, and now and then a read of all of it; without keys.
pub fn set(key: Key, shape: &Shape) -> Vec<ClientPlan> {
    unkeyed(key, shape, |key, number| {
        match key.label("f").chance(1, 6) {
            true => ("read", Value::Nil),
            false => ("add", Value::Int(number)),
        }
    })
}

/// One kind of operation, each with a value of its own; without keys.
pub fn unique(key: Key, shape: &Shape, f: &'static str) -> Vec<ClientPlan> {
    unkeyed(key, shape, |_, number| (f, Value::Int(number)))
}

/// An operation without a key, done at once.
pub fn operation(f: &str, value: Value) -> PlannedOperation {
    PlannedOperation {
        wait_ns: 0,
        f: f.to_owned(),
        key: None,
        value,
    }
}

/// A read of everything.
pub fn read_all() -> PlannedOperation {
    operation("read", Value::Nil)
}

/// A value as a store of texts keeps it, with padding behind it that makes it long.
pub fn padded(value: &Value, padding_bytes: usize) -> String {
    format!("{value}{}", ".".repeat(padding_bytes))
}

/// What [`padded`] made a text of: a number, or nil where there is no text.
pub fn unpadded(text: Option<&str>) -> Value {
    let Some(text) = text else { return Value::Nil };
    let unpadded = text.trim_end_matches('.');
    unpadded
        .parse()
        .map_or_else(|_| Value::Text(unpadded.to_owned()), Value::Int)
}

/// A read of each key that the plan knows, in turn, by the first client.
pub fn final_reads(plan: &Plan) -> Vec<FinalOperation> {
    let operations = plan.clients.iter().flat_map(|client| &client.operations);
    let keys: BTreeSet<&Value> = operations
        .filter_map(|operation| operation.key.as_ref())
        .collect();
    let reads = keys.into_iter().map(|key| FinalOperation {
        client: 0,
        operation: PlannedOperation {
            wait_ns: 0,
            f: "read".to_owned(),
            key: Some(key.clone()),
            value: Value::Nil,
        },
    });
    reads.collect()
}

/// One list of operations a client. An operation is keyed by its client and its place there; its
/// number counts over all clients from 1.
fn clients(
    key: Key,
    shape: &Shape,
    draw: impl Fn(Key, i64) -> (&'static str, Value),
) -> Vec<ClientPlan> {
    let clients = (0..shape.clients).map(|client| {
        let operations = (0..shape.operations).map(|place| {
            let key = key.label("operation").with(client).with(place);
            let (f, value) = draw(key, (client + place * shape.clients + 1) as i64);
            PlannedOperation {
                wait_ns: key.label("wait").exponential(shape.wait_ns_mean),
                f: f.to_owned(),
                key: Some(Value::Text(format!(
                    "k{}",
                    key.label("key").below(shape.keys)
                ))),
                value,
            }
        });
        ClientPlan {
            operations: operations.collect(),
        }
    });
    clients.collect()
}

/// The same without keys.
pub fn unkeyed(
    key: Key,
    shape: &Shape,
    draw: impl Fn(Key, i64) -> (&'static str, Value),
) -> Vec<ClientPlan> {
    let mut clients = clients(key, shape, draw);
    let operations = clients.iter_mut().flat_map(|client| &mut client.operations);
    operations.for_each(|operation| operation.key = None);
    clients
}
