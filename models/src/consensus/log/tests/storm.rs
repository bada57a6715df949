//! Random work on a log whose node is killed and loses power at any moment.

use std::cell::RefCell;
use std::rc::Rc;

use proptest::collection::vec;
use proptest::prelude::*;
use squall_sim::engine::disk::CrashProfile;
use squall_sim::engine::{self, NodeId as Machine};
use squall_sim::time::{Duration, Instant, sleep};

use super::reference::Reference;
use crate::consensus::log::{DurableLog, Options};
use crate::consensus::raft::{
    Config, Entry, EntryId, HardState, Index, NodeId, Payload, Raft, Ready, Restored, Snapshot,
    Term,
};

/// A storm. What its numbers come to depends on the log that they meet.
#[derive(Clone, Debug)]
pub(super) struct Storm {
    seed: u64,
    disk: CrashProfile,
    segment_bytes: u64,
    steps: Vec<Step>,
    crashes: Vec<Crash>,
}

#[derive(Clone, Debug)]
enum Step {
    Vote,
    Append {
        in_new_term: bool,
        sizes: Vec<u16>,
    },
    /// A new leader's entries replace the last ones.
    Truncate {
        cut: u8,
        sizes: Vec<u16>,
    },
    /// A leader's snapshot, up to some way behind the present one.
    Install {
        in_new_term: bool,
        ahead: u8,
        size: u16,
        sizes: Vec<u16>,
    },
    /// A snapshot of the node's own, up to some way before the end.
    Save {
        before_end: u8,
        trailing: u8,
        size: u16,
    },
}

#[derive(Clone, Debug)]
struct Crash {
    after_us: u64,
    is_power_loss: bool,
}

pub(super) fn storms() -> impl Strategy<Value = Storm> {
    let sizes = || vec(prop_oneof![0..40_u16, 0..2_000_u16], 0..4);
    let step = prop_oneof![
        1 => Just(Step::Vote),
        6 => (any::<bool>(), sizes())
            .prop_map(|(in_new_term, sizes)| Step::Append { in_new_term, sizes }),
        2 => (1..6_u8, sizes()).prop_map(|(cut, sizes)| Step::Truncate { cut, sizes }),
        1 => (any::<bool>(), 1..12_u8, 0..2_000_u16, sizes()).prop_map(
            |(in_new_term, ahead, size, sizes)| Step::Install { in_new_term, ahead, size, sizes }
        ),
        2 => (0..4_u8, 0..6_u8, 0..2_000_u16).prop_map(
            |(before_end, trailing, size)| Step::Save { before_end, trailing, size }
        ),
    ];
    let crash =
        (0..12_000_u64, prop::bool::weighted(0.7)).prop_map(|(after_us, is_power_loss)| Crash {
            after_us,
            is_power_loss,
        });
    let disk = prop_oneof![
        3 => Just(CrashProfile::default()),
        1 => Just(CrashProfile::ext4_ordered()),
        1 => Just(CrashProfile {
            torn_per_mille: 300,
            garbage_per_mille: 300,
            ..CrashProfile::default()
        }),
    ];
    let segment_bytes = prop_oneof![Just(1), 200..4_000_u64];
    (
        any::<u64>(),
        disk,
        segment_bytes,
        vec(step, 1..40),
        vec(crash, 0..10),
    )
        .prop_map(|(seed, disk, segment_bytes, steps, crashes)| Storm {
            seed,
            disk,
            segment_bytes,
            steps,
            crashes,
        })
}

/// What storms reach.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) stored: u64,
    pub(super) opened: u64,
    /// Restarts that found nothing, a part or all of what was being stored when the crash came.
    pub(super) found_nothing: u64,
    pub(super) found_part: u64,
    pub(super) found_all: u64,
    /// Of the parts: the snapshot was there, and the log was left over.
    pub(super) left_over: u64,
    /// Crashes of a node that had not yet opened its log.
    pub(super) crashed_in_opening: u64,
    pub(super) truncated: u64,
    pub(super) installed: u64,
    pub(super) saved: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.stored += other.stored;
        self.opened += other.opened;
        self.found_nothing += other.found_nothing;
        self.found_part += other.found_part;
        self.found_all += other.found_all;
        self.left_over += other.left_over;
        self.crashed_in_opening += other.crashed_in_opening;
        self.truncated += other.truncated;
        self.installed += other.installed;
        self.saved += other.saved;
    }
}

/// Runs a storm; says what came back wrong after a crash.
pub(super) fn run(storm: &Storm, mutant: Option<&str>) -> Result<Tally, String> {
    let config = engine::Config {
        mutant: mutant.map(str::to_owned),
        disk_profile: storm.disk,
        end_ns: 10_000_000_000,
        ..engine::Config::new(storm.seed)
    };
    let storm = storm.clone();
    let outcome = engine::run(config, || weather(storm)).map_err(|error| error.to_string())?;
    if let Some(panic) = outcome.panics.first() {
        return Err(format!("the node panicked: {}", panic.message));
    }
    outcome.output
}

/// What is known from outside of a node and its log.
struct Watch {
    storm: Storm,
    next_step: usize,
    /// What the log may remember: one reference, or while something is being written the stages of that.
    stages: Vec<Reference>,
    is_open: bool,
    is_done: bool,
    broken: Option<String>,
    tally: Tally,
}

async fn weather(storm: Storm) -> Result<Tally, String> {
    let crashes = storm.crashes.clone();
    let watch = Rc::new(RefCell::new(Watch {
        storm,
        next_step: 0,
        stages: vec![Reference::default()],
        is_open: false,
        is_done: false,
        broken: None,
        tally: Tally::default(),
    }));
    let node = engine::add_node("node");
    let program = Rc::clone(&watch);
    node.start(move || work(Rc::clone(&program)));
    for crash in crashes {
        sleep(Duration::from_micros(crash.after_us)).await;
        strike(node, &watch, crash.is_power_loss)?;
    }
    let is_done = || watch.borrow().is_done || watch.borrow().broken.is_some();
    while !is_done() {
        sleep(Duration::from_millis(1)).await;
    }
    strike(node, &watch, true)?;
    watch.borrow_mut().is_done = false;
    while !is_done() {
        sleep(Duration::from_millis(1)).await;
    }
    strike(node, &watch, true)?;
    let tally = watch.borrow().tally;
    Ok(tally)
}

fn strike(node: Machine, watch: &RefCell<Watch>, is_power_loss: bool) -> Result<(), String> {
    if let Some(broken) = &watch.borrow().broken {
        return Err(broken.clone());
    }
    if is_power_loss {
        node.power_loss();
    } else {
        node.kill();
    }
    let mut watch = watch.borrow_mut();
    watch.tally.crashed_in_opening += u64::from(!watch.is_open);
    watch.is_open = false;
    node.restart();
    Ok(())
}

/// The node: opens its log, compares, and goes on with the work.
async fn work(watch: Rc<RefCell<Watch>>) {
    if let Err(broken) = open_and_write(&watch).await {
        watch.borrow_mut().broken = Some(broken);
    }
    std::future::pending::<()>().await;
}

async fn open_and_write(watch: &RefCell<Watch>) -> Result<(), String> {
    let options = Options {
        segment_bytes: watch.borrow().storm.segment_bytes,
    };
    let opened = DurableLog::open_with("/data/log", options).await;
    let (mut log, restored) = opened.map_err(|error| format!("cannot open: {error}"))?;
    watch.borrow_mut().settle(restored)?;
    loop {
        let Some(write) = watch.borrow_mut().next_write() else {
            return Ok(());
        };
        let result = match &write {
            Write::Ready(ready) => log.store(ready).await,
            Write::Snapshot(snapshot, first_wanted) => {
                log.save_snapshot(snapshot, *first_wanted).await
            }
        };
        result.map_err(|error| format!("cannot write: {error}"))?;
        watch.borrow_mut().written();
    }
}

enum Write {
    Ready(Ready),
    Snapshot(Snapshot, Index),
}

impl Watch {
    /// What has been restored must be one of the stages. From now on it is remembered for good: the node acts on it.
    fn settle(&mut self, restored: Restored) -> Result<(), String> {
        self.is_open = true;
        self.tally.opened += 1;
        let differences: Vec<Option<String>> = self
            .stages
            .iter()
            .map(|stage| stage.differs_from(&restored))
            .collect();
        let Some(found) = differences.iter().position(Option::is_none) else {
            return Err(format!("restored {differences:?}"));
        };
        if self.stages.len() > 1 {
            self.tally.found_nothing += u64::from(found == 0);
            self.tally.found_part += u64::from(found > 0 && found + 1 < self.stages.len());
            self.tally.found_all += u64::from(found + 1 == self.stages.len());
            self.tally.left_over += u64::from(found == 2 && self.stages.len() == 4);
        }
        self.stages = vec![self.stages.swap_remove(found)];
        let voters = vec![NodeId(0), NodeId(1), NodeId(2)];
        Raft::new(Config::new(NodeId(0), voters, 0), restored, Instant::now())
            .map_err(|error| format!("Raft cannot start: {error}"))?;
        Ok(())
    }

    fn next_write(&mut self) -> Option<Write> {
        loop {
            let Some(step) = self.storm.steps.get(self.next_step).cloned() else {
                self.is_done = true;
                return None;
            };
            self.next_step += 1;
            let now = &self.stages[0];
            if let Step::Save { .. } = step {
                let Some((snapshot, first_wanted)) = now.snapshot_to_save(&step) else {
                    continue;
                };
                self.stages = now.stages_of_saving(&snapshot, first_wanted);
                self.tally.saved += 1;
                return Some(Write::Snapshot(snapshot, first_wanted));
            }
            let ready = now.ready_to_store(&step);
            self.stages = now.stages(&ready);
            self.tally.truncated += u64::from(ready.truncate_from.is_some());
            self.tally.installed += u64::from(ready.snapshot.is_some());
            return Some(Write::Ready(ready));
        }
    }

    fn written(&mut self) {
        self.stages = self.stages.split_off(self.stages.len() - 1);
        self.tally.stored += 1;
    }
}

/// What Raft might ask for.
impl Reference {
    fn ready_to_store(&self, step: &Step) -> Ready {
        match step {
            Step::Vote => self.vote(),
            Step::Append { in_new_term, sizes } => {
                let hard_state = self.enter_term(*in_new_term);
                self.append_to(hard_state, None, self.last() + 1, sizes)
            }
            Step::Truncate { cut, sizes } => {
                let hard_state = self.enter_term(true);
                let from = (self.last() + 1).saturating_sub(u64::from(*cut));
                let from = from.max(self.covered() + 1);
                let cut = (from <= self.last()).then_some(Index(from));
                self.append_to(hard_state, cut, from, sizes)
            }
            Step::Install {
                in_new_term,
                ahead,
                size,
                sizes,
            } => {
                let index = self.covered() + u64::from(*ahead);
                let contradicts = index <= self.last();
                let hard_state = self.enter_term(*in_new_term || contradicts);
                let term = hard_state.unwrap_or(self.hard_state).term;
                let last = id(term, index);
                let mut ready = self.append_to(hard_state, None, index + 1, sizes);
                ready.snapshot = Some(Snapshot {
                    last,
                    data: noise(last, *size),
                });
                ready
            }
            Step::Save { .. } => unreachable!("not a Ready"),
        }
    }

    fn snapshot_to_save(&self, step: &Step) -> Option<(Snapshot, Index)> {
        let Step::Save {
            before_end,
            trailing,
            size,
        } = step
        else {
            return None;
        };
        let index = self.last().checked_sub(u64::from(*before_end))?;
        let last = self.entry(index).filter(|_| index > self.covered())?.id;
        let first_wanted = (index + 1).saturating_sub(u64::from(*trailing)).max(1);
        let data = noise(last, *size);
        Some((Snapshot { last, data }, Index(first_wanted)))
    }

    fn vote(&self) -> Ready {
        let mut hard_state = self.hard_state;
        match hard_state.voted_for {
            None => hard_state.voted_for = Some(NodeId(2)),
            Some(_) => hard_state = self.enter_term(true).expect("a new term"),
        }
        Ready {
            hard_state: Some(hard_state),
            ..Ready::default()
        }
    }

    /// The hard state of the next term; there are no entries in term 0.
    fn enter_term(&self, is_new: bool) -> Option<HardState> {
        let term = self.hard_state.term;
        (is_new || term == Term(0)).then(|| HardState {
            term: term.next(),
            voted_for: term.0.is_multiple_of(2).then_some(NodeId(0)),
        })
    }

    fn append_to(
        &self,
        hard_state: Option<HardState>,
        truncate_from: Option<Index>,
        first: u64,
        sizes: &[u16],
    ) -> Ready {
        let term = hard_state.unwrap_or(self.hard_state).term;
        let entry = |(index, size): (u64, &u16)| {
            let id = id(term, index);
            let payload = match size {
                0 => Payload::Noop,
                size => Payload::Command(noise(id, *size)),
            };
            Entry { id, payload }
        };
        Ready {
            hard_state,
            truncate_from,
            entries: (first..).zip(sizes).map(entry).collect(),
            ..Ready::default()
        }
    }
}

fn id(term: Term, index: u64) -> EntryId {
    let index = Index(index);
    EntryId { term, index }
}

/// Bytes that tell every place of every value from every other.
fn noise(id: EntryId, size: u16) -> Vec<u8> {
    let mut word = id.term.0 << 32 ^ id.index.0;
    let next = || {
        word = word.wrapping_mul(6_364_136_223_846_793_005) + 1;
        (word >> 56) as u8
    };
    std::iter::repeat_with(next)
        .take(usize::from(size))
        .collect()
}
