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
