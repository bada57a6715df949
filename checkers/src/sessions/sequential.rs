//! Sequential consistency: does one order of all operations, that keeps the order of each process,
//! explain every answer? Lamport, "How to Make a Multiprocessor Computer That Correctly Executes
//! Multiprocess Programs", 1979. Real time counts for nothing, and objects cannot be judged apart.
//!
//! The question is NP-complete (Gibbons and Korach, "Testing Shared Memories", 1997). The search goes
//! through how far each process has come, and remembers where it has been. Reads that can be taken are
//! taken at once: they change nothing. Its cost is bounded by [`Limits::configurations_max`] and
//! [`Limits::memory_bytes_max`].

use crate::history::History;
use crate::linearizability::Limits;
use crate::linearizability::places::Places;
use crate::spec::{DecodeError, Decoded, Effect, Spec};
use crate::verdict::{Anomaly, Verdict};
use std::collections::{BTreeMap, HashSet};

const CHECKER: &str = "sequential";
const REASONS_SHOWN: usize = 8;

/// Judges a history by a specification. Operations that nobody knows the end of happened at any later
/// time or not at all, whatever their process did then.
///
/// # Errors
/// Where the history holds an operation that the specification does not know.
pub fn check<S: Spec>(
    spec: &S,
    history: &History,
    limits: &Limits,
) -> Result<Verdict, DecodeError> {
    let programs = Programs::new(spec, history)?;
    if programs.owed == 0 {
        let nothing = "no operation succeeded, so nothing was seen";
        return Ok(Verdict::Vacuous(nothing.to_owned()));
    }
    Ok(Search::new(spec, &programs, limits).run())
}

/// An operation as the search needs it.
struct Step<S: Spec> {
    id: usize,
    object: usize,
    operation: S::Operation,
    returned: Option<S::Return>,
    is_read_only: bool,
}

/// What each process did, in order.
struct Programs<S: Spec> {
    objects: usize,
    /// The operations that must have happened, by process.
    sequences: Vec<Vec<Step<S>>>,
    /// Those that may have happened, each with its process and how far that must have come before.
    optional: Vec<(usize, usize, Step<S>)>,
    /// How many must have happened.
    owed: usize,
}

impl<S: Spec> Programs<S> {
    fn new(spec: &S, history: &History) -> Result<Self, DecodeError> {
        let mut places = Places::new(spec, history.operations());
        let mut numbers: BTreeMap<u64, usize> = BTreeMap::new();
        let mut programs = Self {
            objects: 0,
            sequences: Vec::new(),
            optional: Vec::new(),
            owed: 0,
        };
        for operation in history.operations() {
            let (decoded, returned) = match spec.decode(&operation)? {
                Decoded::Returned(decoded, returned) => (decoded, Some(returned)),
                Decoded::Uncertain(decoded) => (decoded, None),
                Decoded::Absent => continue,
            };
            let object = places.of(operation.id);
            let fresh = numbers.len();
            let process = *numbers.entry(operation.process).or_insert(fresh);
            if process == fresh {
                programs.sequences.push(Vec::new());
            }
            let effect = spec.effect(&decoded, returned.as_ref());
            let is_certain = returned.is_some();
            let step = Step {
                id: operation.id,
                object,
                operation: decoded,
                returned,
                is_read_only: effect == Effect::ReadOnly,
            };
            if is_certain {
                programs.owed += 1;
                programs.sequences[process].push(step);
            } else if !step.is_read_only {
                let after = programs.sequences[process].len();
                programs.optional.push((process, after, step));
            }
        }
        programs.objects = places.count();
        Ok(programs)
    }
}

/// How far each process has come, which optional operations happened, and what that led to.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Configuration<State> {
    places: Vec<u32>,
    happened: Vec<u64>,
    states: Vec<State>,
}

/// A configuration on the way that is being tried.
struct Visit<State> {
    configuration: Configuration<State>,
    /// How many operations had been taken when it was reached.
    taken: usize,
    /// The next operation to try: those of processes first, then the optional ones.
    next: usize,
}

struct Search<'a, S: Spec> {
    spec: &'a S,
    programs: &'a Programs<S>,
    limits: &'a Limits,
    seen: HashSet<Configuration<S::State>>,
    /// The ids of the operations taken on the present way.
    order: Vec<usize>,
    deepest: Option<(usize, Configuration<S::State>)>,
    /// How many bytes all configurations hold that are kept.
    bytes: u64,
}

impl<'a, S: Spec> Search<'a, S> {
    fn new(spec: &'a S, programs: &'a Programs<S>, limits: &'a Limits) -> Self {
        Self {
            spec,
            programs,
            limits,
            seen: HashSet::new(),
            order: Vec::new(),
            deepest: None,
            bytes: 0,
        }
    }

    fn run(mut self) -> Verdict {
        let mut start = Configuration {
            places: vec![0; self.programs.sequences.len()],
            happened: vec![0; self.programs.optional.len().div_ceil(64)],
            states: vec![self.spec.initial(); self.programs.objects],
        };
        self.take_reads(&mut start);
        let mut way = Vec::new();
        self.enter(&mut way, start);
        let width = self.programs.sequences.len() + self.programs.optional.len();
        while let Some(visit) = way.last_mut() {
            if progress(&visit.configuration) == self.programs.owed {
                return Verdict::Valid {
                    witness: Some(self.order),
                };
            }
            if let Some(limit) = self.limit_met() {
                return self.out_of_limits(&limit);
            }
            self.order.truncate(visit.taken);
            let next = visit.next;
            visit.next += 1;
            if next == width {
                let left = way
                    .pop()
                    .map_or(0, |visit| self.bytes_of(&visit.configuration));
                self.bytes -= left;
            } else if let Some(after) = self.after(next, &visit.configuration) {
                self.enter(&mut way, after);
            }
        }
        Verdict::Invalid(self.anomaly())
    }

    fn enter(&mut self, way: &mut Vec<Visit<S::State>>, configuration: Configuration<S::State>) {
        let came = progress(&configuration);
        if self.deepest.as_ref().is_none_or(|(most, _)| *most < came) {
            self.deepest = Some((came, configuration.clone()));
        }
        if self.seen.insert(configuration.clone()) {
            self.bytes += 2 * self.bytes_of(&configuration);
            way.push(Visit {
                configuration,
                taken: self.order.len(),
                next: 0,
            });
        }
    }

    fn limit_met(&self) -> Option<String> {
        let Limits {
            configurations_max,
            memory_bytes_max,
            ..
        } = *self.limits;
        if self.seen.len() as u64 > configurations_max {
            return Some(format!("{configurations_max} configurations"));
        }
        let is_too_big = self.bytes > memory_bytes_max;
        is_too_big.then(|| format!("{} MiB of memory", memory_bytes_max >> 20))
    }

    /// About how many bytes a configuration takes among those that were seen, or on the way.
    fn bytes_of(&self, configuration: &Configuration<S::State>) -> u64 {
        // A table has room for up to twice as many as it holds.
        let own = 2 * size_of::<Visit<S::State>>();
        let Configuration {
            places,
            happened,
            states,
        } = configuration;
        let listed =
            size_of_val(&places[..]) + size_of_val(&happened[..]) + size_of_val(&states[..]);
        let pointed_to = states.iter().map(|state| self.spec.state_bytes(state));
        (own + listed + pointed_to.sum::<usize>()) as u64
    }

    /// The configuration after one more operation, if that can happen.
    fn after(
        &mut self,
        next: usize,
        before: &Configuration<S::State>,
    ) -> Option<Configuration<S::State>> {
        let processes = self.programs.sequences.len();
        let (step, optional) = match next.checked_sub(processes) {
            None => {
                let place = before.places[next] as usize;
                (self.programs.sequences[next].get(place)?, None)
            }
            Some(number) => {
                let (process, after, step) = &self.programs.optional[number];
                let may = before.places[*process] as usize >= *after
                    && before.happened[number / 64] >> (number % 64) & 1 == 0;
                (Some(step).filter(|_| may)?, Some(number))
            }
        };
        let state = &before.states[step.object];
        let returned = step.returned.as_ref();
        let state = self.spec.step(state, &step.operation, returned).ok()?;
        if optional.is_some() && state == before.states[step.object] {
            return None;
        }
        let mut after = before.clone();
        after.states[step.object] = state;
        match optional {
            None => after.places[next] += 1,
            Some(number) => after.happened[number / 64] |= 1 << (number % 64),
        }
        self.order.push(step.id);
        self.take_reads(&mut after);
        Some(after)
    }

    /// Takes every read that comes next in its process and is right: later it would be no better.
    fn take_reads(&mut self, configuration: &mut Configuration<S::State>) {
        let mut process = 0;
        while let Some(sequence) = self.programs.sequences.get(process) {
            let place = configuration.places[process] as usize;
            let step = sequence.get(place).filter(|step| step.is_read_only);
            let is_right = step.is_some_and(|step| {
                let state = &configuration.states[step.object];
                let returned = step.returned.as_ref();
                self.spec.step(state, &step.operation, returned).is_ok()
            });
            match step.filter(|_| is_right) {
                Some(step) => {
                    self.order.push(step.id);
                    configuration.places[process] += 1;
                }
                None => process += 1,
            }
        }
    }

    fn out_of_limits(self, limit: &str) -> Verdict {
        let most = self.deepest.as_ref().map_or(0, |(most, _)| *most);
        Verdict::Unknown(format!(
            "the limit of {limit} was met after {} configurations, and the longest order found explains {most} of {} operations",
            self.seen.len(),
            self.programs.owed
        ))
    }

    fn anomaly(&self) -> Anomaly {
        let (most, deepest) = self.deepest.as_ref().expect("the search began somewhere");
        let mut explanation = Vec::new();
        for (process, sequence) in self.programs.sequences.iter().enumerate() {
            let Some(step) = sequence.get(deepest.places[process] as usize) else {
                continue;
            };
            let state = &deepest.states[step.object];
            let returned = step.returned.as_ref();
            if let Err(reason) = self.spec.step(state, &step.operation, returned) {
                explanation.push(format!(
                    "After the longest order found, where the state is {state}, operation {} comes next in its process, but: {reason}.",
                    step.id
                ));
            }
        }
        explanation.truncate(REASONS_SHOWN);
        let certain = self.programs.sequences.iter().flatten();
        let mut witness: Vec<usize> = certain.map(|step| step.id).collect();
        witness.sort_unstable();
        Anomaly {
            checker: CHECKER.to_owned(),
            class: "not-sequential".to_owned(),
            sentence: format!(
                "No order that keeps the order of each process explains all {} operations: the longest explains {most}.",
                self.programs.owed
            ),
            witness,
            rules_out: vec!["sequential".to_owned()],
            explanation,
            ..Anomaly::default()
        }
    }
}

/// How many operations that must have happened have.
fn progress<State>(configuration: &Configuration<State>) -> usize {
    let places = configuration.places.iter();
    places.map(|&place| place as usize).sum()
}
