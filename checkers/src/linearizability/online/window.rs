//! The operations on one key that still matter, and where what came before them can have ended.

use super::super::Limits;
use super::super::any_spec::AnySpec;
use super::super::catalogue::{Catalogue, ClassNumber, StateNumber};
use super::super::configuration::Configuration;
use super::super::hashing::QuickMap;
use super::super::limits::{Exceeded, Meter};
use super::super::problem::{Item, Problem};
use super::super::search::{Found, Search};
use super::super::slots::Slots;
use super::explanation::Explanation;
use crate::history::Operation;
use crate::spec::{Effect, NEVER};
use std::time::Instant;

/// How many operations may be open at once.
const OPEN_MAX: u32 = 64 * WORDS_MAX as u32;
const WORDS_MAX: usize = 4;
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
pub(super) struct Kept {
    id: u32,
    pub(super) invoked: u32,
    pub(super) completed: u32,
    is_open: bool,
    /// What it does, if it does anything: when nobody knows whether it happened, or once that is known.
    pub(super) class: Option<ClassNumber>,
}

/// Where all that is settled can have ended. Operations are named by the events of their invocations.
struct Ending {
    state: StateNumber,
    pending: Vec<u32>,
    owed: Vec<u32>,
    spare: Vec<u32>,
    /// How many crashed operations of each kind have been used.
    used: Vec<(ClassNumber, u32)>,
}

pub(super) struct Window<'a> {
    catalogue: Catalogue<'a>,
    kept: Vec<Kept>,
    /// The event before which all is settled.
    settled: u32,
    endings: Vec<Ending>,
    /// An order that explains everything so far; nothing if that is not known.
    explanation: Option<Explanation>,
    completions: usize,
}

impl<'a> Window<'a> {
    pub(super) fn new(spec: &'a dyn AnySpec, limits: &Limits) -> Self {
        let start = Ending {
            state: Catalogue::INITIAL,
            pending: Vec::new(),
            owed: Vec::new(),
            spare: Vec::new(),
            used: Vec::new(),
        };
        Self {
            catalogue: Catalogue::new(spec.meaning(), limits.memory_bytes_max),
            kept: Vec::new(),
            settled: 0,
            endings: vec![start],
            explanation: Some(Explanation::new(0, Catalogue::INITIAL)),
            completions: 0,
        }
    }

    pub(super) fn invoke(&mut self, id: u32, at: u32, begun: &Operation<'_>) {
        let class = self.catalogue.class_of(begun);
        self.kept.push(Kept {
            id,
            invoked: at,
            completed: NEVER,
            is_open: true,
            class: class.map(|(class, _)| class),
        });
    }

    /// Nobody will ever know more of the operation.
    pub(super) fn crash(&mut self, invoked: u32) {
        let place = self.place(invoked);
        self.kept[place].is_open = false;
    }

    /// The operation ended with the event. Whether what is known by now is easily explained: if not, it may
    /// be possible all the same.
    pub(super) fn complete(&mut self, invoked: u32, at: u32, whole: &Operation<'_>) -> bool {
        let place = self.place(invoked);
        self.completions += 1;
        let Some((class, is_certain)) = self.catalogue.class_of(whole) else {
            self.kept.remove(place);
            let explanation = self.explanation.as_ref();
            return explanation.is_some_and(|explanation| explanation.holds_without(invoked));
        };
        let kept = &mut self.kept[place];
        kept.is_open = false;
        kept.class = Some(class);
        if !is_certain {
            return false;
        }
        kept.completed = at;
        let certain = self.kept.iter().filter(|kept| kept.completed != NEVER);
        if certain.count() > OPEN_MAX as usize {
            // They may be too many for a search, which says so.
            return false;
        }
        let explanation = self.explanation.as_mut();
        explanation.is_some_and(|explanation| {
            let catalogue = &mut self.catalogue;
            explanation.complete(&self.kept[place], class, &self.kept, catalogue)
        })
    }

    fn place(&self, invoked: u32) -> usize {
        let found = self
            .kept
            .binary_search_by_key(&invoked, |kept| kept.invoked);
        found.expect("an operation is kept while it is open")
    }

    /// Whether what is known by now is possible, by a search.
    pub(super) fn judge(&mut self, limits: &Limits) -> Result<Standing, Exceeded> {
        let problem = self.problem(NEVER)?;
        let found = match problem.slot_count {
            0..=64 => self.find::<1>(&problem, limits),
            _ => self.find::<WORDS_MAX>(&problem, limits),
        };
        match found {
            Found::Order(trail) => {
                let (catalogue, since) = (&mut self.catalogue, self.settled);
                self.explanation = Explanation::found(trail, &problem, catalogue, since);
                Ok(Standing::Possible)
            }
            Found::Exceeded { limit, .. } => Err(limit),
            Found::Impossible(frontier) => {
                let step = problem.steps[frontier.step as usize];
                let culprit = problem.items[step.operation() as usize];
                let states = frontier.states.iter().take(STATES_TOLD_MAX);
                let reasons = states.map(|&state| self.catalogue.explain(state, culprit.class));
                Ok(Standing::Impossible {
                    culprit: culprit.id,
                    reasons: reasons.collect(),
                })
            }
        }
    }

    fn find<const WORDS: usize>(&mut self, problem: &Problem, limits: &Limits) -> Found {
        let mut meter = Meter::new(limits.clone(), Instant::now());
        let mut search = Search::<WORDS>::new(problem, &mut self.catalogue);
        let starts = starts(&self.endings, problem, self.settled, &mut search);
        search.run_from(&starts, &mut meter)
    }

    /// Forgets what is settled by now, from time to time.
    pub(super) fn settle(&mut self, now: u32, limits: &Limits) -> Result<(), Exceeded> {
        if self.completions < SETTLE_EVERY {
            return Ok(());
        }
        self.completions = 0;
        let open = self.kept.iter().find(|kept| kept.is_open);
        let settled = open.map_or(now + 1, |kept| kept.invoked);
        let problem = self.problem(settled)?.until(settled);
        let meter = Meter::new(limits.clone(), Instant::now());
        self.endings = match problem.slot_count {
            0..=64 => self.reach::<1>(&problem, settled, limits)?,
            _ => self.reach::<WORDS_MAX>(&problem, settled, limits)?,
        };
        self.settled = settled;
        if let Some(explanation) = &mut self.explanation {
            explanation.forget_before(settled);
        }
        let catalogue = &self.catalogue;
        self.kept.retain(|kept| match kept.class {
            _ if kept.completed != NEVER => kept.completed >= settled,
            _ if kept.is_open => true,
            // What crashed may happen at any later time, if it then changes anything.
            Some(class) => catalogue.effect(class) != Effect::ReadOnly,
            None => false,
        });
        self.forget();
        meter.reserve(self.bytes())
    }

    /// Where what is settled before an event can have ended.
    fn reach<const WORDS: usize>(
        &mut self,
        problem: &Problem,
        settled: u32,
        limits: &Limits,
    ) -> Result<Vec<Ending>, Exceeded> {
        let mut meter = Meter::new(limits.clone(), Instant::now());
        let mut search = Search::<WORDS>::new(problem, &mut self.catalogue);
        let starts = starts(&self.endings, problem, self.settled, &mut search);
        let reached = search.reach(&starts, &mut meter)?;
        let used = &search.walk.used;
        let endings = reached.iter();
        let endings = endings.map(|end| ending(problem, settled, end, used.counts(end.used)));
        Ok(endings.collect())
    }

    /// Forgets the states and classes that no ending and no operation needs any more.
    fn forget(&mut self) {
        let endings = &mut self.endings;
        let mut states: Vec<StateNumber> = endings.iter().map(|ending| ending.state).collect();
        if let Some(explanation) = &mut self.explanation {
            states.extend(explanation.states_mut().map(|state| *state));
        }
        let used = endings.iter_mut().flat_map(|ending| &mut ending.used);
        let of_used = used.map(|(class, _)| class);
        let of_kept = self.kept.iter_mut().filter_map(|kept| kept.class.as_mut());
        let places: Vec<&mut ClassNumber> = of_used.chain(of_kept).collect();
        let mut classes: Vec<ClassNumber> = places.iter().map(|class| **class).collect();
        self.catalogue.keep(&mut states, &mut classes);
        for (place, class) in places.into_iter().zip(classes) {
            *place = class;
        }
        let of_endings = endings.iter_mut().map(|ending| &mut ending.state);
        let explanation = self.explanation.iter_mut();
        let of_explanation = explanation.flat_map(Explanation::states_mut);
        for (place, state) in of_endings.chain(of_explanation).zip(states) {
            *place = state;
        }
    }

    /// The operations that were invoked before the event.
    ///
    /// # Errors
    /// Where too many of them are open at once.
    fn problem(&self, event: u32) -> Result<Problem, Exceeded> {
        let items = self.kept.iter().filter_map(|kept| {
            Some(Item {
                id: kept.id,
                class: kept.class?,
                invoked: kept.invoked,
                completed: kept.completed,
            })
        });
        let items = items.take_while(|item| item.invoked < event);
        let problem = Problem::new(&self.catalogue, items.collect())?;
        match problem.slot_count > OPEN_MAX {
            true => Err(Exceeded::Concurrency(OPEN_MAX)),
            false => Ok(problem),
        }
    }

    /// About how much is kept.
    fn bytes(&self) -> u64 {
        let endings = self.endings.iter().map(|ending| {
            let open = ending.pending.len() + ending.owed.len() + ending.spare.len();
            size_of::<Ending>()
                + open * size_of::<u32>()
                + ending.used.len() * size_of::<(ClassNumber, u32)>()
        });
        let kept = self.kept.len() * size_of::<Kept>();
        let explanation = self.explanation.as_ref().map_or(0, Explanation::bytes);
        (endings.sum::<usize>() + kept + explanation) as u64 + self.catalogue.bytes()
    }
}

/// How many states of the frontier are told.
const STATES_TOLD_MAX: usize = 8;

/// The endings as configurations of a problem of what came after them.
fn starts<const WORDS: usize>(
    endings: &[Ending],
    problem: &Problem,
    settled: u32,
    search: &mut Search<'_, '_, WORDS>,
) -> Vec<Configuration<WORDS>> {
    let before = problem.steps.iter();
    let before = before.take_while(|&&step| problem.event(step) < settled);
    let step = before.count() as u32;
    let indices: QuickMap<ClassNumber, u32> = (0..)
        .zip(&problem.uncertain)
        .map(|(index, uncertain)| (uncertain.class, index))
        .collect();
    let starts = endings.iter().map(|ending| {
        let used = ending.used.iter();
        let used = used.filter_map(|(class, count)| Some((*indices.get(class)?, *count)));
        Configuration {
            step,
            state: ending.state,
            pending: slots_of(problem, &ending.pending),
            owed: slots_of(problem, &ending.owed),
            spare: slots_of(problem, &ending.spare),
            used: search.walk.used.with(used),
        }
    });
    starts.collect()
}

fn slots_of<const WORDS: usize>(problem: &Problem, invoked: &[u32]) -> Slots<WORDS> {
    let mut slots = Slots::EMPTY;
    for &event in invoked {
        let operation = problem.invoked_at(event);
        slots.insert(problem.slot(operation.expect("what is open is kept")));
    }
    slots
}

fn ending<const WORDS: usize>(
    problem: &Problem,
    settled: u32,
    end: &Configuration<WORDS>,
    used: &[(u32, u32)],
) -> Ending {
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
    let used = used.iter();
    let used = used.map(|&(index, count)| (problem.uncertain[index as usize].class, count));
    Ending {
        state: end.state,
        pending: invoked_in(&end.pending),
        owed: invoked_in(&end.owed),
        spare: invoked_in(&end.spare),
        used: used.collect(),
    }
}
