//! The search: explain one return after the other, and go back where that fails.
//!
//! Wing and Gong's search ("Testing and Verifying Concurrent Objects", 1993) in Lowe's just-in-time
//! form ("Testing for linearizability", 2017): an operation gets its place only when some return makes
//! it necessary, and what precedes that return is forgotten. Each rule below leaves out orders that
//! others stand for.
//!
//! - *Eager reads*: an operation that changes no state takes its place as soon as it can.
//! - *Equals*: of open operations with equal effect and answer, the one that returns first goes first.
//! - *Spare writes*: when an overwrite takes its place, every other open one has a place right before
//!   it, where nobody sees it. It owes nothing any more, but may still take a later place instead.
//! - *No write unseen*: an overwrite, or an uncertain operation, goes before the operation that is
//!   due only if an operation that is open now can happen right after it. Before another overwrite it
//!   might as well go unseen, or wait.
//! - *Dominance*: a configuration is not visited if another one at the same place owes no more writes,
//!   has as many to spare, and has used no more uncertain operations of any class.
//! - *Blame*: what led nowhere would have led nowhere with fewer uncertain operations used, unless one
//!   was wanted of a class of which none was left. Only the counts of such classes are kept then, so
//!   that a failure stands for every other way to use up the rest.

use super::catalogue::{Catalogue, StateNumber};
use super::choices::Choices;
use super::configuration::Configuration;
use super::limits::{Exceeded, Meter};
use super::memo::{Entered, Memo, VisitNumber};
use super::problem::{OperationNumber, Problem};
use super::trail::Trail;
use super::used::{ClassSet, UsedTable};
use super::walk::{Choice, Walk};

/// What the search found out.
pub(super) enum Found {
    /// An order that explains everything.
    Order(Trail),
    Impossible(Frontier),
    Exceeded {
        limit: Exceeded,
        step: u32,
    },
}

/// How far explanations reach.
#[derive(Default)]
pub(super) struct Frontier {
    /// The return that nothing explains.
    pub(super) step: u32,
    /// The states in which explanations of all before it end, in the order in which they were found.
    pub(super) states: Vec<StateNumber>,
    /// By operation, whether its return ever had to be explained by a choice.
    stops: Vec<u64>,
}

impl Frontier {
    fn new(problem: &Problem) -> Self {
        Self {
            stops: vec![0; problem.items.len().div_ceil(64)],
            ..Self::default()
        }
    }

    fn note_stop(&mut self, operation: OperationNumber) {
        self.stops[operation as usize / 64] |= 1 << (operation % 64);
    }

    /// Whether the operation was in its place whenever its return came.
    pub(super) fn has_passed(&self, operation: OperationNumber) -> bool {
        self.stops[operation as usize / 64] & 1 << (operation % 64) == 0
    }
}

/// A configuration on the way from the start, and the choices that it has left.
struct Frame {
    visit: VisitNumber,
    /// Its choices are the last of the list of all frames, the next one at the end.
    first_choice: u32,
    /// The choice that was taken last.
    taken: Choice,
    /// Classes of uncertain operations of which more would have been wanted below.
    missed: ClassSet,
}

pub(super) struct Search<'p, 'a, const WORDS: usize> {
    pub(super) walk: Walk<'p, 'a, WORDS>,
    /// Where the search began.
    start: Configuration<WORDS>,
    frames: Vec<Frame>,
    choices: Vec<Choice>,
    memo: Memo<WORDS>,
    room: Choices,
    frontier: Frontier,
    problem_bytes: u64,
    /// Whether a configuration that leads to an end keeps all it has used: then it did not fail.
    keeps_counts: bool,
}

/// What to do after an end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Stop,
    GoOn,
}

/// Is told of each configuration that explains everything.
type AtEnd<'f, const WORDS: usize> = &'f mut dyn FnMut(&Configuration<WORDS>, &UsedTable) -> Next;

impl<'p, 'a, const WORDS: usize> Search<'p, 'a, WORDS> {
    pub(super) fn new(problem: &'p Problem, catalogue: &'p mut Catalogue<'a>) -> Self {
        // Most searches visit few configurations, and there may be many searches.
        let room = problem.items.len().min(64);
        Self {
            problem_bytes: problem.bytes() + Self::bytes_of(problem.items.len()),
            walk: Walk::new(problem, catalogue),
            start: Configuration::start(Catalogue::INITIAL, UsedTable::NONE),
            frames: Vec::with_capacity(room),
            choices: Vec::with_capacity(room),
            memo: Memo::new(),
            room: Choices::new(),
            frontier: Frontier::new(problem),
            keeps_counts: false,
        }
    }

    /// How many bytes so many operations take beside the problem and what grows.
    fn bytes_of(operations: usize) -> u64 {
        Trail::bytes_of(operations) + operations.div_ceil(8) as u64
    }

    /// Looks for an order from any of the states.
    pub(super) fn run(self, starts: &[StateNumber], meter: &mut Meter) -> Found {
        let starts = starts.iter();
        let starts = starts.map(|&state| Configuration::start(state, UsedTable::NONE));
        let starts: Vec<Configuration<WORDS>> = starts.collect();
        self.run_from(&starts, meter)
    }

    /// Looks for an order from any of the configurations.
    pub(super) fn run_from(mut self, starts: &[Configuration<WORDS>], meter: &mut Meter) -> Found {
        for &start in starts {
            self.start = start;
            match self.explore(meter, &mut |_, _| Next::Stop) {
                Ok(Next::Stop) => return Found::Order(self.trail()),
                Ok(Next::GoOn) => {}
                Err(limit) => {
                    let step = self.frontier.step;
                    return Found::Exceeded { limit, step };
                }
            }
        }
        Found::Impossible(self.frontier)
    }

    /// The configurations in which everything is explained, leaving out those that are no better than
    /// others.
    ///
    /// # Errors
    /// The limit that was met.
    pub(super) fn reach(
        &mut self,
        starts: &[Configuration<WORDS>],
        meter: &mut Meter,
    ) -> Result<Vec<Configuration<WORDS>>, Exceeded> {
        let mut ends = Memo::new();
        let mut reached = Vec::new();
        self.keeps_counts = true;
        for &start in starts {
            self.start = start;
            self.explore(meter, &mut |end, used| {
                if let Entered::New(_) = ends.enter(end, used) {
                    reached.push(*end);
                }
                Next::GoOn
            })?;
        }
        Ok(reached)
    }

    /// Visits all configurations, until one that explains everything makes it stop.
    fn explore(&mut self, meter: &mut Meter, at_end: AtEnd<'_, WORDS>) -> Result<Next, Exceeded> {
        meter.visit(self.bytes())?;
        let mut start = self.start;
        let next = if self.walk.advance(&mut start, &mut ()) {
            at_end(&start, &self.walk.used)
        } else {
            self.enter(&start);
            self.explore_frames(meter, at_end)?
        };
        // The catalogue may have had no room for what lies beyond.
        meter.reserve(self.bytes())?;
        Ok(next)
    }

    fn explore_frames(
        &mut self,
        meter: &mut Meter,
        at_end: AtEnd<'_, WORDS>,
    ) -> Result<Next, Exceeded> {
        while let Some(frame) = self.frames.last_mut() {
            if frame.first_choice as usize == self.choices.len() {
                self.leave();
                continue;
            }
            let choice = self.choices.pop().expect("the frame has a choice left");
            frame.taken = choice;
            let mut next = *self.memo.get(frame.visit);
            if self.walk.choose(&mut next, choice, &mut ()) {
                if let Next::Stop = at_end(&next, &self.walk.used) {
                    return Ok(Next::Stop);
                }
            } else if self.enter(&next) {
                meter.visit(self.bytes())?;
            }
        }
        Ok(Next::GoOn)
    }

    /// How many bytes the search holds, those included that growing would take.
    fn bytes(&self) -> u64 {
        let frames = self.frames.capacity() * size_of::<Frame>();
        let choices = self.choices.capacity() * size_of::<Choice>();
        let lists = (frames + choices) as u64;
        let known = self.problem_bytes + self.walk.catalogue.bytes();
        known + self.walk.used.bytes() + self.memo.bytes() + 2 * lists
    }

    /// Opens a configuration, unless one that is at least as good was visited before.
    fn enter(&mut self, configuration: &Configuration<WORDS>) -> bool {
        self.note_frontier(configuration);
        let visit = match self.memo.enter(configuration, &self.walk.used) {
            Entered::New(visit) => visit,
            Entered::NoBetter(classes) => {
                if let Some(frame) = self.frames.last_mut() {
                    frame.missed |= classes;
                }
                return false;
            }
        };
        let first_choice = self.choices.len() as u32;
        self.walk.missed = 0;
        self.room
            .push(&mut self.walk, configuration, &mut self.choices);
        self.frames.push(Frame {
            visit,
            first_choice,
            taken: Choice::LeaveUnseen,
            missed: self.walk.missed,
        });
        true
    }

    /// Closes the last configuration, which leads nowhere.
    fn leave(&mut self) {
        let Some(Frame { visit, missed, .. }) = self.frames.pop() else {
            return;
        };
        if self.keeps_counts {
            return;
        }
        let used = self.memo.failed(visit, missed, &mut self.walk.used);
        if let Some(frame) = self.frames.last_mut() {
            frame.missed |= self.walk.used.classes(used);
        }
    }

    fn note_frontier(&mut self, configuration: &Configuration<WORDS>) {
        /// More states than anybody reads.
        const STATES_MAX: usize = 1000;
        self.frontier.note_stop(self.walk.due(configuration));
        if configuration.step > self.frontier.step {
            self.frontier.step = configuration.step;
            self.frontier.states.clear();
        }
        let states = &mut self.frontier.states;
        if configuration.step == self.frontier.step
            && states.len() < STATES_MAX
            && !states.contains(&configuration.state)
        {
            states.push(configuration.state);
        }
    }

    /// The order of the choices that led here.
    fn trail(&mut self) -> Trail {
        let mut trail = Trail::new(self.start.state, self.walk.problem.items.len());
        let mut configuration = self.start;
        self.walk.advance(&mut configuration, &mut trail);
        let taken: Vec<Choice> = self.frames.iter().map(|frame| frame.taken).collect();
        for choice in taken {
            self.walk.choose(&mut configuration, choice, &mut trail);
        }
        trail
    }
}
