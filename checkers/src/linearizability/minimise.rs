//! The few operations that together are impossible.
//!
//! Only by steps after which everything that was possible still is:
//!
//! - to leave out an operation that changes no state;
//! - to say of another that nobody knows whether it happened;
//! - to forget everything that ended before some event, and let the object be in any state there.
//!
//! What is impossible without those certainties is impossible with them. (To leave out a *write* is no
//! such step: it makes its readers impossible.) First operations are added that an order of the few before
//! does not explain, then they are taken away in chunks, as in Zeller and Hildebrandt's "Simplifying and
//! isolating failure-inducing input", 2002. Where the rest of them is possible, its order tells which one
//! it is for: without that one all others are possible.

use super::any_spec::AnySpec;
use super::catalogue::{Catalogue, ClassNumber, StateNumber};
use super::compiled::Compiled;
use super::judge::find;
use super::limits::{Limits, Meter};
use super::problem::{Item, Problem};
use super::search::{Found, Frontier};
use super::unplaced::Explained;
use crate::spec::{Diagnosis, Effect, NEVER, Recorded};
use std::time::Instant;

/// How much work goes into smaller sets: about an operation looked at. All bounds are counts, so
/// that the result is the same on every machine.
const WORK_MAX: u64 = 30_000_000;
/// What a visited configuration costs in comparison.
const WORK_PER_CONFIGURATION: u64 = 16;
/// What a step costs that the specification takes itself.
const WORK_PER_STEP: u64 = 64;
/// So many operations are taken away one at a time.
const SINGLY_MAX: usize = 16;
const CONFIGURATIONS_PER_TRY_MAX: u64 = 50_000;
/// Where the specification has to take more steps than this, most lead to more such.
const STEPS_PER_TRY_MAX: u64 = 4000;
/// Beside what the operations themselves take.
const MEMORY_BYTES_PER_TRY_MAX: u64 = 256 << 20;
/// How much work goes into finding the states that the object can be in.
const STATE_STEPS_MAX: usize = 1_000_000;
/// How many states are found: those of a queue may be as large as they are many.
const STATES_MAX: usize = 4096;

/// Operations whose certainty alone is impossible.
pub(super) struct Core {
    /// Their ids, ascending.
    pub(super) operations: Vec<usize>,
    /// Whether without any one of them the others were shown to be possible.
    pub(super) is_minimal: bool,
}

/// Finds such operations among impossible ones, as far as the meter's room goes. The operations that a
/// diagnosis names, and those together with its suspects, are guesses: where one is right, it saves the
/// search, and those that are named are all in the result. The operations may have been compiled, those of
/// later events among them.
pub(super) fn minimise<'a>(
    spec: &'a dyn AnySpec,
    recorded: Recorded<'_>,
    meter: &Meter,
    diagnosis: &Diagnosis,
    compiled: Option<Compiled<'a>>,
) -> Core {
    let Diagnosis {
        operations: named,
        suspects,
        ..
    } = diagnosis;
    let compiled = match compiled {
        Some(mut compiled) => compiled
            .until(recorded, meter)
            .map(|items| Compiled { items, ..compiled }),
        None => Compiled::new(spec, recorded, meter),
    };
    let Ok(mut attempt) = compiled.map(|compiled| Attempt::new(compiled, meter)) else {
        let certain = |id: &usize| {
            let operation = recorded.history().operation(*id);
            matches!(spec.is_certain(&operation), Ok(Some(true)))
        };
        let ids = recorded.iter().map(|operation| operation.id);
        return Core {
            operations: ids.filter(certain).collect(),
            is_minimal: false,
        };
    };
    attempt.find_reachable_states();
    if let Some(core) = attempt.without_past(named) {
        return united(core, named);
    }
    let guess = attempt.certain(|id| named.contains(&id) || suspects.contains(&id));
    if matches!(attempt.judge(&guess), Judged::Impossible { .. }) {
        return united(attempt.shrink(guess, named), named);
    }
    attempt.forget_the_past();
    let certain = attempt.certain(|_| true);
    attempt.shrink(certain, named)
}

fn united(core: Core, named: &[usize]) -> Core {
    let mut operations = core.operations.clone();
    operations.extend(named);
    operations.sort_unstable();
    operations.dedup();
    Core {
        is_minimal: core.is_minimal && operations == core.operations,
        operations,
    }
}

enum Judged {
    Impossible {
        /// The ids of certain operations that change nothing and had their places in every order that was
        /// tried: without their certainty the search would have been the same.
        idle: Vec<usize>,
    },
    Possible(Explained),
    /// Within the limits of a try.
    Unknown,
}

struct Attempt<'a> {
    catalogue: Catalogue<'a>,
    /// How many bytes a search may hold, the catalogue included.
    search_bytes_max: u64,
    /// Every state that the object can ever be in, and maybe more; none if they are too many to tell.
    reachable: Vec<StateNumber>,
    /// The states in which `items` may begin.
    starts: Vec<StateNumber>,
    items: Vec<Item>,
    /// By class, its operations when nobody knows whether they happened; nothing where that says
    /// nothing, or no item is of the class.
    relaxed: Vec<Option<ClassNumber>>,
    work: u64,
}

impl<'a> Attempt<'a> {
    fn new(compiled: Compiled<'a>, meter: &Meter) -> Self {
        let Compiled {
            mut catalogue,
            items,
        } = compiled;
        let mut relaxed = vec![None; catalogue.class_count()];
        for item in &items {
            let is_known = relaxed[item.class as usize].is_some();
            if !is_known && catalogue.effect(item.class) != Effect::ReadOnly {
                let class = catalogue.relaxed(item.class);
                relaxed.resize(catalogue.class_count(), None);
                relaxed[item.class as usize] = Some(class);
                relaxed[class as usize] = Some(class);
            }
        }
        // The items of a search are made of these, and the search is told of its own only.
        let lists = 2 * size_of_val(&items[..]) + size_of_val(&relaxed[..]);
        let left = meter.bytes_max().saturating_sub(lists as u64);
        let search_bytes_max = left.min(catalogue.bytes() + MEMORY_BYTES_PER_TRY_MAX);
        Self {
            starts: vec![Catalogue::INITIAL],
            reachable: Vec::new(),
            catalogue,
            search_bytes_max,
            items,
            relaxed,
            work: 0,
        }
    }

    /// Every state that the operations can lead to in any order, unless they would fill the room.
    fn find_reachable_states(&mut self) {
        let is_changing = |class: &ClassNumber| self.relaxed[*class as usize].is_some();
        let classes = (0..self.relaxed.len() as ClassNumber).filter(is_changing);
        let classes: Vec<ClassNumber> = classes.collect();
        let limits = (STATES_MAX, STATE_STEPS_MAX);
        self.catalogue.limit(self.search_bytes_max, u64::MAX);
        let states = self.catalogue.reachable(&classes, self.items.len(), limits);
        self.reachable = states.unwrap_or_default();
        if self.is_crowded() {
            self.reachable.clear();
        }
        self.make_room();
    }

    fn is_crowded(&self) -> bool {
        self.catalogue.bytes() > self.search_bytes_max / 2
    }

    /// Forgets the states that no search begins in, if there are so many that the next has no room.
    fn make_room(&mut self) {
        if !self.is_crowded() {
            return;
        }
        let mut states = [&self.starts[..], &self.reachable].concat();
        let mut classes: Vec<ClassNumber> = (0..self.relaxed.len() as ClassNumber).collect();
        self.catalogue.keep(&mut states, &mut classes);
        self.reachable = states.split_off(self.starts.len());
        self.starts = states;
    }

    /// The ids of the certain operations among those that are wanted.
    fn certain(&self, is_wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        let certain = self.items.iter().filter(|item| item.completed != NEVER);
        let ids = certain.map(|item| item.id as usize);
        ids.filter(|&id| is_wanted(id)).collect()
    }

    /// What stays of some operations, if they are impossible whatever was before the first of them.
    fn without_past(&mut self, ids: &[usize]) -> Option<Core> {
        if self.reachable.is_empty() {
            return None;
        }
        let ids = self.certain(|id| ids.contains(&id));
        let is_named = |item: &&Item| ids.contains(&(item.id as usize));
        let first = self.items.iter().find(is_named)?.invoked;
        let after = self.after(first);
        let whole = std::mem::replace(&mut self.items, after);
        self.starts = self.reachable.clone();
        if matches!(self.judge(&ids), Judged::Impossible { .. }) {
            return Some(self.take_away(ids));
        }
        self.items = whole;
        self.starts = vec![Catalogue::INITIAL];
        None
    }

    /// Forgets all before the last event after which the operations are impossible whatever was
    /// before it.
    fn forget_the_past(&mut self) {
        if self.reachable.is_empty() {
            return;
        }
        let cuts: Vec<u32> = self.items.iter().map(|item| item.invoked).collect();
        self.starts = self.reachable.clone();
        let mut impossible = None;
        // The core of most histories is short, so cuts are tried from the end, ever further back. The last
        // one need not be found: to look for it costs more than what is left to forget.
        let (mut low, mut high) = (0, cuts.len());
        let mut distance = 16;
        let is_close = |low: usize, high: usize| 2 * (high - low) <= cuts.len() - low;
        while low < high && (impossible.is_none() || !is_close(low, high)) {
            let middle = if impossible.is_none() {
                high.saturating_sub(distance).max(low)
            } else {
                low + (high - low) / 2
            };
            distance *= 2;
            let after = self.after(cuts[middle]);
            if matches!(self.judge_items(after.clone()), Judged::Impossible { .. }) {
                impossible = Some(after);
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        match impossible {
            Some(after) => self.items = after,
            None => self.starts = vec![Catalogue::INITIAL],
        }
    }

    /// Forgets all before the invocation of an operation, where others have been forgotten. What was
    /// impossible stays so. Whether there were any.
    fn forget_before(&mut self, first: Option<&usize>) -> bool {
        let is_first = |item: &Item| Some(&(item.id as usize)) == first;
        let place = self.items.iter().position(is_first).unwrap_or(0);
        let may_begin_anywhere = self.starts.len() == self.reachable.len();
        let mut before = self.items[..place].iter();
        let forgets = may_begin_anywhere && before.any(|item| item.completed != NEVER);
        if forgets {
            self.items = self.after(self.items[place].invoked);
        }
        forgets
    }

    /// What may still happen after an event. What was open there may have happened before.
    fn after(&self, event: u32) -> Vec<Item> {
        let mut after = Vec::with_capacity(self.items.len());
        after.extend(self.items.iter().filter_map(|item| {
            if item.invoked >= event {
                Some(*item)
            } else if item.completed >= event {
                self.relax(item)
            } else {
                None
            }
        }));
        after
    }

    /// The same operation, but nobody knows whether it happened. Whatever was possible stays so.
    fn relax(&self, item: &Item) -> Option<Item> {
        let class = self.relaxed[item.class as usize]?;
        Some(Item {
            class,
            completed: NEVER,
            ..*item
        })
    }

    /// The few that matter of some impossible operations, among them probably those that are named.
    fn shrink(&mut self, ids: Vec<usize>, named: &[usize]) -> Core {
        match self.grow(&ids, named) {
            Some(few) => self.take_away(few),
            None => self.take_away(ids),
        }
    }

    /// Adds to those that are named some that an order of these leaves unexplained, until there is none.
    /// One at a time as long as they are few: with more at once, fewer of them are needed.
    fn grow(&mut self, ids: &[usize], named: &[usize]) -> Option<Vec<usize>> {
        let named = ids.iter().filter(|id| named.contains(id));
        let mut certain: Vec<usize> = named.copied().collect();
        loop {
            let explained = match self.judge(&certain) {
                Judged::Impossible { idle } => {
                    certain.retain(|id| !idle.contains(id));
                    return Some(certain);
                }
                Judged::Possible(explained) => explained,
                Judged::Unknown => return None,
            };
            let unplaced = self.unplaced(&explained, ids);
            if unplaced.is_empty() {
                return None;
            }
            let count = (certain.len() / 8).max(1);
            certain.extend(unplaced.iter().take(count));
            certain.sort_unstable();
        }
    }

    /// The ids of those operations that the order does not explain, the first to return first.
    fn unplaced(&mut self, explained: &Explained, ids: &[usize]) -> Vec<usize> {
        let is_meant = |item: &&Item| ids.binary_search(&(item.id as usize)).is_ok();
        let certain = self.items.iter().filter(|item| item.completed != NEVER);
        let meant = certain.filter(is_meant);
        self.work += self.items.len() as u64;
        explained.unplaced(meant, &mut self.catalogue)
    }

    /// Takes away chunks, ever smaller ones, as long as what stays is impossible.
    fn take_away(&mut self, mut doubtful: Vec<usize>) -> Core {
        let mut core = Core {
            operations: Vec::new(),
            is_minimal: false,
        };
        let mut size = match doubtful.len() {
            0..=SINGLY_MAX => 1,
            many => many.div_ceil(2),
        };
        self.forget_before(doubtful.first());
        loop {
            let mut start = 0;
            while start < doubtful.len() {
                let end = (start + size).min(doubtful.len());
                let mut rest = [&doubtful[..start], &doubtful[end..], &core.operations].concat();
                rest.sort_unstable();
                match self.judge(&rest) {
                    Judged::Impossible { idle } => {
                        doubtful.drain(start..end);
                        let before = doubtful[..start].iter();
                        start -= before.filter(|id| idle.contains(id)).count();
                        doubtful.retain(|id| !idle.contains(id));
                        let first = doubtful.iter().chain(&core.operations).min();
                        if self.forget_before(first) && !core.operations.is_empty() {
                            // Who was needed may be so no more.
                            doubtful.append(&mut core.operations);
                            doubtful.sort_unstable();
                            start = 0;
                        }
                    }
                    Judged::Possible(explained) => {
                        match self.unplaced(&explained, &doubtful[start..end])[..] {
                            // Without this one alone all the others are possible.
                            [needed] => {
                                doubtful.retain(|&id| id != needed);
                                core.operations.push(needed);
                            }
                            _ => start = end,
                        }
                    }
                    Judged::Unknown => start = end,
                }
            }
            if size == 1 {
                break;
            }
            size = size.div_ceil(2);
        }
        core.is_minimal = doubtful.is_empty();
        core.operations.append(&mut doubtful);
        core.operations.sort_unstable();
        core
    }

    /// Judges the operations when only some are certain: those with these ids, ascending.
    fn judge(&mut self, certain: &[usize]) -> Judged {
        let mut certain = certain.iter().peekable();
        let mut items = Vec::with_capacity(self.items.len());
        items.extend(self.items.iter().filter_map(|item| {
            let id = item.id as usize;
            while certain.next_if(|&&other| other < id).is_some() {}
            match certain.next_if(|&&other| other == id) {
                Some(_) => Some(*item),
                None => self.relax(item),
            }
        }));
        self.judge_items(items)
    }

    fn judge_items(&mut self, mut items: Vec<Item>) -> Judged {
        let returns = items.iter().map(|item| item.completed);
        let Some(last) = returns.filter(|&completed| completed != NEVER).max() else {
            return Judged::Possible(Explained::empty(self.starts[0]));
        };
        // What begins later explains nothing.
        items.truncate(items.partition_point(|item| item.invoked < last));
        self.work += self.items.len() as u64;
        if self.work >= WORK_MAX {
            return Judged::Unknown;
        }
        self.make_room();
        let Ok(problem) = Problem::new(&self.catalogue, items) else {
            return Judged::Unknown;
        };
        let limits = Limits {
            configurations_max: CONFIGURATIONS_PER_TRY_MAX,
            memory_bytes_max: self.search_bytes_max,
            time_max: None,
        };
        let mut meter = Meter::new(limits, Instant::now());
        let steps = self.catalogue.steps();
        let steps_max = steps + STEPS_PER_TRY_MAX;
        self.catalogue.limit(self.search_bytes_max, steps_max);
        let found = find(&problem, &mut self.catalogue, &self.starts, &mut meter);
        self.work += WORK_PER_CONFIGURATION * meter.configurations
            + WORK_PER_STEP * (self.catalogue.steps() - steps);
        match found {
            Found::Impossible(frontier) => Judged::Impossible {
                idle: self.idle(&problem, &frontier),
            },
            Found::Order(trail) => {
                self.begin_with(trail.start);
                Judged::Possible(Explained::new(trail, &problem, &mut self.catalogue))
            }
            Found::Exceeded { .. } => Judged::Unknown,
        }
    }

    fn idle(&self, problem: &Problem, frontier: &Frontier) -> Vec<usize> {
        let is_idle = |&(number, item): &(u32, &Item)| {
            let is_certain = item.completed != NEVER;
            let changes_nothing = self.catalogue.effect(item.class) == Effect::ReadOnly;
            is_certain && changes_nothing && frontier.has_passed(number)
        };
        let numbered = (0..).zip(&problem.items);
        let idle = numbered.filter(is_idle);
        idle.map(|(_, item)| item.id as usize).collect()
    }

    /// Lets searches begin in a state from which the last one found an order: so may the next.
    fn begin_with(&mut self, state: StateNumber) {
        if let Some(at) = self.starts.iter().position(|&start| start == state) {
            self.starts[..=at].rotate_right(1);
        }
    }
}
