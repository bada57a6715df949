//! The operations on each key, judged one key after another or several at once.

use super::any_spec::AnySpec;
use super::hashing::QuickMap;
use super::judge::{Judged, Judgement, judge};
use super::limits::Meter;
use super::strategy::{CheckError, Method};
use crate::history::{History, Value};
use crate::sorting::sort_by_number;
use crate::spec::{DecodeError, Recorded};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

/// The operations on one key.
pub(super) struct Object {
    pub(super) key: Option<Value>,
    /// Their ids, ascending.
    pub(super) ids: Vec<u32>,
}

impl Object {
    /// ` of key …`, or nothing where there are no keys.
    pub(super) fn of_key(&self) -> String {
        let key = self.key.as_ref();
        key.map_or_else(String::new, |key| format!(" of key {key}"))
    }
}

/// The objects of a history, ordered by key.
pub(super) fn objects(spec: &dyn AnySpec, history: &History) -> Result<Vec<Object>, DecodeError> {
    let mut objects: Vec<Object> = Vec::new();
    let mut places: QuickMap<Option<Value>, usize> = QuickMap::default();
    for recorded in history.operations() {
        spec.is_certain(&recorded)?;
        let key = spec.key_of(&recorded);
        let place = *places.entry(key).or_insert_with_key(|key| {
            objects.push(Object {
                key: key.clone(),
                ids: Vec::new(),
            });
            objects.len() - 1
        });
        objects[place].ids.push(recorded.id as u32);
    }
    objects.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(objects)
}

/// What judges need to know beyond the operations.
#[derive(Clone, Copy)]
pub(super) struct Court<'a> {
    pub(super) spec: &'a dyn AnySpec,
    pub(super) history: &'a History,
    pub(super) method: &'a Method<'a>,
    pub(super) started: Instant,
}

impl Court<'_> {
    /// A meter of what one object may cost, while so many share the memory.
    pub(super) fn meter(&self, shares: u64) -> Meter {
        let ids = self.history.operations().len() * size_of::<u32>();
        let held = (self.history.bytes() + ids) as u64;
        Meter::new(self.method.limits.clone(), self.started).beside(held, shares)
    }

    /// Judges each object in the whole history, in their order.
    pub(super) fn judge_all(&self, objects: &[Object]) -> Result<Vec<Judged>, CheckError> {
        let threads = self.method.threads.min(objects.len()).max(1);
        let mut judged = self.judge_at_once(objects, threads);
        if threads > 1 {
            // A share of the memory was not enough for these; each has all of it now.
            for (object, judged) in objects.iter().zip(&mut judged) {
                if judged.as_ref().is_ok_and(Judged::is_out_of_memory) {
                    *judged = self.judge_one(object, 1);
                }
            }
        }
        judged.into_iter().collect()
    }

    /// The largest objects begin first, so that the threads end together.
    fn judge_at_once(&self, objects: &[Object], threads: usize) -> Vec<Result<Judged, CheckError>> {
        if threads == 1 {
            let judge = |object| self.judge_one(object, 1);
            return objects.iter().map(judge).collect();
        }
        let mut largest_first: Vec<usize> = (0..objects.len()).collect();
        sort_by_number(&mut largest_first, |&index| {
            usize::MAX - objects[index].ids.len()
        });
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(objects.len()));
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some(&index) = largest_first.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        let judged = self.judge_one(&objects[index], threads as u64);
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

    fn judge_one(&self, object: &Object, shares: u64) -> Result<Judged, CheckError> {
        let mut meter = self.meter(shares);
        let recorded = Recorded::new(self.history, &object.ids);
        judge(self.spec, self.method.strategy, recorded, &mut meter).map_err(|disagreement| {
            CheckError::Disagreement {
                of_key: object.of_key(),
                special: disagreement.special,
                special_says: disagreement.special_says,
            }
        })
    }

    /// Judges an object's operations again, as far as they are known after the first `end` events.
    pub(super) fn judge_until(&self, ids: &[u32], end: usize) -> Result<Judgement, CheckError> {
        let mut meter = self.meter(1);
        let recorded = Recorded::new(self.history, ids).until(end);
        let judged = judge(self.spec, self.method.strategy, recorded, &mut meter);
        match judged {
            Ok(judged) => Ok(judged.judgement),
            Err(disagreement) => Err(CheckError::Disagreement {
                of_key: format!(" of the first {end} events"),
                special: disagreement.special,
                special_says: disagreement.special_says,
            }),
        }
    }
}
