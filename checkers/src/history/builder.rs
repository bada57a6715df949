//! A history as it grows, an event at a time.

use super::columns::{Ending, NONE};
use super::pairing::{Process, may_complete, may_invoke};
use super::values::{Slot, TAPE_MAX, ValueTables, ValueWriter};
use super::{Event, EventKind, EventRef, History, HistoryError, ProcessReuse, Value};
use std::collections::{BTreeMap, HashMap};

/// Takes events one after another and pairs each invocation with its completion.
pub struct HistoryBuilder {
    history: History,
    tables: ValueTables,
    reuse: ProcessReuse,
    limits: BuilderLimits,
    /// The numbers of processes: of small ones by themselves, as most are, and of others.
    small_process_numbers: Vec<u32>,
    process_numbers: HashMap<u64, u32>,
    /// What each process does, by number.
    processes: Vec<Process>,
    /// The numbers of names, by those of their texts: of those that are not just compared.
    name_numbers: HashMap<u32, u16>,
    /// The numbers of keys: of most by their slot, of lists and maps by what they are.
    key_numbers: HashMap<Slot, u32>,
    nested_key_numbers: BTreeMap<Value, u32>,
}

/// Processes below this number are found without a hash table.
const SMALL_PROCESSES: usize = 1 << 12;
/// So many names are compared with one before it is looked up: few histories have more.
const NAMES_COMPARED: usize = 4;

/// How many there can be at most, for the numbers in the columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct BuilderLimits {
    pub(super) events: usize,
    pub(super) names: usize,
}

impl BuilderLimits {
    const OF_COLUMNS: Self = Self {
        events: NONE as usize - 1,
        names: 1 << 16,
    };
}

/// An event whose values lie in the history already.
#[derive(Clone, Copy)]
pub(super) struct WrittenEvent<'e> {
    pub(super) process: u64,
    pub(super) kind: EventKind,
    pub(super) f: &'e str,
    pub(super) key: Option<Slot>,
    pub(super) value: Slot,
    pub(super) time_ns: u64,
    pub(super) error: Option<&'e str>,
}

impl HistoryBuilder {
    pub fn new(reuse: ProcessReuse) -> Self {
        Self::with_limits(reuse, BuilderLimits::OF_COLUMNS)
    }

    pub(super) fn with_limits(reuse: ProcessReuse, limits: BuilderLimits) -> Self {
        Self {
            history: History::default(),
            tables: ValueTables::default(),
            reuse,
            limits,
            small_process_numbers: Vec::new(),
            process_numbers: HashMap::new(),
            processes: Vec::new(),
            name_numbers: HashMap::new(),
            key_numbers: HashMap::new(),
            nested_key_numbers: BTreeMap::new(),
        }
    }

    /// Makes room for the first events, if there will probably be so many.
    pub(super) fn make_room(&mut self, event_count: usize) {
        const EVENTS_MAX: usize = 1 << 10;
        let events = event_count.min(EVENTS_MAX);
        let history = &mut self.history;
        history.operation.reserve(events);
        history.values.make_room(events);
        let operations = events.div_ceil(2);
        history.process.reserve(operations);
        history.f.reserve(operations);
        history.key.reserve(operations);
        history.input.reserve(operations);
        history.output.reserve(operations);
        history.ending.reserve(operations);
        history.invoked.reserve(operations);
        history.completed.reserve(operations);
    }

    /// Adds an event.
    ///
    /// # Errors
    /// Where it cannot come next; it is not added then.
    pub fn push(&mut self, event: Event) -> Result<(), HistoryError> {
        self.push_ref(EventRef::from(&event))
    }

    /// As [`HistoryBuilder::push`], of an event that lies elsewhere.
    ///
    /// # Errors
    /// Where it cannot come next; it is not added then.
    pub fn push_ref(&mut self, event: EventRef<'_>) -> Result<(), HistoryError> {
        let mut writer = self.writer();
        let key = event.key.map(|key| writer.write(key));
        let value = writer.write(event.value);
        self.push_written(WrittenEvent {
            process: event.process,
            kind: event.kind,
            f: event.f,
            key,
            value,
            time_ns: event.time_ns,
            error: event.error,
        })
    }

    /// The history up to here.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.history.event_count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn finish(mut self) -> History {
        self.history.shrink_to_fit();
        self.history
    }

    pub(super) fn writer(&mut self) -> ValueWriter<'_> {
        ValueWriter {
            values: &mut self.history.values,
            tables: &mut self.tables,
        }
    }

    pub(super) fn push_written(&mut self, event: WrittenEvent<'_>) -> Result<(), HistoryError> {
        let index = self.len();
        if index >= self.limits.events {
            return Err(too_large(index, "events", self.limits.events));
        }
        let process = self.process_number(event.process);
        let error = event.error.map(|error| self.writer().text_number(error));
        if self.tables.is_full {
            return Err(too_large(index, "words of values", TAPE_MAX));
        }
        let operation = match event.kind {
            EventKind::Invoke => self.invoke(index, process, &event)?,
            _ => self.complete(index, process, &event)?,
        };
        self.history.operation.push(operation);
        self.note_time(index, event.time_ns);
        self.history
            .errors
            .extend(error.map(|error| (index as u32, error)));
        Ok(())
    }

    fn invoke(
        &mut self,
        index: usize,
        process: u32,
        event: &WrittenEvent<'_>,
    ) -> Result<u32, HistoryError> {
        let doing = self.processes[process as usize];
        may_invoke(&self.history, doing, index, event, self.reuse)?;
        let f = self.name_number(index, event.f)?;
        let key = event.key.map_or(NONE, |key| self.key_number(key));
        let history = &mut self.history;
        let id = history.invoked.len() as u32;
        history.process.push(process);
        history.f.push(f);
        history.key.push(key);
        history.input.push(event.value);
        history.output.push(Slot::NIL);
        history.ending.push(Ending::OPEN);
        history.invoked.push(index as u32);
        history.completed.push(NONE);
        self.processes[process as usize] = Process::Inside(id);
        Ok(id)
    }

    fn complete(
        &mut self,
        index: usize,
        process: u32,
        event: &WrittenEvent<'_>,
    ) -> Result<u32, HistoryError> {
        let doing = self.processes[process as usize];
        let id = may_complete(&self.history, doing, index, event)?;
        let history = &mut self.history;
        history.output[id as usize] = event.value;
        history.ending[id as usize] = Ending::new(event.kind, event.key.is_some());
        history.completed[id as usize] = index as u32;
        self.processes[process as usize] = match event.kind {
            EventKind::Info => Process::Lost(index),
            _ => Process::Idle,
        };
        Ok(id)
    }

    fn note_time(&mut self, index: usize, time_ns: u64) {
        let times = &mut self.history.time_ns;
        if time_ns != 0 || !times.is_empty() {
            times.resize(index, 0);
            times.push(time_ns);
        }
    }

    fn process_number(&mut self, process: u64) -> u32 {
        let next = self.processes.len() as u32;
        let number = match usize::try_from(process) {
            Ok(small) if small < SMALL_PROCESSES => {
                let numbers = &mut self.small_process_numbers;
                if small >= numbers.len() {
                    numbers.resize(small + 1, NONE);
                }
                &mut numbers[small]
            }
            _ => self.process_numbers.entry(process).or_insert(NONE),
        };
        if *number == NONE {
            *number = next;
            self.history.processes.push(process);
            self.processes.push(Process::Idle);
        }
        *number
    }

    fn name_number(&mut self, index: usize, f: &str) -> Result<u16, HistoryError> {
        let History { names, values, .. } = &self.history;
        let mut compared = (0..).zip(names).take(NAMES_COMPARED);
        if let Some((number, _)) = compared.find(|&(_, &known)| values.texts.is(known, f)) {
            return Ok(number);
        }
        let text = self.writer().text_number(f);
        if let Some(&number) = self.name_numbers.get(&text) {
            return Ok(number);
        }
        let Some(number) = u16::try_from(self.history.names.len())
            .ok()
            .filter(|&number| usize::from(number) < self.limits.names)
        else {
            return Err(too_large(index, "names of operations", self.limits.names));
        };
        self.history.names.push(text);
        if usize::from(number) >= NAMES_COMPARED {
            self.name_numbers.insert(text, number);
        }
        Ok(number)
    }

    fn key_number(&mut self, key: Slot) -> u32 {
        let keys = &mut self.history.keys;
        let next = keys.len() as u32;
        let number = if key.is_identity() {
            *self.key_numbers.entry(key).or_insert(next)
        } else {
            let value = self.history.values.get(key).to_value();
            *self.nested_key_numbers.entry(value).or_insert(next)
        };
        if number == next {
            keys.push(key);
        }
        number
    }
}

fn too_large(event: usize, what: &'static str, max: usize) -> HistoryError {
    HistoryError::TooLarge { event, what, max }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn invoke(process: u64, f: &str, key: Option<Value>) -> Event {
        Event {
            process,
            kind: EventKind::Invoke,
            f: f.to_owned(),
            key,
            value: Value::Nil,
            time_ns: 0,
            error: None,
        }
    }

    #[test]
    fn names_keys_and_processes_have_numbers() {
        let mut builder = HistoryBuilder::new(ProcessReuse::Refused);
        let pair = Value::List(vec![Value::from("x"), Value::Int(i64::MAX)]);
        let keys = [
            None,
            Some(Value::from("x")),
            Some(pair.clone()),
            Some(Value::Int(7)),
            Some(pair),
        ];
        for (process, key) in (0..).zip(keys) {
            let f = if process == 3 { "write" } else { "read" };
            builder
                .push(invoke(u64::MAX - process, f, key))
                .expect("an invocation");
        }
        let history = builder.finish();
        let operations = history.operations();
        let numbers: Vec<_> = (0..operations.len())
            .map(|id| {
                (
                    operations.f_number(id),
                    operations.key_number(id),
                    operations.process_number(id),
                )
            })
            .collect();
        let expected = [
            (0, None, 0),
            (0, Some(0), 1),
            (0, Some(1), 2),
            (1, Some(2), 3),
            (0, Some(1), 4),
        ];
        assert_eq!(numbers, expected);
        assert_eq!(history.names().collect::<Vec<_>>(), ["read", "write"]);
        assert_eq!(history.processes()[4], u64::MAX - 4);
        let keys: Vec<String> = history.keys().map(|key| key.to_string()).collect();
        assert_eq!(keys, ["\"x\"", "[\"x\" 9223372036854775807]", "7"]);
    }

    #[test]
    fn each_of_many_names_has_one_number() {
        let mut builder = HistoryBuilder::new(ProcessReuse::Refused);
        let names: Vec<String> = (0..2 * NAMES_COMPARED)
            .map(|name| name.to_string())
            .collect();
        for (process, name) in (0..).zip(names.iter().chain(&names)) {
            let event = invoke(process, name, None);
            builder.push(event).expect("an invocation");
        }
        assert!(builder.finish().names().eq(&names));
    }

    #[test]
    fn a_history_is_not_larger_than_its_numbers() {
        let limits = BuilderLimits {
            events: 2,
            names: 1,
        };
        let mut builder = HistoryBuilder::with_limits(ProcessReuse::Refused, limits);
        builder.push(invoke(0, "read", None)).expect("room");
        let error = builder.push(invoke(1, "write", None)).expect_err("no room");
        expect!["event 1: expected a history of at most 1 names of operations, but there are more"]
            .assert_eq(&error.to_string());
        builder.push(invoke(1, "read", None)).expect("room");
        let error = builder.push(invoke(2, "read", None)).expect_err("no room");
        expect!["event 2: expected a history of at most 2 events, but there are more"]
            .assert_eq(&error.to_string());
        assert_eq!(builder.finish().events().len(), 2);
    }

    #[test]
    fn what_cannot_come_next_leaves_the_history_as_it_was() {
        let mut builder = HistoryBuilder::new(ProcessReuse::Refused);
        builder
            .push(invoke(0, "read", None))
            .expect("an invocation");
        let before = builder.history().clone();
        builder
            .push(invoke(0, "write", Some(Value::Int(1))))
            .expect_err("busy");
        assert_eq!(*builder.history(), before);
        let ok = Event {
            kind: EventKind::Ok,
            ..invoke(0, "read", None)
        };
        builder.push(ok).expect("the completion");
    }
}
