//! The store against a naive one that keeps a whole map for every version.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::{Conflict, Store, Value, Version, Writes};

type Map = BTreeMap<Vec<u8>, Value>;

#[derive(Clone, Debug)]
enum Step {
    Stage(Writes),
    /// Up to this many of the staged commits become visible.
    Publish(u64),
    Open,
    /// The how-manieth open snapshot.
    Close(usize),
    /// A transaction on an open snapshot.
    Commit(usize, Writes),
    Sweep,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = prop::option::of(any::<u8>().prop_map(|byte| Value::Bytes(vec![byte])));
    let writes = || btree_map((0..6_u8).prop_map(|key| vec![key]), value.clone(), 1..4);
    let step = prop_oneof![
        3 => writes().prop_map(Step::Stage),
        3 => (1..4_u64).prop_map(Step::Publish),
        2 => Just(Step::Open),
        1 => any::<usize>().prop_map(Step::Close),
        3 => (any::<usize>(), writes()).prop_map(|(which, writes)| Step::Commit(which, writes)),
        1 => Just(Step::Sweep),
    ];
    vec(step, 0..60)
}

/// The state as of each version, and what each commit wrote.
struct Naive {
    states: Vec<Map>,
    commits: Vec<Writes>,
}

impl Naive {
    fn push(&mut self, writes: &Writes) {
        let mut state = self.states.last().cloned().unwrap_or_default();
        for (key, value) in writes {
            match value {
                Some(value) => state.insert(key.clone(), value.clone()),
                None => state.remove(key),
            };
        }
        self.states.push(state);
        self.commits.push(writes.clone());
    }

    fn conflicts(&self, at: Version, writes: &Writes) -> bool {
        let since = &self.commits[at as usize..];
        since
            .iter()
            .any(|commit| commit.keys().any(|key| writes.contains_key(key)))
    }
}

fn holds(store: &Store, at: Version) -> Map {
    store
        .iter(at)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

proptest! {
    #[test]
    fn agrees_with_a_store_that_forgets_nothing(steps in steps()) {
        let mut store = Store::new(1_000);
        let mut naive = Naive { states: vec![Map::new()], commits: Vec::new() };
        let mut open: Vec<Version> = Vec::new();
        for step in steps {
            match step {
                Step::Stage(writes) => {
                    naive.push(&writes);
                    store.stage(writes);
                }
                Step::Publish(count) => store.publish((store.visible() + count).min(store.newest())),
                Step::Open => open.push(store.open_snapshot()),
                Step::Close(which) if !open.is_empty() => {
                    let at = open.swap_remove(which % open.len());
                    store.close_snapshot(at);
                }
                Step::Commit(which, writes) if !open.is_empty() => {
                    let at = open[which % open.len()];
                    let is_conflict = naive.conflicts(at, &writes);
                    let committed = store.commit(at, writes.clone());
                    prop_assert_eq!(committed == Err(Conflict), is_conflict);
                    if !is_conflict {
                        naive.push(&writes);
                    }
                }
                Step::Close(_) | Step::Commit(..) => {}
                Step::Sweep => store.sweep(),
            }
            prop_assert_eq!(store.newest() as usize, naive.commits.len());
            for at in open.iter().copied().chain([store.visible(), store.newest()]) {
                prop_assert!(store.is_readable(at));
                prop_assert_eq!(holds(&store, at), naive.states[at as usize].clone(), "at {}", at);
            }
        }
    }
}

fn write(key: &str, value: &str) -> Writes {
    let value = Value::Bytes(value.as_bytes().to_vec());
    Writes::from([(key.as_bytes().to_vec(), Some(value))])
}

#[test]
fn what_nobody_can_see_is_dropped() {
    let mut store = Store::new(1_000);
    for _ in 0..100 {
        let version = store.stage(write("a", "b")).version;
        store.publish(version);
    }
    assert!(store.keys[&b"a"[..]].len() <= 2);
    let deleted = store.stage(Writes::from([(b"a".to_vec(), None)])).version;
    store.publish(deleted);
    store.sweep();
    assert!(store.keys.is_empty());
}

#[test]
fn a_snapshot_that_lags_too_far_behind_is_given_up() {
    let mut store = Store::new(10);
    let at = store.open_snapshot();
    for _ in 0..30 {
        let version = store.stage(write("a", "b")).version;
        store.publish(version);
    }
    assert!(!store.is_readable(at));
    assert_eq!(store.commit(at, write("other", "c")), Err(Conflict));
    assert!(store.keys[&b"a"[..]].len() <= 12);
}
