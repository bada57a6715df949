//! Statics and thread-locals that change during a run: for the doctor.
//!
//! Simulated machines share the process's memory, and a simulated restart leaves it as it was. State
//! in a static is therefore shared by machines and outlives their processes, which it could not in
//! reality. The program's writable memory is copied as a run begins, and compared as machines are
//! restarted and as it ends.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::program::{Memory, writable};

const WORD: usize = size_of::<u64>();

/// A word of a program's memory that changed during a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedWord {
    pub memory: Memory,
    /// Of a static: its address in the program's file. Of a thread-local: its place among them.
    pub address: u64,
    /// The machine that was restarted first while the word was no more what it had been, if one was.
    pub restarted: Option<String>,
}

struct Watch {
    regions: Vec<(super::program::Region, Vec<u64>)>,
    changed: BTreeMap<(Memory, u64), Option<u32>>,
}

thread_local! {
    static WATCH: RefCell<Option<Box<Watch>>> = const { RefCell::new(None) };
}

/// Begins to watch.
pub(super) fn begin() {
    let regions = writable().into_iter().map(|region| {
        let words = region.words().collect();
        (region, words)
    });
    let watch = Watch {
        regions: regions.collect(),
        changed: BTreeMap::new(),
    };
    WATCH.set(Some(Box::new(watch)));
}

/// Looks at what has changed as a machine is restarted.
pub(crate) fn note_restart(node: u32) {
    WATCH.with_borrow_mut(|watch| {
        if let Some(watch) = watch {
            watch.compare(Some(node));
        }
    });
}

/// Ends, and answers what has changed.
pub(super) fn end(name_of: &dyn Fn(u32) -> String) -> Vec<ChangedWord> {
    let Some(mut watch) = WATCH.take() else {
        return Vec::new();
    };
    watch.compare(None);
    let tell = |((memory, address), node): ((Memory, u64), Option<u32>)| ChangedWord {
        memory,
        address,
        restarted: node.map(name_of),
    };
    watch.changed.into_iter().map(tell).collect()
}

impl Watch {
    fn compare(&mut self, restarted: Option<u32>) {
        for (region, before) in &self.regions {
            for (index, (now, before)) in region.words().zip(before).enumerate() {
                if now != *before {
                    let address = region.address + (index * WORD) as u64;
                    let known = self.changed.entry((region.memory, address));
                    known.or_insert(restarted);
                }
            }
        }
    }
}
