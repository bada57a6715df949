//! Operations as Porcupine's `Operation` has them in JSON, for who wants to ask it too.

use super::{History, Operation, Outcome, ValueRef};
use serde::Serialize;

/// Porcupine orders by `Call` and `Return`, so these are numbers of events and not times.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PorcupineOperation<'h> {
    client_id: u64,
    input: Input<'h>,
    call: usize,
    /// Nil where nobody knows it.
    output: ValueRef<'h>,
    #[serde(rename = "Return")]
    returned: usize,
    /// `ok`, or `info` for what may not have happened: a model must allow that.
    metadata: Outcome,
}

#[derive(Serialize)]
struct Input<'h> {
    f: &'h str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<ValueRef<'h>>,
    value: ValueRef<'h>,
}

/// Writes the operations as a JSON array, one on each line: `ClientId`, `Input` (`f`, `key`, `value`),
/// `Call`, `Output`, `Return` and `Metadata`. What failed did not happen and is left out; what may have
/// happened returns after everything else.
pub fn write_porcupine_json(history: &History) -> String {
    let end = history.events().len();
    let happened = history
        .operations()
        .iter()
        .filter(|it| it.outcome != Outcome::Fail);
    let lines = happened.map(|operation| {
        serde_json::to_string(&PorcupineOperation::new(operation, end)).expect("all keys are texts")
    });
    format!("[\n{}\n]\n", lines.collect::<Vec<String>>().join(",\n"))
}

impl<'h> PorcupineOperation<'h> {
    fn new(operation: Operation<'h>, end: usize) -> Self {
        let Operation { f, key, input, .. } = operation;
        Self {
            client_id: operation.process,
            input: Input {
                f,
                key,
                value: input,
            },
            call: operation.invoked,
            output: operation
                .completed
                .map_or(ValueRef::Nil, |_| operation.output),
            returned: operation.completed.unwrap_or(end),
            metadata: operation.outcome,
        }
    }
}
