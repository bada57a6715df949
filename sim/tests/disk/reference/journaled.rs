//! File systems with a journal: what is in it reaches the disk in order, what is not in none.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::{Event, Id, Machine, Names, Naming, SECTOR, Seen, Shown, closure, cut, join, show};

type Sectors = BTreeMap<usize, Rc<Vec<u8>>>;

/// What a journal has of one thing that happened.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Record {
    Names(Naming),
    /// In one with its first name.
    Born(Id),
    /// Something of a file's inode that does not matter to its readers.
    Touch(Id),
    SetSize {
        file: Id,
        size: usize,
        is_cut: bool,
    },
    /// The file has got room for what was written behind its end, and the size to read it.
    Grow {
        file: Id,
        size: usize,
        written: Sectors,
    },
}

impl Record {
    fn is_about(&self, id: Id) -> bool {
        match self {
            Self::Names(naming) => {
                let mut changes = naming.changes.iter();
                naming.removes == Some(id)
                    || changes.any(|((within, _), target)| *within == id || *target == Some(id))
            }
            Self::Born(file) | Self::Touch(file) => *file == id,
            Self::SetSize { file, .. } | Self::Grow { file, .. } => *file == id,
        }
    }

    fn is_needed_to_read(&self, id: Id) -> bool {
        !matches!(self, Self::Names(_) | Self::Touch(_)) && self.is_about(id)
    }
}

/// One way in which everything may be on the disk.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Stored {
    names: Names,
    files: BTreeMap<Id, (usize, Sectors)>,
    /// Not yet on the disk.
    journal: Vec<Record>,
    /// The sizes that files have on the disk or in the journal.
    logged: BTreeMap<Id, usize>,
}

/// Which bytes must be on the disk before a size is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// All that the size covers anew (ext4, `data=ordered`).
    All,
    /// The last of them (XFS).
    Last,
}

pub(crate) struct Journaled {
    before: Before,
    /// ext4's `auto_da_alloc`.
    writes_what_replaces: bool,
    stored: BTreeSet<Stored>,
    /// The sizes to which writes have brought a file since its size was set or synced.
    grown: BTreeMap<Id, BTreeSet<usize>>,
}

impl Machine for Journaled {
    fn happens(&mut self, event: &Event, seen: &Seen) {
        match event {
            Event::Names(naming) => self.name(naming, seen),
            Event::Replace { file, naming } => {
                if self.writes_what_replaces {
                    self.each(|machine, stored| machine.grow_fully(stored, *file, seen));
                }
                self.name(naming, seen);
            }
            Event::Write { file, size } => self.write(*file, *size, seen),
            Event::SetSize { file, size } => self.set_size(*file, *size, seen),
            Event::SyncAll(id) => self.sync(*id, seen, Record::is_about),
            Event::SyncData(id) => match seen.is_file(*id) {
                true => self.sync(*id, seen, Record::is_needed_to_read),
                false => self.sync(*id, seen, Record::is_about),
            },
        }
        let machine = &*self;
        self.stored = closure(machine.stored.clone(), |stored| machine.steps(stored, seen));
    }

    fn allowed(&self, seen: &Seen) -> BTreeSet<Shown> {
        let shown = |stored: &Stored| {
            let files = seen.bytes.keys().map(|&id| (id, stored.bytes(id)));
            show(&stored.names, &files.collect())
        };
        self.stored.iter().map(shown).collect()
    }
}

impl Journaled {
    /// A file system on which all is durable.
    pub(crate) fn new(before: Before, writes_what_replaces: bool, seen: &Seen) -> Self {
        let mut stored = Stored {
            names: seen.names.clone(),
            ..Stored::default()
        };
        for (&file, bytes) in &seen.bytes {
            let sectors = 0..seen.sector_count(file);
            let sectors = sectors.map(|it| (it, Rc::new(seen.sector(file, it))));
            stored.files.insert(file, (bytes.len(), sectors.collect()));
            stored.logged.insert(file, bytes.len());
        }
        Self {
            before,
            writes_what_replaces,
            stored: BTreeSet::from([stored]),
            grown: BTreeMap::new(),
        }
    }

    fn each(&mut self, change: impl Fn(&Self, &mut Stored)) {
        let mut all = std::mem::take(&mut self.stored);
        let changed = std::mem::take(&mut all).into_iter().map(|mut stored| {
            change(self, &mut stored);
            stored
        });
        self.stored = changed.collect();
    }

    fn name(&mut self, naming: &Naming, seen: &Seen) {
        let targets = naming.changes.iter().filter_map(|(_, target)| *target);
        let files: Vec<Id> = targets.filter(|&id| seen.is_file(id)).collect();
        self.each(|_, stored| {
            stored.journal.push(Record::Names(naming.clone()));
            for &file in &files {
                if let Entry::Vacant(new) = stored.logged.entry(file) {
                    new.insert(0);
                    stored.journal.push(Record::Born(file));
                }
            }
        });
    }

    fn write(&mut self, file: Id, size_before: usize, seen: &Seen) {
        let size = seen.bytes[&file].len();
        if size > size_before {
            self.grown.entry(file).or_default().insert(size);
        }
        self.each(|_, stored| stored.journal.push(Record::Touch(file)));
    }

    fn set_size(&mut self, file: Id, size_before: usize, seen: &Seen) {
        let size = seen.bytes[&file].len();
        let is_cut = size < size_before;
        self.grown.remove(&file);
        self.each(|_, stored| {
            stored.logged.insert(file, size);
            stored.journal.push(Record::SetSize { file, size, is_cut });
        });
    }

    fn sync(&mut self, id: Id, seen: &Seen, commits: fn(&Record, Id) -> bool) {
        self.each(|machine, stored| {
            if seen.is_file(id) {
                machine.grow_fully(stored, id, seen);
            }
            let last = stored
                .journal
                .iter()
                .rposition(|record| commits(record, id));
            stored.commit(last.map_or(0, |last| last + 1));
            if seen.is_file(id) {
                let sectors = 0..seen.sector_count(id);
                let sectors = sectors.map(|it| (it, Rc::new(seen.sector(id, it))));
                stored.files.entry(id).or_default().1 = sectors.collect();
            }
        });
        self.grown.remove(&id);
    }

    fn grow_fully(&self, stored: &mut Stored, file: Id, seen: &Seen) {
        let size = seen.bytes[&file].len();
        if self.grown.contains_key(&file) && stored.logged[&file] < size {
            stored.journal.push(self.growth(stored, file, size, seen));
            stored.logged.insert(file, size);
        }
    }

    fn growth(&self, stored: &Stored, file: Id, size: usize, seen: &Seen) -> Record {
        let first = match self.before {
            Before::All => stored.logged[&file] / SECTOR,
            Before::Last => (size - 1) / SECTOR,
        };
        let sectors = first..size.div_ceil(SECTOR);
        let written = sectors.map(|it| (it, Rc::new(seen.sector(file, it))));
        Record::Grow {
            file,
            size,
            written: written.collect(),
        }
    }

    /// What a kernel may do next.
    fn steps(&self, stored: &Stored, seen: &Seen) -> Vec<Stored> {
        let mut next = Vec::new();
        if !stored.journal.is_empty() {
            let mut with = stored.clone();
            with.commit(with.journal.len());
            next.push(with);
        }
        for &file in seen.bytes.keys() {
            for sector in 0..seen.sector_count(file) {
                if !stored.waits_for_a_cut(file, sector) {
                    let mut with = stored.clone();
                    let sectors = &mut with.files.entry(file).or_default().1;
                    sectors.insert(sector, Rc::new(seen.sector(file, sector)));
                    next.push(with);
                }
            }
            for &size in self.grown.get(&file).into_iter().flatten() {
                if size > stored.logged[&file] {
                    let mut with = stored.clone();
                    with.journal.push(self.growth(stored, file, size, seen));
                    with.logged.insert(file, size);
                    next.push(with);
                }
            }
        }
        next
    }
}

impl Stored {
    /// Writes the first so many records of the journal.
    fn commit(&mut self, count: usize) {
        for record in self.journal.drain(..count) {
            match record {
                Record::Names(naming) => naming.apply(&mut self.names),
                Record::Born(_) | Record::Touch(_) => {}
                Record::SetSize { file, size, is_cut } => {
                    let (stored, sectors) = self.files.entry(file).or_default();
                    *stored = size;
                    if is_cut {
                        let mut bytes = owned(sectors);
                        cut(&mut bytes, size);
                        let bytes = bytes.into_iter();
                        *sectors = bytes.map(|(at, it)| (at, Rc::new(it))).collect();
                    }
                }
                Record::Grow {
                    file,
                    size,
                    written,
                } => {
                    let (stored, sectors) = self.files.entry(file).or_default();
                    *stored = size;
                    sectors.extend(written);
                }
            }
        }
    }

    /// What is written to a sector after a cut through it follows the cut.
    fn waits_for_a_cut(&self, of: Id, sector: usize) -> bool {
        self.journal.iter().any(|record| match record {
            Record::SetSize { file, size, is_cut } => {
                *is_cut && *file == of && *size < (sector + 1) * SECTOR
            }
            _ => false,
        })
    }

    fn bytes(&self, id: Id) -> Vec<u8> {
        let empty = (0, Sectors::new());
        let (size, sectors) = self.files.get(&id).unwrap_or(&empty);
        join(&owned(sectors), *size)
    }
}

fn owned(sectors: &Sectors) -> BTreeMap<usize, Vec<u8>> {
    let sectors = sectors.iter();
    sectors.map(|(&at, it)| (at, it.as_ref().clone())).collect()
}
