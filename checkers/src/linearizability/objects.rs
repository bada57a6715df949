//! The operations on each key, judged one key after another or several at once.

use super::any_spec::AnySpec;
use super::compiled::Compiled;
use super::judge::{Disagreement, Judged, Judgement, judge, judge_items};
use super::limits::Meter;
use super::merge::Order;
use super::places::Places;
use super::strategy::{CheckError, Method};
use crate::history::{History, Value};
use crate::sorting::sort_by_number;
use crate::spec::{Decided, Decider, DecodeError, Recorded};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

/// The operations on one key.
pub(super) struct Object {
    pub(super) key: Option<Value>,
    /// Their ids, ascending.
    pub(super) ids: Vec<u32>,
    /// How many keys came before it in the history.
    number: usize,
}

impl Object {
    /// ` of key …`, or nothing where there are no keys.
    pub(super) fn of_key(&self) -> String {
        let key = self.key.as_ref();
        key.map_or_else(String::new, |key| format!(" of key {key}"))
    }
}

/// The objects of a history, ordered by key.
pub(super) struct Objects<'a> {
    pub(super) all: Vec<Object>,
    /// The specification's own algorithm, which has read everything; nothing if nobody will ask it.
    decider: Option<Box<dyn Decider + 'a>>,
}

impl<'a> Objects<'a> {
    /// # Errors
    /// Where the history holds an operation that the specification does not know.
    pub(super) fn read(
        spec: &'a dyn AnySpec,
        history: &History,
        asks_decider: bool,
    ) -> Result<Self, DecodeError> {
        let operations = history.operations();
        let decider = asks_decider.then(|| spec.any_decider(operations.len()));
        let mut decider = decider.flatten();
        let mut all: Vec<Object> = Vec::new();
        let mut places = Places::new(spec, operations);
        for id in 0..operations.len() {
            let number = places.of(id);
            if number == all.len() {
                let count = places.operation_count(id);
                if let Some(decider) = &mut decider {
                    decider.begin(count);
                }
                all.push(Object {
                    key: places.name(id),
                    ids: Vec::with_capacity(count),
                    number,
                });
            }
            match &mut decider {
                Some(decider) => decider.take_from(number, operations, id)?,
                None => drop(spec.is_certain(&history.operation(id))?),
            }
            all[number].ids.push(id as u32);
        }
        all.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(Self { all, decider })
    }

    fn decide(&self, object: &Object) -> Option<Decided> {
        self.decider.as_ref()?.decide(object.number)
    }
}

/// What judges need to know beyond the operations.
#[derive(Clone, Copy)]
pub(super) struct Court<'a> {
    pub(super) spec: &'a dyn AnySpec,
    pub(super) history: &'a History,
    pub(super) method: &'a Method<'a>,
    pub(super) started: Instant,
}

impl<'a> Court<'a> {
    /// A meter of what one object may cost, while so many share the memory.
    pub(super) fn meter(&self, shares: u64) -> Meter {
        let ids = self.history.operations().len() * size_of::<u32>();
        let held = (self.history.bytes() + ids) as u64;
        Meter::new(self.method.limits.clone(), self.started).beside(held, shares)
    }

    /// Judges each object in the whole history, in their order. Of one that is alone, what it was compiled
    /// to serves other searches; those of many objects would fill the memory.
    pub(super) fn judge_all(
        &self,
        objects: &Objects<'_>,
    ) -> Result<(Vec<Judged>, Option<Compiled<'a>>), CheckError> {
        if let [only] = &objects.all[..] {
            let (judged, compiled) = self.judge_one(objects, only, 1)?;
            return Ok((vec![judged], compiled));
        }
        let threads = self.method.threads.min(objects.all.len()).max(1);
        let mut judged = self.judge_at_once(objects, threads);
        if threads > 1 {
            // A share of the memory was not enough for these; each has all of it now.
            for (object, judged) in objects.all.iter().zip(&mut judged) {
                if judged.as_ref().is_ok_and(Judged::is_out_of_memory) {
                    *judged = self.judge_alone(objects, object, 1);
                }
            }
        }
        let judged: Result<Vec<Judged>, CheckError> = judged.into_iter().collect();
        Ok((judged?, None))
    }

    /// The largest objects begin first, so that the threads end together.
    fn judge_at_once(
        &self,
        objects: &Objects<'_>,
        threads: usize,
    ) -> Vec<Result<Judged, CheckError>> {
        let all = &objects.all;
        if threads == 1 {
            let judge = |object| self.judge_alone(objects, object, 1);
            return all.iter().map(judge).collect();
        }
        let mut largest_first: Vec<usize> = (0..all.len()).collect();
        sort_by_number(&mut largest_first, |&index| {
            usize::MAX - all[index].ids.len()
        });
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(all.len()));
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some(&index) = largest_first.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        let judged = self.judge_alone(objects, &all[index], threads as u64);
                        let mut done = done.lock().expect("no thread panics while it holds this");
                        done.push((index, judged));
                    }
                });
            }
        });
        let mut done = done.into_inner().expect("all threads have ended");
        sort_by_number(&mut done, |&(index, _)| index);
        done.into_iter().map(|(_, judged)| judged).collect()
    }

    fn judge_alone(
        &self,
        objects: &Objects<'_>,
        object: &Object,
        shares: u64,
    ) -> Result<Judged, CheckError> {
        let (judged, _) = self.judge_one(objects, object, shares)?;
        Ok(judged)
    }

    fn judge_one(
        &self,
        objects: &Objects<'_>,
        object: &Object,
        shares: u64,
    ) -> Result<(Judged, Option<Compiled<'a>>), CheckError> {
        let recorded = Recorded::new(self.history, &object.ids);
        let judged = self.judge(objects.decide(object), recorded, shares);
        judged.map_err(|disagreement| disagreement.told(object.of_key()))
    }

    /// Judges an object's operations again, as far as they are known after the first `end` events. Where
    /// these are impossible and no more had been compiled, what they were compiled to is left.
    pub(super) fn judge_until(
        &self,
        ids: &[u32],
        end: usize,
        compiled: &mut Option<Compiled<'a>>,
    ) -> Result<Judgement, CheckError> {
        let recorded = Recorded::new(self.history, ids).until(end);
        if recorded.begun().is_empty() {
            return Ok(Judgement::Possible(Order::Early(Vec::new())));
        }
        let decided = match self.method.asks_decider() {
            true => decide_on(self.spec, recorded),
            false => None,
        };
        match (decided, compiled) {
            (None, Some(compiled)) => Ok(self.search_again(compiled, recorded)),
            (decided, compiled) => match self.judge(decided, recorded, 1) {
                Ok((judged, left)) => {
                    *compiled = compiled.take().or(left);
                    Ok(judged.judgement)
                }
                Err(disagreement) => Err(disagreement.told(format!(" of the first {end} events"))),
            },
        }
    }

    fn search_again(&self, compiled: &mut Compiled<'a>, recorded: Recorded<'_>) -> Judgement {
        let mut meter = self.meter(1);
        match compiled.until(recorded, &meter) {
            Ok(items) => judge_items(&mut compiled.catalogue, items, &mut meter).0,
            Err(limit) => Judgement::Exceeded { limit, event: 0 },
        }
    }

    fn judge(
        &self,
        decided: Option<Decided>,
        recorded: Recorded<'_>,
        shares: u64,
    ) -> Result<(Judged, Option<Compiled<'a>>), Disagreement> {
        let mut meter = self.meter(shares);
        judge(
            self.spec,
            self.method.strategy,
            decided,
            recorded,
            &mut meter,
        )
    }
}

/// What the specification's own algorithm says of operations on one key, all known to it.
fn decide_on(spec: &dyn AnySpec, recorded: Recorded<'_>) -> Option<Decided> {
    let mut decider = spec.any_decider(recorded.len_max())?;
    decider.begin(recorded.len_max());
    for &id in recorded.begun() {
        decider.take(0, &recorded.operation(id)).ok()?;
        if decider.is_hopeless(0) {
            return None;
        }
    }
    decider.decide(0)
}
