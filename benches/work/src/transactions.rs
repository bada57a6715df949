//! Transactions on registers for the checkers of isolation: what a database without faults would do.

use crate::random::Random;

/// Transactions to make.
#[derive(Clone, Copy, Debug)]
pub struct TransactionWork {
    pub transactions: u32,
    pub processes: u32,
    pub keys: u32,
    /// How many keys each transaction reads, and how many of these it writes then.
    pub reads: u32,
    pub writes: u32,
}

/// A transaction as it ran: the database did it at one moment between the two events.
#[derive(Clone, Debug)]
pub struct Ran {
    pub process: u32,
    pub invoked: u32,
    pub completed: u32,
    /// A key, and the value read; 0 is the initial value.
    pub reads: Vec<(u32, i64)>,
    /// A key, and the value written, which no other write has.
    pub writes: Vec<(u32, i64)>,
}

/// Transactions in the order of their invocations. Processes take turns at random, and about nine of
/// ten are inside a transaction at any time.
pub fn run(work: TransactionWork, seed: u64) -> Vec<Ran> {
    let mut random = Random(seed);
    let mut state = vec![0i64; work.keys as usize];
    let mut open: Vec<Option<usize>> = vec![None; work.processes as usize];
    let mut ran: Vec<Ran> = Vec::with_capacity(work.transactions as usize);
    let mut value = 0;
    let mut event = 0;
    let mut returned = 0;
    while returned < work.transactions {
        let process = random.below(u64::from(work.processes)) as u32;
        match open[process as usize].take() {
            Some(index) => {
                ran[index].completed = event;
                returned += 1;
            }
            None if ran.len() == work.transactions as usize => continue,
            None => {
                open[process as usize] = Some(ran.len());
                let mut one = Ran {
                    process,
                    invoked: event,
                    completed: 0,
                    reads: Vec::new(),
                    writes: Vec::new(),
                };
                let first = random.below(u64::from(work.keys)) as u32;
                for place in 0..work.reads {
                    let key = (first + place * 7) % work.keys;
                    one.reads.push((key, state[key as usize]));
                    if place < work.writes {
                        value += 1;
                        state[key as usize] = value;
                        one.writes.push((key, value));
                    }
                }
                ran.push(one);
            }
        }
        event += 1;
    }
    ran
}
