//! What a single read, or two transactions, show to be wrong.

use super::predicate::State;
use super::reads::{self, Read, Sight};
use super::transactions::{Step, Transactions};
use super::universe::Universe;
use crate::history::Outcome;
use crate::isolation::phenomena::Phenomenon;

#[derive(Clone, Copy)]
pub(super) enum What<'h> {
    /// Of the read, and of the transaction that it should have known nothing of.
    Read(Read<'h>, Option<u32>),
    /// Two transactions replaced the same version of a key.
    LostUpdate(u32, [u32; 2]),
}

#[derive(Clone, Copy)]
pub(super) struct Direct<'h> {
    pub(super) phenomenon: Phenomenon,
    pub(super) what: What<'h>,
}

/// All that is wrong.
pub(super) fn find<'h>(
    transactions: &Transactions<'h>,
    outcomes: &[Outcome],
    universe: &Universe<'h>,
) -> Vec<Direct<'h>> {
    let unreadable = Unreadable::new(transactions, outcomes);
    let mut found: Vec<Direct<'h>> = Vec::new();
    for &(key, rivals) in &universe.lost_updates {
        let phenomenon = Phenomenon::LostUpdate;
        let what = What::LostUpdate(key, rivals);
        found.push(Direct { phenomenon, what });
    }
    reads::each(transactions, outcomes, &mut |read| {
        let fits = match read.own {
            Some(own) => read.sight.fits(own),
            None => universe.fitting(&read).next().is_some(),
        };
        if !fits {
            let (phenomenon, other) = unreadable.phenomenon(&read);
            let what = What::Read(read, other);
            found.push(Direct { phenomenon, what });
        }
    });
    found
}

/// What was written but is no version that others may read.
struct Unreadable<'h> {
    /// Of each key: the writer, what it wrote, and how it should not have been seen.
    writes: Vec<Vec<(u32, State<'h>, Phenomenon)>>,
}

impl<'h> Unreadable<'h> {
    fn new(transactions: &Transactions<'h>, outcomes: &[Outcome]) -> Self {
        let mut writes = vec![Vec::new(); transactions.keys.len()];
        for (writer, steps) in transactions.all() {
            let phenomenon = match outcomes[writer as usize] {
                Outcome::Fail => Phenomenon::G1a,
                _ => Phenomenon::G1b,
            };
            for step in steps {
                if let Step::Write { key, state } = *step {
                    writes[key as usize].push((writer, state, phenomenon));
                }
            }
        }
        Self { writes }
    }

    /// Why no version fits, and whose write does.
    fn phenomenon(&self, read: &Read<'h>) -> (Phenomenon, Option<u32>) {
        if read.own.is_some() {
            return (Phenomenon::Internal, None);
        }
        if matches!(read.sight, Sight::Found(predicate, seen) if !predicate.matches(Some(seen))) {
            return (Phenomenon::PredicateReadMiss, None);
        }
        let mut writes = self.writes[read.key as usize].iter();
        let write = writes.find(|&&(_, state, _)| read.sight.fits(state));
        match write {
            Some(&(writer, ..)) if writer == read.reader => return (Phenomenon::FutureRead, None),
            Some(&(writer, _, phenomenon)) => return (phenomenon, Some(writer)),
            None => {}
        }
        match read.sight {
            Sight::Missing(_) => (Phenomenon::PredicateReadMiss, None),
            // It shows the key as it was before the universe began.
            Sight::State(None) => (Phenomenon::GSingleItem, None),
            Sight::State(_) | Sight::Found(..) => (Phenomenon::ThinAirRead, None),
        }
    }
}
