//! How a history lies in memory: a column for each field of its operations, some fifty bytes for both
//! events of an operation, and values besides ([`super::values`]).

use super::values::{Slot, Values};
use super::{Event, EventKind, EventRef, Events, Operation, Operations, Outcome, ValueRef};

/// Stands in a column where there is nothing.
pub(super) const NONE: u32 = u32::MAX;

/// How an operation ended, and whether its completion named the key again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Ending(u8);

impl Ending {
    pub(super) const OPEN: Self = Self(0);
    const KEY: u8 = 4;

    pub(super) fn new(kind: EventKind, has_key: bool) -> Self {
        let kind = match kind {
            EventKind::Invoke => 0,
            EventKind::Ok => 1,
            EventKind::Fail => 2,
            EventKind::Info => 3,
        };
        Self(kind | if has_key { Self::KEY } else { 0 })
    }

    fn kind(self) -> EventKind {
        match self.0 & 3 {
            1 => EventKind::Ok,
            2 => EventKind::Fail,
            _ => EventKind::Info,
        }
    }

    fn outcome(self) -> Outcome {
        match self.0 & 3 {
            1 => Outcome::Ok,
            2 => Outcome::Fail,
            _ => Outcome::Info,
        }
    }

    fn has_key(self) -> bool {
        self.0 & Self::KEY != 0
    }
}

/// Events in the order in which they happened, and the operations that they form.
///
/// It is (de)serialised as its list of events; reading pairs them anew. A million reads and writes of
/// small integers take 51 MB, times included.
#[derive(Clone, Default)]
pub struct History {
    pub(super) values: Values,
    /// What the numbers in the columns stand for. Names are numbers of texts.
    pub(super) names: Vec<u32>,
    pub(super) keys: Vec<Slot>,
    pub(super) processes: Vec<u64>,
    // By operation.
    pub(super) process: Vec<u32>,
    pub(super) f: Vec<u16>,
    pub(super) key: Vec<u32>,
    pub(super) input: Vec<Slot>,
    pub(super) output: Vec<Slot>,
    pub(super) ending: Vec<Ending>,
    pub(super) invoked: Vec<u32>,
    /// The completion of any kind.
    pub(super) completed: Vec<u32>,
    // By event.
    /// The operation that it begins or ends.
    pub(super) operation: Vec<u32>,
    /// Empty as long as all are zero.
    pub(super) time_ns: Vec<u64>,
    /// The events that have an error, in order, and the numbers of the texts.
    pub(super) errors: Vec<(u32, u32)>,
}

impl History {
    /// The events, in the order in which they happened. Indices in verdicts point here.
    pub fn events(&self) -> Events<'_> {
        Events(self)
    }

    /// The operations in the order of their invocations: an operation's id is its index here.
    pub fn operations(&self) -> Operations<'_> {
        Operations(self)
    }

    /// The operation of an id. Panics if there is none.
    #[inline]
    pub fn operation(&self, id: usize) -> Operation<'_> {
        let (operations, invoked) = (self.operations(), self.invoked[id] as usize);
        let ended = self.ended(id);
        Operation {
            id,
            process: self.processes[self.process[id] as usize],
            f: operations.f(id),
            key: self.key_value(self.key[id]),
            input: operations.input(id),
            output: operations.output(id),
            outcome: operations.outcome(id),
            invoked,
            completed: operations.completed(id),
            invoked_ns: self.time_of(invoked),
            completed_ns: ended.map(|event| self.time_of(event)),
            error: self.error_of(ended.unwrap_or(invoked)),
        }
    }

    /// The event of an index. Panics if there is none.
    #[inline]
    pub fn event(&self, index: usize) -> EventRef<'_> {
        let id = self.operation_of(index);
        let (is_invoke, ending) = (self.invoked[id] as usize == index, self.ending[id]);
        let has_key = is_invoke || ending.has_key();
        EventRef {
            process: self.processes[self.process[id] as usize],
            kind: if is_invoke {
                EventKind::Invoke
            } else {
                ending.kind()
            },
            f: self.operations().f(id),
            key: self.key_value(self.key[id]).filter(|_| has_key),
            value: self.values.get(if is_invoke {
                self.input[id]
            } else {
                self.output[id]
            }),
            time_ns: self.time_of(index),
            error: self.error_of(index),
        }
    }

    /// Whether any event carries a time. Where none does, event numbers tell a reader more.
    pub fn has_times(&self) -> bool {
        !self.time_ns.is_empty()
    }

    /// The names of operations, each once: that of number 0 comes first.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(|&text| self.values.texts.get(text))
    }

    /// The keys of operations, each once: that of number 0 comes first.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = ValueRef<'_>> {
        self.keys.iter().map(|&slot| self.values.get(slot))
    }

    /// The processes, each once: that of number 0 comes first.
    pub fn processes(&self) -> &[u64] {
        &self.processes
    }

    /// How many bytes of memory it takes, itself included.
    pub fn bytes(&self) -> usize {
        let by_operation = 4 * (self.process.capacity() + self.key.capacity())
            + 2 * self.f.capacity()
            + 4 * (self.input.capacity() + self.output.capacity())
            + self.ending.capacity()
            + 4 * (self.invoked.capacity() + self.completed.capacity());
        let by_event =
            4 * self.operation.capacity() + 8 * (self.time_ns.capacity() + self.errors.capacity());
        let named =
            4 * (self.names.capacity() + self.keys.capacity()) + 8 * self.processes.capacity();
        size_of::<Self>() + self.values.bytes() + by_operation + by_event + named
    }

    pub(super) fn operation_count(&self) -> usize {
        self.invoked.len()
    }

    pub(super) fn event_count(&self) -> usize {
        self.operation.len()
    }

    pub(super) fn operation_of(&self, event: usize) -> usize {
        self.operation[event] as usize
    }

    pub(super) fn key_value(&self, number: u32) -> Option<ValueRef<'_>> {
        (number != NONE).then(|| self.values.get(self.keys[number as usize]))
    }

    /// The event of the completion of any kind.
    fn ended(&self, id: usize) -> Option<usize> {
        let event = self.completed[id];
        (event != NONE).then_some(event as usize)
    }

    fn time_of(&self, event: usize) -> u64 {
        self.time_ns.get(event).copied().unwrap_or(0)
    }

    fn error_of(&self, event: usize) -> Option<&str> {
        let found = self
            .errors
            .binary_search_by_key(&event, |&(event, _)| event as usize);
        found
            .ok()
            .map(|at| self.values.texts.get(self.errors[at].1))
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.values.shrink_to_fit();
        self.names.shrink_to_fit();
        self.keys.shrink_to_fit();
        self.processes.shrink_to_fit();
        self.process.shrink_to_fit();
        self.f.shrink_to_fit();
        self.key.shrink_to_fit();
        self.input.shrink_to_fit();
        self.output.shrink_to_fit();
        self.ending.shrink_to_fit();
        self.invoked.shrink_to_fit();
        self.completed.shrink_to_fit();
        self.operation.shrink_to_fit();
        self.time_ns.shrink_to_fit();
        self.errors.shrink_to_fit();
    }
}

/// Single fields of operations.
impl<'h> Operations<'h> {
    #[inline]
    pub fn f(self, id: usize) -> &'h str {
        self.0.values.texts.get(self.0.names[self.f_number(id)])
    }

    /// The place of its name among [`History::names`].
    #[inline]
    pub fn f_number(self, id: usize) -> usize {
        usize::from(self.0.f[id])
    }

    #[inline]
    pub fn key(self, id: usize) -> Option<ValueRef<'h>> {
        self.0.key_value(self.0.key[id])
    }

    /// The place of its key among [`History::keys`].
    #[inline]
    pub fn key_number(self, id: usize) -> Option<usize> {
        let number = self.0.key[id];
        (number != NONE).then_some(number as usize)
    }

    /// The place of its process among [`History::processes`].
    #[inline]
    pub fn process_number(self, id: usize) -> usize {
        self.0.process[id] as usize
    }

    pub(crate) fn key_count(self) -> usize {
        self.0.keys.len()
    }

    /// The names of operations, each once: that of number 0 comes first.
    pub(crate) fn names(self) -> impl ExactSizeIterator<Item = &'h str> {
        self.0.names()
    }

    #[inline]
    pub fn input(self, id: usize) -> ValueRef<'h> {
        self.0.values.get(self.0.input[id])
    }

    #[inline]
    pub fn output(self, id: usize) -> ValueRef<'h> {
        self.0.values.get(self.0.output[id])
    }

    #[inline]
    pub fn outcome(self, id: usize) -> Outcome {
        self.0.ending[id].outcome()
    }

    #[inline]
    pub fn invoked(self, id: usize) -> usize {
        self.0.invoked[id] as usize
    }

    /// See [`Operation::completed`].
    #[inline]
    pub fn completed(self, id: usize) -> Option<usize> {
        match self.outcome(id) {
            Outcome::Info => None,
            Outcome::Ok | Outcome::Fail => self.0.ended(id),
        }
    }
}

impl From<History> for Vec<Event> {
    fn from(history: History) -> Self {
        history.events().to_vec()
    }
}
