//! Whether each transaction of an anomaly is needed for it.
//!
//! A history of nothing but these transactions is judged, with all that wrote what they read, which may
//! have taken place or not. Then each of them in turn is forgotten in the same way: its writes may have
//! taken place, and nobody knows what it read. That is relaxation, which creates no anomaly.

use super::transactions::{INITIAL, Invocation, NEVER, Transactions};
use crate::history::{Outcome, ValueRef};
use std::collections::BTreeSet;

/// An anomaly of more transactions is not looked into.
const LOOKED_INTO_UP_TO: usize = 64;

/// Whether the transactions of `witness` are forbidden by themselves, and no longer if any of them is
/// relaxed. `is_forbidden` judges a history, or cannot tell.
pub(super) fn are_necessary(
    all: &Transactions,
    witness: &BTreeSet<u32>,
    is_forbidden: impl Fn(&Transactions) -> Option<bool>,
) -> bool {
    if witness.len() > LOOKED_INTO_UP_TO {
        return false;
    }
    let involved = involved(all, witness);
    let is_forbidden = |believed: &BTreeSet<u32>| is_forbidden(&part(all, &involved, believed));
    let mut without_one = witness.iter().map(|one| {
        let mut others = witness.clone();
        others.remove(one);
        others
    });
    is_forbidden(witness) == Some(true)
        && without_one.all(|others| is_forbidden(&others) == Some(false))
}

/// The transactions, and all that wrote what they read.
fn involved(all: &Transactions, witness: &BTreeSet<u32>) -> BTreeSet<u32> {
    let mut is_read = vec![false; all.version_count()];
    let accesses = witness.iter().flat_map(|&one| all.accesses(one as usize));
    for access in accesses.filter(|access| access.version != INITIAL) {
        is_read[access.version as usize] = true;
    }
    let writes_it = |&number: &u32| {
        let mut accesses = all.accesses(number as usize).iter();
        accesses.any(|access| access.is_write() && is_read[access.version as usize])
    };
    let mut involved: BTreeSet<u32> = (0..all.len() as u32).filter(writes_it).collect();
    involved.extend(witness);
    involved
}

/// A history of these, of which only some are believed.
fn part(all: &Transactions, involved: &BTreeSet<u32>, believed: &BTreeSet<u32>) -> Transactions {
    let mut part = Transactions::default();
    for &number in involved {
        let index = number as usize;
        let outcome = if believed.contains(&number) {
            all.outcomes[index]
        } else {
            Outcome::Info
        };
        part.begin(Invocation {
            operation: all.operations[index],
            process: u64::from(all.processes[index]),
            outcome,
            invoked: all.invoked[index],
            completed: Some(all.completed[index]).filter(|&completed| completed != NEVER),
        });
        for access in all.accesses(index) {
            let key = part.key(ValueRef::from(all.key_name(access.key())));
            let value = all.version_name(access.version);
            if access.is_write() {
                part.write(key, ValueRef::from(&value));
            } else {
                part.read(key, ValueRef::from(&value));
            }
        }
    }
    part
}
