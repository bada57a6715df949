//! Drains of a queue as the dequeues that they were.
//!
//! Jepsen's queues end with `drain`, which takes element after element until there is nothing left, and
//! returns the list. No order explains that as one operation: others may enqueue and dequeue in between.
//!
//! Where nothing else happened on its key while it ran, its elements were dequeued one after another, as
//! the list says. Where something did, nobody knows what came before it, so each element was dequeued at
//! some time of the drain. One that failed took nothing. One that crashed may have taken all that was
//! enqueued and that nobody got, at any later time; and what the first of those may have taken covers
//! the others.

use super::{
    EventKind, EventRef, History, HistoryBuilder, Operation, Outcome, ProcessReuse, ValueRef,
};

const DRAIN: &str = "drain";

impl History {
    /// Whether an operation is a `drain`.
    pub fn has_drains(&self) -> bool {
        self.names().any(|name| name == DRAIN)
    }

    /// The history in which every `drain` is as many `dequeue`s as it took elements. A drain that does
    /// not return a list stays as it is.
    ///
    /// # Panics
    /// If the events become more than a history can hold.
    pub fn drains_as_dequeues(&self) -> Self {
        let mut drains = Drains::new(self);
        for index in 0..self.events().len() {
            drains.take(index);
        }
        drains.builder.finish()
    }
}

/// What becomes of a drain.
#[derive(Clone, Copy)]
enum Fate {
    /// Nothing: it is no drain.
    Kept,
    /// It took nothing.
    Absent,
    /// Its elements were dequeued one after another.
    InTurn,
    /// Its elements were dequeued while it ran, all but the first by processes from this number on.
    Spread(u64),
    /// It may have taken so many.
    Crashed(u32),
}

struct Drains<'h> {
    history: &'h History,
    builder: HistoryBuilder,
    /// By operation.
    fates: Vec<Fate>,
    next_process: u64,
}

impl<'h> Drains<'h> {
    fn new(history: &'h History) -> Self {
        let largest = history.processes().iter().copied().max();
        let mut drains = Self {
            history,
            builder: HistoryBuilder::new(ProcessReuse::AfterInfo),
            fates: Vec::with_capacity(history.operations().len()),
            next_process: largest.map_or(0, |largest| largest.saturating_add(1)),
        };
        let disturbed = disturbed(history);
        let mut lost = lost(history);
        for (operation, is_disturbed) in history.operations().iter().zip(disturbed) {
            let lost = &mut lost[place_of_key(history, operation.id)];
            let fate = drains.fate(&operation, is_disturbed, lost);
            drains.fates.push(fate);
        }
        drains
    }

    fn fate(&mut self, drain: &Operation<'_>, is_disturbed: bool, lost: &mut u32) -> Fate {
        if drain.f != DRAIN {
            return Fate::Kept;
        }
        match (drain.outcome, elements(drain.output)) {
            (Outcome::Fail, _) => Fate::Absent,
            (Outcome::Info, _) => Fate::Crashed(std::mem::take(lost)),
            (Outcome::Ok, None) => Fate::Kept,
            (Outcome::Ok, Some(_)) if !is_disturbed => Fate::InTurn,
            (Outcome::Ok, Some(elements)) => {
                let first = self.next_process;
                self.next_process = first.saturating_add(elements.len() as u64);
                Fate::Spread(first)
            }
        }
    }

    /// Takes over an event.
    fn take(&mut self, index: usize) {
        let id = self.history.operation_of(index);
        let event = self.history.event(index);
        match (self.fates[id], event.kind) {
            (Fate::Kept, _) => self.push(event),
            (Fate::InTurn, EventKind::Ok) => self.dequeue_in_turn(event),
            (Fate::Spread(first), _) => self.dequeue_at_once(id, event, first),
            (Fate::Crashed(count), EventKind::Invoke) => self.crash(event, count),
            (Fate::Absent | Fate::InTurn | Fate::Crashed(_), _) => {}
        }
    }

    fn dequeue_in_turn(&mut self, event: EventRef<'_>) {
        for element in elements(event.value).unwrap_or_default() {
            self.push(dequeue(event, EventKind::Invoke, ValueRef::Nil));
            self.push(dequeue(event, EventKind::Ok, element));
        }
    }

    /// All begin with the drain, or all end with it.
    fn dequeue_at_once(&mut self, id: usize, event: EventRef<'_>, first: u64) {
        let output = self.history.operations().output(id);
        let processes = std::iter::once(event.process).chain(first..);
        for (element, process) in elements(output)
            .unwrap_or_default()
            .into_iter()
            .zip(processes)
        {
            let seen = match event.kind {
                EventKind::Invoke => ValueRef::Nil,
                _ => element,
            };
            let event = EventRef { process, ..event };
            self.push(dequeue(event, event.kind, seen));
        }
    }

    /// So many dequeues of which nobody knows more than when they began.
    fn crash(&mut self, event: EventRef<'_>, count: u32) {
        for _ in 0..count {
            let process = self.next_process;
            self.next_process = process.saturating_add(1);
            let event = EventRef { process, ..event };
            self.push(dequeue(event, EventKind::Invoke, ValueRef::Nil));
        }
    }

    fn push(&mut self, event: EventRef<'_>) {
        let pushed = self.builder.push_ref(event);
        pushed.expect("each process still does one thing at a time");
    }
}

fn elements(output: ValueRef<'_>) -> Option<Vec<ValueRef<'_>>> {
    output.as_list().map(|list| list.iter().collect())
}

fn dequeue<'e>(event: EventRef<'e>, kind: EventKind, value: ValueRef<'e>) -> EventRef<'e> {
    EventRef {
        kind,
        f: "dequeue",
        value,
        error: None,
        ..event
    }
}

/// Where what is known of an operation's key is kept.
fn place_of_key(history: &History, id: usize) -> usize {
    let number = history.operations().key_number(id);
    number.map_or(0, |number| number + 1)
}

/// By operation: whether anything else began or ended on its key while it ran.
fn disturbed(history: &History) -> Vec<bool> {
    let mut counts = vec![0_u32; history.keys().len() + 1];
    let mut begun = vec![0_u32; history.operations().len()];
    let mut disturbed = vec![true; history.operations().len()];
    for index in 0..history.events().len() {
        let id = history.operation_of(index);
        let count = &mut counts[place_of_key(history, id)];
        *count += 1;
        if history.operations().invoked(id) == index {
            begun[id] = *count;
        } else {
            disturbed[id] = *count != begun[id] + 1;
        }
    }
    disturbed
}

/// By key: how many more values may have been enqueued than were dequeued.
fn lost(history: &History) -> Vec<u32> {
    let mut lost = vec![0_u32; history.keys().len() + 1];
    let mut taken = lost.clone();
    for operation in history.operations() {
        let place = place_of_key(history, operation.id);
        match (operation.f, operation.outcome) {
            ("enqueue", Outcome::Ok | Outcome::Info) => lost[place] += 1,
            ("dequeue", Outcome::Ok) if !operation.output.is_nil() => taken[place] += 1,
            (DRAIN, Outcome::Ok) => {
                taken[place] += operation
                    .output
                    .as_list()
                    .map_or(0, |list| list.iter().count() as u32);
            }
            _ => {}
        }
    }
    let left = lost.iter().zip(&taken);
    left.map(|(lost, taken)| lost.saturating_sub(*taken))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linearizability::{Limits, check};
    use crate::specs::FifoQueue;

    /// What the queue of these lines is judged to be, each `process kind f value`.
    fn judged(lines: &str) -> String {
        let lines = lines.lines().filter(|line| !line.trim().is_empty());
        let events = lines.map(|line| {
            let [process, kind, f, value] = line.split_whitespace().collect::<Vec<_>>()[..] else {
                panic!("four words: {line}");
            };
            format!("{{:process {process}, :type :{kind}, :f :{f}, :value {value}}}\n")
        });
        let history = History::read(events.collect::<String>().as_bytes(), None);
        let history = history.expect("the lines are a history");
        assert!(history.has_drains());
        let expanded = history.drains_as_dequeues();
        assert!(!expanded.has_drains());
        let mut asked = expanded
            .events()
            .iter()
            .filter(|event| event.f == "dequeue");
        assert!(asked.all(|event| event.kind != EventKind::Invoke || event.value.is_nil()));
        let verdict = check(&FifoQueue, &expanded, &Limits::default());
        verdict.expect("it is of a queue").word().to_owned()
    }

    const TWO: &str = "
        0 invoke enqueue 1
        0 ok enqueue 1
        0 invoke enqueue 2
        0 ok enqueue 2
        0 invoke enqueue 3
        0 ok enqueue 3
        1 invoke drain nil
        ";

    #[test]
    fn what_a_drain_took_was_dequeued_in_turn() {
        assert_eq!(judged(&format!("{TWO} 1 ok drain [1,2,3]")), "valid");
        assert_eq!(judged(&format!("{TWO} 1 ok drain [1,3,2]")), "invalid");
        assert_eq!(judged(&format!("{TWO} 1 ok drain [2,3]")), "invalid");
        assert_eq!(judged(&format!("{TWO} 1 ok drain [1,2,3,4]")), "invalid");
        assert_eq!(judged(&format!("{TWO} 1 ok drain [1,2]")), "valid");
    }

    #[test]
    fn others_may_dequeue_in_between() {
        let between = "2 invoke dequeue nil\n 2 ok dequeue";
        assert_eq!(
            judged(&format!("{TWO} {between} 2\n 1 ok drain [1,3]")),
            "valid"
        );
        assert_eq!(
            judged(&format!("{TWO} {between} 1\n 1 ok drain [1,3]")),
            "invalid"
        );
        assert_eq!(
            judged(&format!("{TWO} 1 ok drain []\n {between} 2")),
            "invalid"
        );
    }

    #[test]
    fn two_drains_share_what_there_is() {
        let both = format!("{TWO} 2 invoke drain nil\n 2 ok drain");
        assert_eq!(judged(&format!("{both} [2]\n 1 ok drain [1,3]")), "valid");
        assert_eq!(
            judged(&format!("{both} [2,3]\n 1 ok drain [1,3]")),
            "invalid"
        );
    }

    #[test]
    fn a_drain_that_crashed_may_have_taken_anything_later() {
        let rest = "0 invoke enqueue 4\n 0 ok enqueue 4\n 2 invoke dequeue nil\n 2 ok dequeue 4";
        assert_eq!(judged(&format!("{TWO} 1 info drain nil\n {rest}")), "valid");
        assert_eq!(
            judged(&format!("{TWO} 1 fail drain nil\n {rest}")),
            "invalid"
        );
        assert_eq!(judged(&format!("{TWO} {rest}")), "valid");
        let nothing = "2 invoke dequeue nil\n 2 ok dequeue nil";
        assert_eq!(
            judged(&format!("{TWO} 1 info drain nil\n {nothing}")),
            "valid"
        );
        let again = "3 invoke dequeue nil\n 3 ok dequeue 1";
        assert_eq!(
            judged(&format!("{TWO} 1 info drain nil\n {rest}\n {again}")),
            "invalid"
        );
    }

    /// What happens to the one queue is nothing to the other.
    #[test]
    fn each_key_is_drained_on_its_own() {
        let event = |process: u64, kind: &str, f: &str, key: u64, value: &str| {
            format!("{{:process {process}, :type :{kind}, :f :{f}, :key {key}, :value {value}}}\n")
        };
        let enqueue = |key: u64, value: &str| {
            event(0, "invoke", "enqueue", key, value) + &event(0, "ok", "enqueue", key, value)
        };
        let begun = enqueue(1, "10") + &enqueue(2, "20") + &event(1, "invoke", "drain", 1, "nil");
        let between = enqueue(2, "21");
        let word = |end: String| {
            let text = begun.clone() + &between + &end;
            let history = History::read(text.as_bytes(), None).expect("a history");
            let expanded = history.drains_as_dequeues();
            let verdict = check(&FifoQueue, &expanded, &Limits::default());
            (
                expanded.operations().len(),
                verdict.expect("it is of queues").word(),
            )
        };
        assert_eq!(word(event(1, "ok", "drain", 1, "[10]")), (4, "valid"));
        assert_eq!(word(event(1, "ok", "drain", 1, "[20]")), (4, "invalid"));
        // Only one value can have been taken where there was one.
        assert_eq!(word(event(1, "info", "drain", 1, "nil")), (4, "valid"));
    }
}
