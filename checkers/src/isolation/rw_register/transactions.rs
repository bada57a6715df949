//! Transactions that read and write registers, in compact columns.

use crate::history::{Outcome, Value, ValueRef};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

/// The version that a read of the initial value sees, and the writer of it.
pub(crate) const INITIAL: u32 = u32::MAX;

/// A completion that never came.
pub(crate) const NEVER: u32 = u32::MAX;

/// One read or write of a transaction. A version is a value of a key: equal values of different keys
/// are different versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// The key, and in the highest bit whether this is a write.
    key_and_kind: u32,
    pub(crate) version: u32,
}

const WRITE: u32 = 1 << 31;

impl Access {
    pub(crate) fn key(self) -> u32 {
        self.key_and_kind & !WRITE
    }

    pub(crate) fn is_write(self) -> bool {
        self.key_and_kind & WRITE != 0
    }
}

/// Transactions in the order of their invocations. Reads and writes are in the order of the program.
///
/// Reads of transactions that did not end in `ok` are not kept: what a client was not told, it did
/// not see.
#[derive(Clone, Debug, Default)]
pub struct Transactions {
    /// The ids of the operations that the transactions are in the history.
    pub(crate) operations: Vec<u32>,
    /// Dense numbers of the processes.
    pub(crate) processes: Vec<u32>,
    pub(crate) outcomes: Vec<Outcome>,
    /// Indices of events.
    pub(crate) invoked: Vec<u32>,
    /// Indices of events; [`NEVER`] where nobody knows.
    pub(crate) completed: Vec<u32>,
    /// Where the accesses of each transaction end.
    ends: Vec<u32>,
    accesses: Vec<Access>,
    names: Names,
    process_numbers: Numbered<u64>,
    versions: Numbered<(u32, i64)>,
    odd_versions: BTreeMap<(u32, Value), u32>,
    keys: Numbered<i64>,
    odd_keys: BTreeMap<Value, u32>,
}

type Numbered<T> = HashMap<T, u32, BuildHasherDefault<NumberHasher>>;

/// A hasher of numbers: all that is looked up by the million here. What it is given decides nothing but
/// how long a look-up takes.
#[derive(Clone, Copy, Debug, Default)]
struct NumberHasher(u64);

impl NumberHasher {
    fn add(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 29);
    }
}

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.add(u64::from(byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.add(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.add(number);
    }

    fn write_i64(&mut self, number: i64) {
        self.add(number as u64);
    }
}

/// How a reader knows keys and versions.
#[derive(Clone, Debug, Default)]
struct Names {
    keys: Vec<Value>,
    /// The value of each version, where it is a number.
    numbers: Vec<i64>,
    /// The values of the others.
    odd: BTreeMap<u32, Value>,
}

/// Where and how a transaction ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The id of the operation in the history.
    pub operation: u32,
    pub process: u64,
    pub outcome: Outcome,
    /// The index of the invocation among the history's events.
    pub invoked: u32,
    /// The index of the completion; `None` where the outcome is `Info`.
    pub completed: Option<u32>,
}

impl Transactions {
    /// Starts the next transaction; [`Transactions::read`] and [`Transactions::write`] speak of it.
    pub fn begin(&mut self, invocation: Invocation) {
        let fresh = self.process_numbers.len() as u32;
        let process = *self
            .process_numbers
            .entry(invocation.process)
            .or_insert(fresh);
        self.operations.push(invocation.operation);
        self.processes.push(process);
        self.outcomes.push(invocation.outcome);
        self.invoked.push(invocation.invoked);
        let completed = invocation
            .completed
            .filter(|_| invocation.outcome != Outcome::Info);
        self.completed.push(completed.unwrap_or(NEVER));
        self.ends.push(self.accesses.len() as u32);
    }

    /// The number that stands for a key.
    pub fn key(&mut self, key: ValueRef<'_>) -> u32 {
        let fresh = self.names.keys.len() as u32;
        let number = match key {
            ValueRef::Int(number) => *self.keys.entry(number).or_insert(fresh),
            other => *self.odd_keys.entry(other.to_value()).or_insert(fresh),
        };
        if number == fresh {
            self.names.keys.push(key.to_value());
        }
        number
    }

    /// The transaction read `value` of `key`; nil is the initial value.
    pub fn read(&mut self, key: u32, value: ValueRef<'_>) {
        if self.outcomes.last() == Some(&Outcome::Ok) {
            let version = self.version(key, value);
            self.push(key, version);
        }
    }

    /// The transaction wrote `value`, which is not nil, to `key`.
    pub fn write(&mut self, key: u32, value: ValueRef<'_>) {
        let version = self.version(key, value);
        assert!(version != INITIAL, "nil is the initial value only");
        self.push(key | WRITE, version);
    }

    fn push(&mut self, key_and_kind: u32, version: u32) {
        self.accesses.push(Access {
            key_and_kind,
            version,
        });
        let end = self.ends.last_mut().expect("a transaction was begun");
        *end = self.accesses.len() as u32;
    }

    fn version(&mut self, key: u32, value: ValueRef<'_>) -> u32 {
        let fresh = self.names.numbers.len() as u32;
        let version = match value {
            ValueRef::Nil => return INITIAL,
            ValueRef::Int(number) => *self.versions.entry((key, number)).or_insert(fresh),
            other => *self
                .odd_versions
                .entry((key, other.to_value()))
                .or_insert(fresh),
        };
        if version == fresh {
            self.names.numbers.push(value.as_int().unwrap_or_default());
            if value.as_int().is_none() {
                self.names.odd.insert(fresh, value.to_value());
            }
        }
        version
    }

    /// How many transactions there are, whatever became of them.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Whether every transaction has at most one access.
    pub(crate) fn are_single(&self) -> bool {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        self.ends
            .iter()
            .zip(starts)
            .all(|(end, start)| end - start <= 1)
    }

    pub(crate) fn key_count(&self) -> usize {
        self.names.keys.len()
    }

    pub(crate) fn version_count(&self) -> usize {
        self.names.numbers.len()
    }

    pub(crate) fn accesses(&self, transaction: usize) -> &[Access] {
        let start = transaction
            .checked_sub(1)
            .map_or(0, |before| self.ends[before]);
        &self.accesses[start as usize..self.ends[transaction] as usize]
    }

    /// The history up to an event: what had not returned may or may not have happened, and reads of
    /// what had not yet been invoked say nothing.
    pub(crate) fn prefix(&self, event: u32) -> Self {
        let mut invoked = vec![false; self.version_count()];
        let count = self.invoked.partition_point(|&at| at <= event);
        for transaction in 0..count {
            for access in self.accesses(transaction) {
                if access.is_write() {
                    invoked[access.version as usize] = true;
                }
            }
        }
        let mut prefix = Self {
            names: self.names.clone(),
            ..Self::default()
        };
        for transaction in 0..count {
            let completed = self.completed[transaction];
            let outcome = match self.outcomes[transaction] {
                Outcome::Ok if completed > event => Outcome::Info,
                outcome => outcome,
            };
            prefix.begin(Invocation {
                operation: self.operations[transaction],
                process: u64::from(self.processes[transaction]),
                outcome,
                invoked: self.invoked[transaction],
                completed: Some(completed).filter(|&completed| completed <= event),
            });
            for access in self.accesses(transaction) {
                let says = access.is_write()
                    || outcome == Outcome::Ok
                        && (access.version == INITIAL || invoked[access.version as usize]);
                if says {
                    prefix.push(access.key_and_kind, access.version);
                }
            }
        }
        prefix
    }

    /// The key of a version, and its value.
    pub(crate) fn name_of_version(&self, version: u32) -> (Value, Value) {
        let accesses = self.accesses.iter();
        let mut of_version = accesses.filter(|access| access.version == version);
        let key = of_version.next().map(|access| access.key());
        let key = key.map_or(Value::Nil, |key| self.key_name(key).clone());
        (key, self.version_name(version))
    }

    pub(crate) fn key_name(&self, key: u32) -> &Value {
        &self.names.keys[key as usize]
    }

    pub(crate) fn version_name(&self, version: u32) -> Value {
        if version == INITIAL {
            return Value::Nil;
        }
        let odd = self.names.odd.get(&version);
        odd.cloned()
            .unwrap_or_else(|| Value::Int(self.names.numbers[version as usize]))
    }
}
