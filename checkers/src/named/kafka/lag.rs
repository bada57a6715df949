//! How far polls are behind.

use super::recorded::{Act, Recorded, What};
use crate::named::latencies::Latencies;
use crate::sorting::sort_by_number;
use std::collections::BTreeMap;

/// For each poll and key of its process: for how long, when it began, there had been messages beyond what
/// the process had seen by the time it returned. What exists is known from what returned: a lower bound.
pub(super) fn lags(recorded: &Recorded<'_>) -> Latencies {
    let heights = heights(recorded);
    let mut positions: BTreeMap<u64, BTreeMap<usize, i64>> = BTreeMap::new();
    let mut lags = Latencies::default();
    for act in recorded
        .acts
        .iter()
        .filter(|act| act.span.returned().is_some())
    {
        let position = positions.entry(act.process).or_default();
        match &act.what {
            What::Assign(keys) => {
                position.retain(|key, _| keys.contains(key));
                keys.iter().for_each(|&key| {
                    position.entry(key).or_insert(-1);
                });
            }
            // Which keys it is given shows only in what it polls.
            What::Subscribe(_) | What::Seek => position.clear(),
            What::Transaction(_) if act.polls().next().is_some() => {
                for (key, offset) in offsets(recorded, act) {
                    let seen = position.entry(key).or_insert(offset);
                    *seen = offset.max(*seen);
                }
                let invoked_ns = time_ns(recorded, act.span.invoked());
                for (&key, &offset) in position.iter() {
                    let since_ns = heights[key].since_ns(offset);
                    let lag_ns = since_ns.map(|since_ns| invoked_ns.saturating_sub(since_ns));
                    lags.add(lag_ns.unwrap_or(0));
                }
            }
            What::Transaction(_) | What::Nothing => {}
        }
    }
    lags
}

/// How the greatest known offset of a key rose: when, and to what.
#[derive(Clone, Default)]
struct Height(Vec<(u64, i64)>);

impl Height {
    fn raise(&mut self, time_ns: u64, offset: i64) {
        if self.0.last().is_none_or(|&(_, highest)| highest < offset) {
            self.0.push((time_ns, offset));
        }
    }

    /// Since when there is known to be something beyond an offset.
    fn since_ns(&self, offset: i64) -> Option<u64> {
        let beyond = self.0.partition_point(|&(_, highest)| highest <= offset);
        self.0.get(beyond).map(|&(time_ns, _)| time_ns)
    }
}

fn heights(recorded: &Recorded<'_>) -> Vec<Height> {
    let mut heights = vec![Height::default(); recorded.keys.len()];
    let mut acts: Vec<&Act> = recorded
        .acts
        .iter()
        .filter(|act| act.span.returned().is_some())
        .collect();
    sort_by_number(&mut acts, |act| act.span.returned().unwrap_or(0));
    for act in acts {
        let event = act.span.returned().expect("only what returned is left");
        for (key, offset) in offsets(recorded, act) {
            heights[key].raise(time_ns(recorded, event), offset);
        }
    }
    heights
}

/// What an act sent or polled, by key and offset.
fn offsets(recorded: &Recorded<'_>, act: &Act) -> impl Iterator<Item = (usize, i64)> {
    let records = act.sent().chain(act.polled());
    records.filter_map(|record| Some((recorded.key(record.message), record.offset?)))
}

fn time_ns(recorded: &Recorded<'_>, event: usize) -> u64 {
    recorded
        .history
        .events()
        .get(event)
        .map_or(0, |event| event.time_ns)
}
