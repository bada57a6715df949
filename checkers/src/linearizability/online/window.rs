//! The operations on one key that still matter, and where what came before them can have ended.

use super::super::Limits;
use super::super::catalogue::{Catalogue, ClassNumber};
use super::super::configuration::Configuration;
use super::super::hashing::QuickMap;
use super::super::limits::{Exceeded, Meter};
use super::super::problem::{Item, Problem};
use super::super::search::{Found, Search};
use super::super::slots::Slots;
use crate::spec::{Called, Effect, NEVER, Spec};
use std::time::Instant;

/// How many operations may be open at once.
const OPEN_MAX: u32 = 64 * WORDS as u32;
const WORDS: usize = 4;
/// How many operations may wait before it is worth while to settle what can be.
const SETTLE_EVERY: usize = 32;

pub(super) enum Standing {
    Possible,
    Impossible {
        /// The id of the operation whose return nothing explains.
        culprit: u32,
        reasons: Vec<String>,
    },
}

/// An operation that is open, or settled and not yet forgotten.
struct Kept<S: Spec> {
    id: u32,
    invoked: u32,
    completed: u32,
    is_open: bool,
    /// What it does when nobody knows whether it happened, if it then can do anything.
    uncertain: Option<S::Operation>,
    /// What it did, once that is known.
    certain: Option<(S::Operation, S::Return)>,
}

/// Where all that is settled can have ended. Operations are named by the events of their invocations.
struct Ending<S: Spec> {
    state: S::State,
    pending: Vec<u32>,
    owed: Vec<u32>,
    spare: Vec<u32>,
    /// How many crashed operations of each kind have been used.
    used: Vec<(S::Operation, u32)>,
}

pub(super) struct Window<'a, S: Spec> {
    spec: &'a S,
    kept: Vec<Kept<S>>,
    /// The event before which all is settled.
    settled: u32,
    endings: Vec<Ending<S>>,
    completions: usize,
}

impl<'a, S: Spec> Window<'a, S> {
    pub(super) fn new(spec: &'a S) -> Self {
        let start = Ending {
            state: spec.initial(),
            pending: Vec::new(),
            owed: Vec::new(),
            spare: Vec::new(),
            used: Vec::new(),
        };
        Self {
            spec,
            kept: Vec::new(),
            settled: 0,
            endings: vec![start],
            completions: 0,
        }
    }

    pub(super) fn invoke(&mut self, id: u32, at: u32, called: Option<Called<S>>) {
        self.kept.push(Kept {
            id,
            invoked: at,
            completed: NEVER,
            is_open: true,
            uncertain: called.map(|called| called.operation),
            certain: None,
        });
    }

    /// Nobody will ever know more of the operation.
    pub(super) fn crash(&mut self, invoked: u32) {
        let place = self.place(invoked);
        self.kept[place].is_open = false;
    }

    /// The operation happened, or did not if there is nothing to be read.
    pub(super) fn complete(&mut self, invoked: u32, called: Option<Called<S>>) {
        let place = self.place(invoked);
        let kept = &mut self.kept[place];
        kept.is_open = false;
        self.completions += 1;
        match called.map(|called| (called.completed, called.operation, called.returned)) {
            Some((completed, operation, Some(returned))) => {
                kept.completed = completed;
                kept.certain = Some((operation, returned));
            }
            Some((_, operation, None)) => kept.uncertain = Some(operation),
            None => {
                self.kept.remove(place);
            }
        }
    }

    fn place(&self, invoked: u32) -> usize {
        let found = self
            .kept
            .binary_search_by_key(&invoked, |kept| kept.invoked);
        found.expect("an operation is kept while it is open")
    }

    /// Whether what is known by now is possible.
    pub(super) fn judge(&self, limits: &Limits) -> Result<Standing, Exceeded> {
        let (mut catalogue, items) = self.compile(|_| true);
        let problem = Problem::new(&catalogue, items)?;
        let endings = self.numbers(&mut catalogue);
        let mut search = self.search(&problem, &mut catalogue)?;
        let starts = self.starts(&problem, &mut search, endings);
        let mut meter = Meter::new(limits.clone(), Instant::now());
        match search.run_from(starts.into_iter(), &mut meter) {
            Found::Order(_) => Ok(Standing::Possible),
            Found::Exceeded { limit, .. } => Err(limit),
            Found::Impossible(frontier) => {
                let step = problem.steps[frontier.step as usize];
                let culprit = problem.items[step.operation() as usize];
                let reasons = frontier.states.iter().map(|&state| {
                    let reason = catalogue.explain(state, culprit.class);
                    format!("state {}: {reason}", catalogue.state(state))
                });
                Ok(Standing::Impossible {
                    culprit: culprit.id,
                    reasons: reasons.take(STATES_TOLD_MAX).collect(),
                })
            }
        }
    }

    /// Forgets what is settled by now, from time to time.
    pub(super) fn settle(&mut self, now: u32, limits: &Limits) -> Result<(), Exceeded> {
        if self.completions < SETTLE_EVERY {
            return Ok(());
        }
        self.completions = 0;
        let open = self.kept.iter().find(|kept| kept.is_open);
        let settled = open.map_or(now + 1, |kept| kept.invoked);
        let (mut catalogue, items) = self.compile(|kept| kept.invoked < settled);
        let problem = Problem::new(&catalogue, items)?.until(settled);
        let endings = self.numbers(&mut catalogue);
        let mut search = self.search(&problem, &mut catalogue)?;
        let starts = self.starts(&problem, &mut search, endings);
        let mut meter = Meter::new(limits.clone(), Instant::now());
        let reached = search.reach(starts.into_iter(), &mut meter)?;
        let used: Vec<Vec<(u32, u32)>> = reached
            .iter()
            .map(|end| search.walk.used.counts(end.used).to_vec())
            .collect();
        drop(search);
        self.endings = reached
            .iter()
            .zip(used)
            .map(|(end, used)| ending(&problem, &catalogue, settled, end, &used))
            .collect();
        self.settled = settled;
        let spec = self.spec;
        let matters = |kept: &Kept<S>| match (&kept.certain, &kept.uncertain) {
            (Some(_), _) => kept.completed >= settled,
            (None, _) if kept.is_open => true,
            // What crashed may happen at any later time, if it then changes anything.
            (None, Some(operation)) => spec.effect(operation, None) != Effect::ReadOnly,
            (None, None) => false,
        };
        self.kept.retain(matters);
        meter.reserve(self.bytes())
    }

    fn compile(&self, is_wanted: impl Fn(&Kept<S>) -> bool) -> (Catalogue<'a, S>, Vec<Item>) {
        let mut catalogue = Catalogue::new(self.spec);
        let wanted = self.kept.iter().filter(|kept| is_wanted(kept));
        let items = wanted.filter_map(|kept| {
            let class = match (&kept.certain, &kept.uncertain) {
                (Some((operation, returned)), _) => {
                    catalogue.class_of(operation.clone(), Some(returned.clone()))
                }
                (None, Some(operation)) => catalogue.class_of(operation.clone(), None),
                (None, None) => return None,
            };
            Some(Item {
                id: kept.id,
                class,
                invoked: kept.invoked,
                completed: kept.completed,
            })
        });
        let items = items.collect();
        (catalogue, items)
    }

    fn search<'p>(
        &self,
        problem: &'p Problem,
        catalogue: &'p mut Catalogue<'a, S>,
    ) -> Result<Search<'p, 'a, S, WORDS>, Exceeded> {
        match problem.slot_count > OPEN_MAX {
            true => Err(Exceeded::Concurrency(OPEN_MAX)),
            false => Ok(Search::new(problem, catalogue)),
        }
    }

    /// The states and the classes of used operations of each ending, as numbers.
    fn numbers(&self, catalogue: &mut Catalogue<'a, S>) -> Vec<(u32, Vec<(ClassNumber, u32)>)> {
        let endings = self.endings.iter();
        let numbers = endings.map(|ending| {
            let state = catalogue.intern(ending.state.clone());
            let used = ending.used.iter();
            let used = used
                .map(|(operation, count)| (catalogue.class_of(operation.clone(), None), *count));
            (state, used.collect())
        });
        numbers.collect()
    }

    /// The endings as configurations of a problem of what came after them.
    fn starts(
        &self,
        problem: &Problem,
        search: &mut Search<'_, '_, S, WORDS>,
        numbers: Vec<(u32, Vec<(ClassNumber, u32)>)>,
    ) -> Vec<Configuration<WORDS>> {
        let settled = problem.steps.iter();
        let settled = settled.take_while(|&&step| problem.event(step) < self.settled);
        let step = settled.count() as u32;
        let indices: QuickMap<ClassNumber, u32> = (0..)
            .zip(&problem.uncertain)
            .map(|(index, uncertain)| (uncertain.class, index))
            .collect();
        let slots = |invoked: &[u32]| slots_of(problem, invoked);
        let endings = self.endings.iter().zip(numbers);
        let starts = endings.map(|(ending, (state, used))| {
            let used = used.into_iter();
            let used = used.filter_map(|(class, count)| Some((*indices.get(&class)?, count)));
            Configuration {
                step,
                state,
                pending: slots(&ending.pending),
                owed: slots(&ending.owed),
                spare: slots(&ending.spare),
                used: search.walk.used.with(used),
            }
        });
        starts.collect()
    }

    /// About how much is kept.
    fn bytes(&self) -> u64 {
        let endings = self.endings.iter().map(|ending| {
            let open = ending.pending.len() + ending.owed.len() + ending.spare.len();
            size_of::<Ending<S>>()
                + open * size_of::<u32>()
                + ending.used.len() * size_of::<(S::Operation, u32)>()
        });
        let kept = self.kept.len() * size_of::<Kept<S>>();
        (endings.sum::<usize>() + kept) as u64
    }
}

/// How many states of the frontier are told.
const STATES_TOLD_MAX: usize = 8;

fn slots_of(problem: &Problem, invoked: &[u32]) -> Slots<WORDS> {
    let mut slots = Slots::EMPTY;
    for &event in invoked {
        let operation = problem.invoked_at(event);
        slots.insert(problem.slot(operation.expect("what is open is kept")));
    }
    slots
}

fn ending<S: Spec>(
    problem: &Problem,
    catalogue: &Catalogue<'_, S>,
    settled: u32,
    end: &Configuration<WORDS>,
    used: &[(u32, u32)],
) -> Ending<S> {
    let still_open: Vec<(u32, u32)> = problem
        .items
        .iter()
        .enumerate()
        .filter(|(_, item)| item.completed != NEVER && item.completed >= settled)
        .map(|(number, item)| (problem.slot(number as u32), item.invoked))
        .collect();
    let invoked_in = |slots: &Slots<WORDS>| {
        let members = still_open.iter().filter(|&&(slot, _)| slots.contains(slot));
        members.map(|&(_, invoked)| invoked).collect()
    };
    let used = used.iter().map(|&(index, count)| {
        let class = problem.uncertain[index as usize].class;
        (catalogue.operation(class).clone(), count)
    });
    Ending {
        state: catalogue.state(end.state).clone(),
        pending: invoked_in(&end.pending),
        owed: invoked_in(&end.owed),
        spare: invoked_in(&end.spare),
        used: used.collect(),
    }
}
