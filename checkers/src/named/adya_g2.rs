//! Two inserts that each look first whether the other is there: at most one of them may succeed.
//!
//! Jepsen's `adya` G2. Each transaction reads by a predicate whether its key has a row, and inserts one if
//! not. Under serializability the second sees what the first did. If both succeed, each overlooked the
//! other's row: a cycle of two anti-dependencies with predicates, Adya's G2 ("Weak Consistency", 1999,
//! section 3.2.3).
//!
//! - `insert` on a key, whatever its value; without a key it is invoked with `[key value]`. It must be
//!   `fail` if it found a row.
//!
//! Any number of inserts may try for a key. O(n log n).

use super::findings::{Findings, Told};
use super::numbering::Numbering;
use super::span::Span;
use super::{misfit, whose_first_of, whose_of};
use crate::history::{History, Operation, ValueRef};
use crate::sorting::sort_by_number;
use crate::spec::DecodeError;
use crate::verdict::{Dependency, DependencyKind, Verdict};

/// Judges the inserts on each key. `Vacuous` if no key had two, or none succeeded.
///
/// # Errors
/// If an operation is not as above.
pub fn check(history: &History) -> Result<Verdict, DecodeError> {
    let mut keys = Numbering::default();
    let mut inserts: Vec<(usize, Span)> = Vec::with_capacity(history.operations().len());
    for operation in history.operations() {
        inserts.push((keys.number(key(operation)?), operation.into()));
    }
    sort_by_number(&mut inserts, |(_, span)| {
        span.returned().unwrap_or(usize::MAX)
    });
    sort_by_number(&mut inserts, |&(key, _)| key);
    let mut findings = Findings::new("adya-g2");
    let mut statistics = AdyaStatistics::default();
    for rivals in inserts.chunk_by(|one, other| one.0 == other.0) {
        statistics.add(rivals);
        if let [(key, first), rest @ ..] = rivals {
            let winners = rest
                .iter()
                .filter_map(|(_, span)| Some((span.returned()?, span)));
            for (returned, second) in winners {
                findings.note(returned, "G2", || {
                    both(history, keys.value(*key), *first, *second)
                });
            }
        }
    }
    let more = || vec![statistics.sentence()];
    Ok(findings.verdict(more, || match statistics {
        AdyaStatistics { contended: 0, .. } => {
            Verdict::Vacuous("no key had two inserts".to_owned())
        }
        AdyaStatistics { won: 0, .. } => Verdict::Vacuous("no insert succeeded".to_owned()),
        _ => Verdict::Valid { witness: None },
    }))
}

#[derive(Default)]
struct AdyaStatistics {
    keys: usize,
    /// Keys with two inserts or more.
    contended: usize,
    /// Keys with an insert that succeeded.
    won: usize,
}

impl AdyaStatistics {
    fn add(&mut self, rivals: &[(usize, Span)]) {
        let is_won = rivals.iter().any(|(_, span)| span.returned().is_some());
        self.keys += 1;
        self.contended += usize::from(rivals.len() > 1);
        self.won += usize::from(is_won);
    }

    fn sentence(&self) -> String {
        let Self {
            keys,
            contended,
            won,
        } = self;
        format!("Of {keys} keys {contended} had two inserts or more; {won} were inserted.")
    }
}

fn both(history: &History, key: ValueRef<'_>, first: Span, second: Span) -> Told {
    let (one, other) = (first.id(), second.id());
    let sentence = format!(
        "{} and {} both inserted a row for key {key}, although each looked first whether there was one.",
        whose_first_of(history, one),
        whose_of(history, other)
    );
    let overlooked = |from: usize, to: usize| Dependency {
        from,
        to,
        kind: DependencyKind::PredicateReadWrite,
        sentence: format!(
            "{} found no row for key {key}, and so came before {} inserted one",
            whose_of(history, from),
            whose_of(history, to)
        ),
    };
    Told {
        rules_out: vec!["serializable".to_owned()],
        cycle: vec![overlooked(one, other), overlooked(other, one)],
        ..Told::minimal(sentence, [one, other])
    }
}

fn key(operation: Operation<'_>) -> Result<ValueRef<'_>, DecodeError> {
    if operation.f != "insert" {
        let found = format!("`{}`", operation.f);
        return Err(misfit(operation, "`insert` on a key", found));
    }
    let first = || {
        let [key, _] = operation.input.as_list()?.array()?;
        Some(key)
    };
    let key = operation.key.or_else(first);
    let expected = "`insert` on a key, or of [key value]";
    key.ok_or_else(|| misfit(operation, expected, operation.input))
}
