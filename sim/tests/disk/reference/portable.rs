//! What POSIX promises, and not a word more: each file is for itself, and names are in no order but
//! their own.

use std::collections::{BTreeMap, BTreeSet};

use super::{Event, Id, Machine, Names, Naming, SECTOR, Seen, Shown, closure, cut, join, show};

/// One way in which a file may be on the disk.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Stored {
    size: usize,
    sectors: BTreeMap<usize, Vec<u8>>,
    /// The smallest size to which programs have cut the file since its size was last written.
    floor: Option<usize>,
}

struct File {
    stored: BTreeSet<Stored>,
    /// Where the growth began that changed the size last.
    grown_from: Option<usize>,
}

struct Operation {
    naming: Naming,
    /// Those that must be on the disk before.
    needs: Vec<usize>,
    is_synced: bool,
}

pub(crate) struct Portable {
    files: BTreeMap<Id, File>,
    operations: Vec<Operation>,
}

impl Machine for Portable {
    fn happens(&mut self, event: &Event, seen: &Seen) {
        match event {
            Event::Names(naming) | Event::Replace { naming, .. } => self.rename(naming, seen),
            Event::Write { file, size } if seen.bytes[file].len() > *size => {
                self.file(*file).grow(*size);
            }
            Event::Write { .. } => {}
            Event::SetSize { file, size } => {
                let new = seen.bytes[file].len();
                match new > *size {
                    true => self.file(*file).grow(*size),
                    false => self.file(*file).shrink(new),
                }
            }
            Event::SyncAll(id) | Event::SyncData(id) => self.sync(*id, seen),
        }
        for (&id, file) in &mut self.files {
            file.write_back(id, seen);
        }
    }

    fn allowed(&self, seen: &Seen) -> BTreeSet<Shown> {
        let mut allowed = BTreeSet::new();
        for names in self.trees() {
            let mut ways = vec![BTreeMap::new()];
            let ids: BTreeSet<Id> = reachable(&names, seen);
            for id in ids {
                let contents: BTreeSet<Vec<u8>> = match self.files.get(&id) {
                    Some(file) => file.stored.iter().map(Stored::bytes).collect(),
                    None => BTreeSet::from([Vec::new()]),
                };
                let with = |way: &BTreeMap<Id, Vec<u8>>| {
                    let with = |bytes: &Vec<u8>| {
                        let mut way = way.clone();
                        way.insert(id, bytes.clone());
                        way
                    };
                    contents.iter().map(with).collect::<Vec<_>>()
                };
                ways = ways.iter().flat_map(with).collect();
            }
            allowed.extend(ways.iter().map(|bytes| show(&names, bytes)));
        }
        allowed
    }
}

impl Portable {
    /// A file system on which all is durable.
    pub(crate) fn new(seen: &Seen) -> Self {
        let file = |id: Id| File {
            stored: BTreeSet::from([Stored::all_of(id, seen)]),
            grown_from: None,
        };
        let operation = |(name, target): (&(Id, String), &Id)| Operation {
            naming: Naming {
                changes: vec![(name.clone(), Some(*target))],
                removes: None,
                above: Vec::new(),
            },
            needs: Vec::new(),
            is_synced: true,
        };
        Self {
            files: seen.bytes.keys().map(|&id| (id, file(id))).collect(),
            operations: seen.names.iter().map(operation).collect(),
        }
    }

    fn file(&mut self, id: Id) -> &mut File {
        self.files.entry(id).or_insert_with(|| File {
            stored: BTreeSet::from([Stored::default()]),
            grown_from: None,
        })
    }

    fn rename(&mut self, naming: &Naming, seen: &Seen) {
        let needs = (0..self.operations.len()).filter(|&at| self.is_needed(at, naming, seen));
        let needs = needs.collect();
        self.operations.push(Operation {
            naming: naming.clone(),
            needs,
            is_synced: false,
        });
    }

    /// Whether an earlier operation must come before this one.
    fn is_needed(&self, earlier: usize, naming: &Naming, seen: &Seen) -> bool {
        let earlier_changes = &self.operations[earlier].naming.changes;
        let leaving = self.leaving(naming, seen);
        earlier_changes.iter().any(|(name, target)| {
            let is_same_name = naming.changes.iter().any(|(other, _)| other == name);
            let is_within = leaving.contains(&name.0);
            let names_above = target.is_some_and(|id| naming.above.contains(&id));
            is_same_name || is_within || names_above
        })
    }

    /// The directories that lose a name.
    fn leaving(&self, naming: &Naming, seen: &Seen) -> Vec<Id> {
        let mut names = Names::new();
        for operation in &self.operations {
            operation.naming.apply(&mut names);
        }
        let before = naming
            .changes
            .iter()
            .filter_map(|(name, _)| names.get(name));
        before.copied().filter(|&id| !seen.is_file(id)).collect()
    }

    fn sync(&mut self, id: Id, seen: &Seen) {
        if seen.is_file(id) {
            *self.file(id) = File {
                stored: BTreeSet::from([Stored::all_of(id, seen)]),
                grown_from: None,
            };
            return;
        }
        for at in (0..self.operations.len()).rev() {
            let mut names = self.operations[at].naming.changes.iter();
            if self.operations[at].is_synced || names.any(|((directory, _), _)| *directory == id) {
                self.operations[at].is_synced = true;
                for need in self.operations[at].needs.clone() {
                    self.operations[need].is_synced = true;
                }
            }
        }
    }

    /// The names that each set of operations leaves which may be on the disk.
    fn trees(&self) -> BTreeSet<Names> {
        let mut sets = vec![Vec::new()];
        for operation in &self.operations {
            let with = |set: &Vec<bool>| {
                let can_be = operation.needs.iter().all(|&need| set[need]);
                let choices: &[bool] = match (can_be, operation.is_synced) {
                    (true, true) => &[true],
                    (true, false) => &[true, false],
                    (false, _) => &[false],
                };
                let with = |&is_in: &bool| [&set[..], &[is_in]].concat();
                choices.iter().map(with).collect::<Vec<_>>()
            };
            sets = sets.iter().flat_map(with).collect();
        }
        let tree = |set: &Vec<bool>| {
            let mut names = Names::new();
            for (operation, _) in self.operations.iter().zip(set).filter(|(_, is_in)| **is_in) {
                operation.naming.apply(&mut names);
            }
            names
        };
        sets.iter().map(tree).collect()
    }
}

impl File {
    fn grow(&mut self, from: usize) {
        self.grown_from.get_or_insert(from);
    }

    fn shrink(&mut self, size: usize) {
        self.grown_from = None;
        let cut = |mut stored: Stored| {
            stored.floor = Some(stored.floor.map_or(size, |floor| floor.min(size)));
            stored
        };
        self.stored = std::mem::take(&mut self.stored)
            .into_iter()
            .map(cut)
            .collect();
    }

    /// A kernel writes any sector and the size at any time.
    fn write_back(&mut self, id: Id, seen: &Seen) {
        let size = seen.bytes[&id].len();
        let sizes = self.grown_from.unwrap_or(size)..=size;
        let steps = |stored: &Stored| {
            let mut next: Vec<Stored> = sizes.clone().map(|size| stored.with_size(size)).collect();
            for sector in 0..seen.sector_count(id) {
                // What was written to a sector that a cut went through follows the cut.
                if stored
                    .floor
                    .is_none_or(|floor| floor >= (sector + 1) * SECTOR)
                {
                    let mut with = stored.clone();
                    with.sectors.insert(sector, seen.sector(id, sector));
                    next.push(with);
                }
            }
            next
        };
        self.stored = closure(std::mem::take(&mut self.stored), steps);
    }
}

impl Stored {
    fn all_of(id: Id, seen: &Seen) -> Self {
        let sectors = 0..seen.sector_count(id);
        Self {
            size: seen.bytes[&id].len(),
            sectors: sectors.map(|it| (it, seen.sector(id, it))).collect(),
            floor: None,
        }
    }

    fn with_size(&self, size: usize) -> Self {
        let mut with = self.clone();
        if let Some(floor) = with.floor.take() {
            cut(&mut with.sectors, floor);
        }
        with.size = size;
        with
    }

    fn bytes(&self) -> Vec<u8> {
        join(&self.sectors, self.size)
    }
}

/// The files that a path leads to.
fn reachable(names: &Names, seen: &Seen) -> BTreeSet<Id> {
    let all = names.values().copied().filter(|&id| seen.is_file(id));
    all.collect()
}
