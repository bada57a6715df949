//! Whose response is it? Every operation is invoked with a nonce, and must return that very nonce.
//!
//! What is broken where it is not: a client that pairs responses by order and not by id, a pooled
//! connection given back with a response still under way (redis-py's of March 2023, which showed
//! users of ChatGPT each other's titles), a cache under the wrong key.
//!
//! The operation's name and key do not matter. Operations that did not end in `ok` say nothing. A
//! nonce should be used once: only then is every mix-up seen. O(n log n).

use super::{Findings, findings::Told, returned, whose, whose_first};
use crate::history::{History, Operation, ValueRef};
use crate::verdict::Verdict;
use std::collections::BTreeMap;

/// Judges each answer by its question. `Vacuous` if there was none.
pub fn check(history: &History) -> Verdict {
    let operations = history.operations();
    let mut findings = Findings::new("nonce-echo");
    let mut answers = 0;
    let mut by_nonce: BTreeMap<ValueRef<'_>, Vec<Operation<'_>>> = BTreeMap::new();
    for operation in operations {
        by_nonce.entry(operation.input).or_default().push(operation);
    }
    for operation in operations {
        let Some(returned) = returned(operation) else {
            continue;
        };
        answers += 1;
        if operation.output != operation.input {
            findings.note(returned, "foreign-response", || {
                let senders = by_nonce.get(&operation.output);
                foreign(operation, returned, senders.map_or(&[], Vec::as_slice))
            });
        }
    }
    findings.verdict(Vec::new, || {
        if answers == 0 {
            return Verdict::Vacuous("no operation was answered".to_owned());
        }
        Verdict::Valid { witness: None }
    })
}

/// `senders` invoked an operation with what was answered, in that order.
fn foreign(operation: Operation<'_>, returned: usize, senders: &[Operation<'_>]) -> Told {
    let Operation { input, output, .. } = operation;
    let mut before = senders.iter().filter(|sender| sender.invoked < returned);
    let sender = before.next_back().or_else(|| senders.first());
    let whose_it_is = match sender {
        Some(sender) if sender.invoked < returned => format!("the nonce of {}", whose(*sender)),
        Some(sender) => format!("which only {} sends later", whose(*sender)),
        None => "which nobody ever sent".to_owned(),
    };
    let sentence = format!(
        "{} sent {input} but was answered {output}, {whose_it_is}.",
        whose_first(operation)
    );
    let witness = sender.map(|sender| sender.id);
    Told::new(sentence, witness.into_iter().chain([operation.id]))
}
