//! Histories of simulated clients of registers, of one with compare-and-set, of a queue or of a set, for
//! benches of checkers. The same recipe always gives the same history, so that figures can be compared: each
//! client thinks, invokes, its operation takes effect at some later moment, and returns later still,
//! all by one stream of random numbers. About 0.9 operations a client are open at any time.

use crate::random::Random;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

/// What a history is made of.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    pub object: Object,
    pub operations: usize,
    pub clients: usize,
    /// How many of a thousand operations crash: half of those take effect.
    pub crashes_per_mille: u64,
    /// How many of a thousand reads see the value of 20 updates ago.
    pub stale_per_mille: u64,
    pub seed: u64,
}

/// What the clients use. All values are 0 at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// A register that is never given a value twice.
    Register,
    /// So many of them.
    Registers(u64),
    /// A register with compare-and-set and five values.
    CasRegister,
    /// A queue that gives first what it got first, and never gets a value twice.
    Queue,
    /// The same, but what it got last comes first.
    Stack,
    /// The same, but the smallest comes first; values come in no order.
    PriorityQueue,
    /// A set to which no element is added twice; half of the operations ask for one of the last
    /// thousand elements, or of the next.
    ElementSet,
}

/// An event of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    pub process: u64,
    pub kind: LineKind,
    pub call: LineCall,
    pub key: u64,
    /// What a read saw or a dequeue got, once it has returned; 1 for an element that was there.
    pub seen: Option<i64>,
    /// Nanoseconds.
    pub time_ns: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    Invoke,
    Ok,
    Fail,
    Info,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineCall {
    Read,
    Write(i64),
    CompareAndSet(i64, i64),
    Enqueue(i64),
    Dequeue,
    Add(i64),
    Contains(i64),
}

/// The events of the history, in their order.
pub fn history(recipe: &Recipe) -> Vec<Line> {
    let mut lines = Vec::with_capacity(2 * recipe.operations);
    for_each_line(recipe, &mut |line| lines.push(line));
    lines
}

/// Has the events of the history taken, in their order, one at a time: who keeps none needs no memory
/// for them.
pub fn for_each_line(recipe: &Recipe, take: &mut dyn FnMut(Line)) {
    let mut simulation = Simulation::new(*recipe, take);
    for client in 0..recipe.clients {
        let time = simulation.random.below(200);
        simulation
            .agenda
            .push(Reverse((time, client, Stage::Invoke)));
    }
    while let Some(Reverse((time, client, stage))) = simulation.agenda.pop() {
        match stage {
            Stage::Invoke => simulation.invoke(time, client),
            Stage::TakeEffect => simulation.take_effect(time, client),
            Stage::Return => simulation.respond(time, client),
        }
    }
}

/// Lets the first read in the second half see what had long been overwritten: the value of the last write
/// that was invoked at least 4 operations a client and key before it.
pub fn spoil_a_read(recipe: &Recipe, lines: &mut [Line]) {
    let keys = match recipe.object {
        Object::Registers(keys) => keys as usize,
        _ => 1,
    };
    // By operation: the lines of its invocation and of its completion.
    let mut open = BTreeMap::new();
    let mut operations: Vec<(usize, Option<usize>)> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if line.kind == LineKind::Invoke {
            open.insert(line.process, operations.len());
            operations.push((index, None));
        } else if let Some(operation) = open.remove(&line.process) {
            operations[operation].1 = Some(index).filter(|_| line.kind == LineKind::Ok);
        }
    }
    let is_read = |&operation: &usize| {
        let completed = operations[operation].1;
        completed.is_some_and(|completed| lines[completed].call == LineCall::Read)
    };
    let Some(read) = (recipe.operations / 2..operations.len()).find(is_read) else {
        return;
    };
    let Some(completed) = operations[read].1 else {
        return;
    };
    let old = read.saturating_sub(4 * recipe.clients * keys);
    let values = operations[..=old].iter().rev();
    let mut values = values.filter_map(|&(invoked, completed)| match lines[invoked].call {
        LineCall::Write(value) if completed.is_some() => Some((lines[invoked].key, value)),
        _ => None,
    });
    let key = lines[completed].key;
    let value = values.find(|&(other, _)| other == key);
    lines[completed].seen = value.map(|(_, value)| value).or(Some(0));
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Invoke,
    TakeEffect,
    Return,
}

struct Client {
    process: u64,
    call: LineCall,
    key: u64,
    seen: Option<i64>,
    failed: bool,
}

struct Simulation<'a> {
    recipe: Recipe,
    random: Random,
    agenda: BinaryHeap<Reverse<(u64, usize, Stage)>>,
    clients: Vec<Client>,
    issued: usize,
    last_value: i64,
    /// By key, every value that it ever had.
    values: BTreeMap<u64, Vec<i64>>,
    /// What the queue holds, what is next first.
    queue: VecDeque<i64>,
    elements: BTreeSet<i64>,
    take: &'a mut dyn FnMut(Line),
}

impl<'a> Simulation<'a> {
    fn new(recipe: Recipe, take: &'a mut dyn FnMut(Line)) -> Self {
        let client = |process| Client {
            process: process as u64,
            call: LineCall::Read,
            key: 0,
            seen: None,
            failed: false,
        };
        Self {
            recipe,
            random: Random(recipe.seed),
            agenda: BinaryHeap::new(),
            clients: (0..recipe.clients).map(client).collect(),
            issued: 0,
            last_value: 0,
            values: BTreeMap::new(),
            queue: VecDeque::new(),
            elements: BTreeSet::new(),
            take,
        }
    }

    fn invoke(&mut self, time: u64, client: usize) {
        if self.issued == self.recipe.operations {
            return;
        }
        self.issued += 1;
        let key = match self.recipe.object {
            Object::Registers(keys) => self.random.below(keys),
            _ => 0,
        };
        let call = self.draw_call();
        let acting = &mut self.clients[client];
        (acting.call, acting.key, acting.seen, acting.failed) = (call, key, None, false);
        self.log(time, client, LineKind::Invoke);
        let later = time + 1 + self.random.below(1000);
        self.agenda
            .push(Reverse((later, client, Stage::TakeEffect)));
    }

    fn draw_call(&mut self) -> LineCall {
        match self.recipe.object {
            Object::CasRegister => self.draw_compare_and_set(),
            Object::Register | Object::Registers(_) => match self.random.below(2) {
                0 => LineCall::Read,
                _ => LineCall::Write(self.next_value()),
            },
            Object::Queue | Object::Stack => match self.random.below(2) {
                0 => LineCall::Dequeue,
                _ => LineCall::Enqueue(self.next_value()),
            },
            Object::PriorityQueue => match self.random.below(2) {
                0 => LineCall::Dequeue,
                // Times an odd number: none comes twice.
                _ => LineCall::Enqueue((self.next_value() * 0x9E37_79B1) & 0xFFFF_FFFF),
            },
            Object::ElementSet => match self.random.below(2) {
                0 => LineCall::Contains(
                    (self.last_value + 1 - self.random.below(1000) as i64).max(1),
                ),
                _ => LineCall::Add(self.next_value()),
            },
        }
    }

    fn next_value(&mut self) -> i64 {
        self.last_value += 1;
        self.last_value
    }

    fn draw_compare_and_set(&mut self) -> LineCall {
        match self.random.below(3) {
            0 => LineCall::Read,
            1 => LineCall::Write(self.random.below(5) as i64),
            _ => {
                let expected = self.random.below(5) as i64;
                LineCall::CompareAndSet(expected, self.random.below(5) as i64)
            }
        }
    }

    fn take_effect(&mut self, time: u64, client: usize) {
        let crashes = self.recipe.crashes_per_mille;
        let is_crash = crashes > 0 && self.random.below(1000) < crashes;
        let is_applied = !is_crash || self.random.below(2) == 1;
        if is_applied {
            self.apply(client);
        }
        if is_crash {
            self.clients[client].seen = None;
            self.log(time, client, LineKind::Info);
            self.clients[client].process += self.recipe.clients as u64;
            let later = time + self.random.below(200);
            self.agenda.push(Reverse((later, client, Stage::Invoke)));
        } else {
            let later = time + 1 + self.random.below(1000);
            self.agenda.push(Reverse((later, client, Stage::Return)));
        }
    }

    fn apply(&mut self, client: usize) {
        let acting = &mut self.clients[client];
        let values = self.values.entry(acting.key).or_insert_with(|| vec![0]);
        let value = values[values.len() - 1];
        match acting.call {
            LineCall::Read => {
                let stale = self.recipe.stale_per_mille;
                let is_stale = stale > 0 && self.random.below(1000) < stale;
                let old = values[values.len().saturating_sub(21)];
                acting.seen = Some(if is_stale { old } else { value });
            }
            LineCall::Write(new) => values.push(new),
            LineCall::CompareAndSet(expected, new) if expected == value => values.push(new),
            LineCall::CompareAndSet(..) => acting.failed = true,
            LineCall::Enqueue(value) if self.recipe.object == Object::PriorityQueue => {
                self.elements.insert(value);
            }
            LineCall::Enqueue(value) => self.queue.push_back(value),
            LineCall::Dequeue => {
                acting.seen = match self.recipe.object {
                    Object::PriorityQueue => self.elements.pop_first(),
                    Object::Stack => self.queue.pop_back(),
                    _ => self.queue.pop_front(),
                }
            }
            LineCall::Add(element) => drop(self.elements.insert(element)),
            LineCall::Contains(element) => {
                acting.seen = Some(i64::from(self.elements.contains(&element)));
            }
        }
    }

    fn respond(&mut self, time: u64, client: usize) {
        let kind = match self.clients[client].failed {
            true => LineKind::Fail,
            false => LineKind::Ok,
        };
        self.log(time, client, kind);
        let later = time + self.random.below(200);
        self.agenda.push(Reverse((later, client, Stage::Invoke)));
    }

    fn log(&mut self, time: u64, client: usize, kind: LineKind) {
        let acting = &self.clients[client];
        (self.take)(Line {
            process: acting.process,
            kind,
            call: acting.call,
            key: acting.key,
            seen: acting.seen.filter(|_| kind == LineKind::Ok),
            time_ns: time * 1000,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(object: Object) -> Recipe {
        Recipe {
            object,
            operations: 1000,
            clients: 5,
            crashes_per_mille: 0,
            stale_per_mille: 0,
            seed: 1,
        }
    }

    #[test]
    fn a_recipe_gives_the_history_that_its_figures_are_of() {
        let stale = Recipe {
            stale_per_mille: 10,
            ..recipe(Object::CasRegister)
        };
        let lines = history(&stale);
        let first = (lines[0].time_ns, lines[0].process, lines[0].call);
        assert_eq!(first, (35_000, 3, LineCall::CompareAndSet(0, 3)));
        let read = (lines[7].time_ns, lines[7].process, lines[7].seen);
        assert_eq!(read, (1_080_000, 4, Some(0)));
        assert_eq!(lines.len(), 2000);
    }

    #[test]
    fn a_crashed_process_never_acts_again() {
        let crashing = Recipe {
            crashes_per_mille: 50,
            ..recipe(Object::Register)
        };
        let lines = history(&crashing);
        let crashed = lines.iter().filter(|line| line.kind == LineKind::Info);
        for (index, line) in crashed.clone().map(|line| (line.time_ns, line.process)) {
            let later = lines.iter().filter(|line| line.time_ns > index);
            assert!(later.into_iter().all(|after| after.process != line));
        }
        assert!(crashed.count() > 10);
    }
}
