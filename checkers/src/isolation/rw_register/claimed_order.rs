//! An order that a system itself claims, such as a simulator knows it: does it explain what was read?
//!
//! For serializability the transactions are replayed one at a time. For snapshot isolation each has a
//! snapshot and a commit: it must read what had been committed by its snapshot, and nobody else may
//! commit to a key that it writes in between. Li et al., "Online Timestamp-based Transactional Isolation
//! Checking of Database Systems" (Chronos), 2025. The answer is exact for the order claimed; another
//! order might explain what this one does not.

use super::finding::{self, Finding};
use super::happened::Happened;
use super::transactions::{INITIAL, NEVER, Transactions};
use super::{CHECKER, Order, RwRegisterOptions, StrongLevel};
use crate::sorting::sort_by_number;
use crate::verdict::Verdict;

/// When a system says that a transaction took its snapshot and committed. Times are any numbers that
/// grow; a snapshot holds what was committed at its time or before. For serializability only the
/// commits count. No two commits may be at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The id of the operation in the history.
    pub operation: u32,
    pub snapshot: u64,
    pub commit: u64,
}

/// Whether the order claimed explains the history, and agrees with `order`. Transactions that ended in
/// `ok`, or of which somebody saw a write, must be in it. O(n log n).
pub fn check_claim(
    all: &Transactions,
    claims: &[Claim],
    level: StrongLevel,
    order: Order,
) -> Verdict {
    let options = RwRegisterOptions::default();
    let judge = super::Judge::new(all, &options);
    let direct = judge.direct();
    if !direct.is_empty() {
        return judge.invalid(direct);
    }
    if judge.seen.ambiguous_reads > 0 {
        return Verdict::Unknown(judge.ambiguity());
    }
    let found =
        Replay::new(all, &judge.happened, claims).and_then(|mut replay| replay.run(level, order));
    match found {
        Ok(commits) => Verdict::Valid {
            witness: Some(judge.operations(&commits)),
        },
        Err(finding) => Verdict::Invalid(finding.into_anomaly(all, CHECKER)),
    }
}

struct Replay<'a> {
    all: &'a Transactions,
    happened: &'a Happened,
    /// The claim of each transaction.
    claims: Vec<Claim>,
}

/// Something that happens at a time: commits before the snapshots of the same time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    Commit,
    Snapshot,
}

impl<'a> Replay<'a> {
    fn new(
        all: &'a Transactions,
        happened: &'a Happened,
        claims: &[Claim],
    ) -> Result<Self, Box<Finding>> {
        let mut sorted: Vec<Claim> = claims.to_vec();
        sort_by_number(&mut sorted, |claim| claim.operation as usize);
        let mut of_transactions = Vec::with_capacity(happened.len());
        for &number in &happened.transactions {
            let operation = all.operations[number as usize];
            let place = sorted.binary_search_by_key(&operation, |claim| claim.operation);
            let Ok(place) = place else {
                let sentence = "happened, but the order claimed does not have it";
                return Err(finding::claim(all, "missing-claim", &[number], sentence));
            };
            of_transactions.push(sorted[place]);
        }
        Ok(Self {
            all,
            happened,
            claims: of_transactions,
        })
    }

    fn run(&mut self, level: StrongLevel, order: Order) -> Result<Vec<u32>, Box<Finding>> {
        if level == StrongLevel::Serializable {
            for claim in &mut self.claims {
                claim.snapshot = claim.commit;
            }
        }
        let mut commits: Vec<u32> = (0..self.happened.len() as u32).collect();
        sort_by_number(&mut commits, |&index| {
            self.claims[index as usize].commit as usize
        });
        self.times_are_distinct(&commits)?;
        self.agrees(order)?;
        match level {
            StrongLevel::Serializable => self.replay(&serial(&commits))?,
            StrongLevel::SnapshotIsolation => self.replay(&self.actions(&commits))?,
        }
        if level == StrongLevel::SnapshotIsolation {
            self.no_conflicts(&commits)?;
        }
        Ok(commits)
    }

    fn number(&self, index: u32) -> u32 {
        self.happened.transactions[index as usize]
    }

    fn times_are_distinct(&self, commits: &[u32]) -> Result<(), Box<Finding>> {
        for pair in commits.windows(2) {
            let [one, other] = [pair[0], pair[1]].map(|index| self.claims[index as usize]);
            if one.commit == other.commit {
                let numbers = [self.number(pair[0]), self.number(pair[1])];
                let sentence = "are claimed to have committed at one time";
                return Err(finding::claim(self.all, "equal-claims", &numbers, sentence));
            }
        }
        let late = commits.iter().find(|&&index| {
            let claim = self.claims[index as usize];
            claim.snapshot > claim.commit
        });
        late.map_or(Ok(()), |&late| {
            let sentence = "is claimed to have committed before its snapshot";
            Err(finding::claim(
                self.all,
                "claim-out-of-order",
                &[self.number(late)],
                sentence,
            ))
        })
    }

    /// What came first by `order` must have committed by the time of the other's snapshot.
    fn agrees(&self, order: Order) -> Result<(), Box<Finding>> {
        let pair = match order {
            Order::None => None,
            Order::Process => self.against_processes(),
            Order::Realtime => self.against_time(),
        };
        pair.map_or(Ok(()), |(earlier, later)| {
            let numbers = [self.number(earlier), self.number(later)];
            let sentence = "came in this order, but are claimed to have taken effect in the other";
            Err(finding::claim(
                self.all,
                "claim-against-order",
                &numbers,
                sentence,
            ))
        })
    }

    fn is_after(&self, later: u32, earlier: u32) -> bool {
        let (earlier, later) = (self.claims[earlier as usize], self.claims[later as usize]);
        earlier.commit <= later.snapshot
    }

    fn against_processes(&self) -> Option<(u32, u32)> {
        let mut pairs = (0u32..).zip(&self.happened.previous);
        pairs.find_map(|(later, &earlier)| {
            (earlier != INITIAL && !self.is_after(later, earlier)).then_some((earlier, later))
        })
    }

    /// Of all that had returned when a transaction was invoked, the last to commit counts.
    fn against_time(&self) -> Option<(u32, u32)> {
        let completed = |index: u32| self.all.completed[self.number(index) as usize];
        let mut returned: Vec<u32> = (0..self.happened.len() as u32)
            .filter(|&index| completed(index) != NEVER)
            .collect();
        sort_by_number(&mut returned, |&index| completed(index) as usize);
        let mut returned = returned.into_iter().peekable();
        let mut last: Option<u32> = None;
        for later in 0..self.happened.len() as u32 {
            let invoked = self.all.invoked[self.number(later) as usize];
            while let Some(earlier) = returned.next_if(|&index| completed(index) < invoked) {
                let is_last = last.is_none_or(|last| {
                    self.claims[last as usize].commit < self.claims[earlier as usize].commit
                });
                last = if is_last { Some(earlier) } else { last };
            }
            if let Some(earlier) = last.filter(|&earlier| !self.is_after(later, earlier)) {
                return Some((earlier, later));
            }
        }
        None
    }

    fn actions(&self, commits: &[u32]) -> Vec<(Action, u32)> {
        let timed = commits.iter().flat_map(|&index| {
            let claim = self.claims[index as usize];
            [
                (claim.snapshot, Action::Snapshot, index),
                (claim.commit, Action::Commit, index),
            ]
        });
        let mut timed: Vec<(u64, Action, u32)> = timed.collect();
        sort_by_number(&mut timed, |&(time, action, index)| match action {
            // A snapshot at the time of its own commit comes before that.
            Action::Snapshot if self.claims[index as usize].commit == time => 0,
            Action::Commit => 1,
            Action::Snapshot => 2,
        });
        sort_by_number(&mut timed, |&(time, ..)| time as usize);
        timed
            .into_iter()
            .map(|(_, action, index)| (action, index))
            .collect()
    }

    fn replay(&self, actions: &[(Action, u32)]) -> Result<(), Box<Finding>> {
        let mut state = vec![INITIAL; self.happened.keys];
        for &(action, index) in actions {
            let slots = self.happened.writes.range(index as usize);
            match action {
                Action::Commit => {
                    for slot in slots {
                        let key = self.happened.key_of(slot as u32);
                        state[key as usize] = slot as u32;
                    }
                }
                Action::Snapshot => {
                    for read in self.happened.reads.get(index as usize) {
                        let there = state[read.key as usize];
                        if there != read.slot {
                            let named = |slot: u32| match slot {
                                INITIAL => INITIAL,
                                slot => self.happened.version[slot as usize],
                            };
                            return Err(finding::claim_read(
                                self.all,
                                self.number(index),
                                read.key,
                                (named(read.slot), named(there)),
                            ));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The last commit to each key before a transaction's own must not be after its snapshot.
    fn no_conflicts(&self, commits: &[u32]) -> Result<(), Box<Finding>> {
        let mut last = vec![INITIAL; self.happened.keys];
        for &index in commits {
            for &key in self.happened.writes.get(index as usize) {
                let before = std::mem::replace(&mut last[key as usize], index);
                if before != INITIAL && !self.is_after(index, before) {
                    let numbers = [self.number(before), self.number(index)];
                    let sentence =
                        "both wrote a key while the other was under way, by the order claimed";
                    return Err(finding::claim(
                        self.all,
                        "write-conflict",
                        &numbers,
                        sentence,
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Each transaction reads and commits before the next.
fn serial(commits: &[u32]) -> Vec<(Action, u32)> {
    let both = |&index: &u32| [(Action::Snapshot, index), (Action::Commit, index)];
    commits.iter().flat_map(both).collect()
}
