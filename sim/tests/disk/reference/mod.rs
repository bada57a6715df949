//! What a power loss may leave, by brute force: file systems as machines that do what they like.
//!
//! Nothing here is of the disk. A machine has what programs see and a *set* of all that may be on the
//! disk by now. After each thing that a program does, everything that a kernel might do behind its
//! back (write a sector back, give a file its new size, commit the journal) is added to the set until
//! there is nothing new. A sync takes out what cannot be any more. The machines are exact, slow, and for
//! small programs only.

mod journaled;
mod portable;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use journaled::{Before, Journaled};
pub(crate) use portable::Portable;

pub(crate) const SECTOR: usize = 512;

pub(crate) type Id = usize;
pub(crate) const ROOT: Id = 0;

/// What a path leads to: nothing more for a directory; for a file its bytes and all of its paths.
pub(crate) type Shown = BTreeMap<String, Option<(Vec<u8>, Vec<String>)>>;

/// What has which name in which directory.
pub(crate) type Names = BTreeMap<(Id, String), Id>;

/// One operation on names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Naming {
    /// What they lead to from then on.
    pub(crate) changes: Vec<((Id, String), Option<Id>)>,
    /// What loses a name, or its only one.
    pub(crate) removes: Option<Id>,
    /// For a rename, the directories above its target.
    pub(crate) above: Vec<Id>,
}

impl Naming {
    pub(crate) fn apply(&self, names: &mut Names) {
        for (name, target) in &self.changes {
            match target {
                Some(target) => names.insert(name.clone(), *target),
                None => names.remove(name),
            };
        }
    }
}

/// What programs do to one file or to names, as machines are told.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Names(Naming),
    /// From `size` before to what programs see now.
    Write {
        file: Id,
        size: usize,
    },
    SetSize {
        file: Id,
        size: usize,
    },
    /// A rename by which a file has taken the name of another.
    Replace {
        file: Id,
        naming: Naming,
    },
    SyncAll(Id),
    SyncData(Id),
}

/// A file system that may lose power at any time.
pub(crate) trait Machine {
    fn happens(&mut self, event: &Event, seen: &Seen);
    fn allowed(&self, seen: &Seen) -> BTreeSet<Shown>;
}

/// What programs see.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) names: Names,
    /// Those of files; a directory has none.
    pub(crate) bytes: BTreeMap<Id, Vec<u8>>,
    pub(crate) next: Id,
}

impl Seen {
    pub(crate) fn new() -> Self {
        Self {
            next: ROOT + 1,
            ..Self::default()
        }
    }

    pub(crate) fn is_file(&self, id: Id) -> bool {
        self.bytes.contains_key(&id)
    }

    /// The directory of the last name, the name, and what has it.
    pub(crate) fn find(&self, path: &str) -> ((Id, String), Option<Id>) {
        let (mut directory, mut rest) = (ROOT, path);
        while let Some((first, below)) = rest.split_once('/') {
            directory = self.names[&(directory, first.to_owned())];
            rest = below;
        }
        let name = (directory, rest.to_owned());
        let found = self.names.get(&name).copied();
        (name, found)
    }

    /// The directories on the way to the last name, the root left out.
    pub(crate) fn above(&self, path: &str) -> Vec<Id> {
        let ends = path.match_indices('/').map(|(at, _)| at);
        ends.filter_map(|end| self.find(&path[..end]).1).collect()
    }

    /// One sector of a file, with zeros behind its end.
    pub(crate) fn sector(&self, file: Id, sector: usize) -> Vec<u8> {
        let bytes = &self.bytes[&file];
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        (sector * SECTOR..(sector + 1) * SECTOR).map(byte).collect()
    }

    /// The number of sectors that have something.
    pub(crate) fn sector_count(&self, file: Id) -> usize {
        self.bytes[&file].len().div_ceil(SECTOR)
    }
}

/// All that a reader finds, given what each file holds.
pub(crate) fn show(names: &Names, bytes: &BTreeMap<Id, Vec<u8>>) -> Shown {
    let mut paths: Vec<(String, Id)> = Vec::new();
    let mut waiting = vec![(String::new(), ROOT)];
    while let Some((above, directory)) = waiting.pop() {
        for ((_, name), &id) in names.iter().filter(|((parent, _), _)| *parent == directory) {
            let path = format!("{above}{name}");
            if !bytes.contains_key(&id) {
                waiting.push((format!("{path}/"), id));
            }
            paths.push((path, id));
        }
    }
    paths.sort();
    let all_of = |id: Id| {
        let same = paths.iter().filter(|(_, other)| *other == id);
        same.map(|(path, _)| path.clone()).collect()
    };
    let entry = |id: Id| bytes.get(&id).map(|bytes| (bytes.clone(), all_of(id)));
    let shown = paths.iter();
    shown.map(|(path, id)| (path.clone(), entry(*id))).collect()
}

/// The sectors of a file put together, as long as it is.
pub(crate) fn join(sectors: &BTreeMap<usize, Vec<u8>>, size: usize) -> Vec<u8> {
    let byte = |at: usize| {
        let sector = sectors.get(&(at / SECTOR));
        sector.map_or(0, |bytes| bytes[at % SECTOR])
    };
    (0..size).map(byte).collect()
}

/// Zeros what lies behind `size`.
pub(crate) fn cut(sectors: &mut BTreeMap<usize, Vec<u8>>, size: usize) {
    for (sector, bytes) in sectors {
        let kept = size.saturating_sub(sector * SECTOR).min(SECTOR);
        bytes[kept..].fill(0);
    }
}

/// All that can be reached by steps.
pub(crate) fn closure<T: Clone + Ord>(
    from: BTreeSet<T>,
    steps: impl Fn(&T) -> Vec<T>,
) -> BTreeSet<T> {
    let mut waiting: Vec<T> = from.iter().cloned().collect();
    let mut reached = from;
    while let Some(state) = waiting.pop() {
        for next in steps(&state) {
            if reached.insert(next.clone()) {
                waiting.push(next);
            }
        }
    }
    reached
}
