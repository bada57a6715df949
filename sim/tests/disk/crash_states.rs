//! Every state that a power loss leaves, against machines that allow it (`reference`).
//!
//! [`Disk::crash_states`] is the set that the reference allows, no more and no less, for random
//! programs under each profile; and [`Disk::power_loss`] shows each state of it for some key, and no
//! other.

use std::collections::BTreeSet;

use crate::reference::{
    Before, Event, Id, Journaled, Machine, Naming, Portable, ROOT, Seen, Shown,
};
use proptest::prelude::*;
use squall_sim::engine::disk::{
    CrashProfile, Disk, Entry, Errno, FileHandle, OpenFlags, PROFILES, TooManyStates,
};
use squall_sim::keyed::Key;

/// More than the random programs below have.
const STATES_MAX: usize = 200_000;

#[derive(Clone, Debug)]
enum Step {
    Create(&'static str),
    Mkdir(&'static str),
    /// From so many bytes before or behind the end.
    Write(&'static str, i64, usize),
    Resize(&'static str, i64),
    Rename(&'static str, &'static str),
    Link(&'static str, &'static str),
    Unlink(&'static str),
    Rmdir(&'static str),
    SyncAll(&'static str),
    SyncData(&'static str),
}

/// A disk and a machine, taken through the same steps.
struct Pair {
    disk: Disk,
    seen: Seen,
    machine: Box<dyn Machine>,
    /// What is written is told apart by its byte.
    written: u8,
}

/// A disk on which everything is durable: `a` of 511 bytes, so that what is written behind it crosses
/// into a second sector, and `d/b` of 3.
fn furnished() -> (Disk, Seen) {
    let mut disk = Disk::default();
    disk.mkdir("d").unwrap();
    for (path, bytes) in [("a", &[201; 511][..]), ("d/b", &[202; 3])] {
        let file = disk.open(path, CREATE).unwrap();
        disk.append(file, bytes).unwrap();
        disk.sync_all(file).unwrap();
        disk.close(file).unwrap();
    }
    for path in ["/", "d"] {
        let directory = disk.open(path, OpenFlags::READ).unwrap();
        disk.sync_all(directory).unwrap();
        disk.close(directory).unwrap();
    }
    let mut seen = Seen::new();
    let (a, d, b) = (1, 2, 3);
    let names = [((ROOT, "a"), a), ((ROOT, "d"), d), ((d, "b"), b)];
    let names = names.map(|((within, name), id)| ((within, name.to_owned()), id));
    seen.names.extend(names);
    seen.bytes.extend([(a, vec![201; 511]), (b, vec![202; 3])]);
    seen.next = 4;
    (disk, seen)
}

const CREATE: OpenFlags = OpenFlags {
    read: true,
    write: true,
    create: true,
    ..OpenFlags::READ
};

impl Pair {
    fn new(kind: Kind) -> Self {
        let (disk, seen) = furnished();
        Self {
            machine: kind.machine(&seen),
            disk,
            seen,
            written: 0,
        }
    }

    fn take(&mut self, step: &Step) {
        // What cannot be done changes nothing.
        if let Ok(Some(event)) = self.act(step) {
            self.machine.happens(&event, &self.seen);
        }
        assert_eq!(shown(&self.disk), self.shown(), "after {step:?}");
    }

    fn act(&mut self, step: &Step) -> Result<Option<Event>, Errno> {
        match *step {
            Step::Create(path) => self.create(path),
            Step::Mkdir(path) => {
                self.disk.mkdir(path)?;
                let id = self.bear();
                Ok(Some(self.give(path, id)))
            }
            Step::Write(path, from_end, count) => self.write(path, from_end, count),
            Step::Resize(path, change) => self.resize(path, change),
            Step::Rename(from, to) => self.rename(from, to),
            Step::Link(from, to) => {
                self.disk.link(from, to)?;
                let (_, id) = self.seen.find(from);
                Ok(Some(self.give(to, id.expect("the disk has it"))))
            }
            Step::Unlink(path) => {
                self.disk.unlink(path)?;
                Ok(Some(self.take_name(path)))
            }
            Step::Rmdir(path) => {
                self.disk.rmdir(path)?;
                Ok(Some(self.take_name(path)))
            }
            Step::SyncAll(path) => self.sync(path, Disk::sync_all, Event::SyncAll),
            Step::SyncData(path) => self.sync(path, Disk::sync_data, Event::SyncData),
        }
    }

    fn bear(&mut self) -> Id {
        self.seen.next += 1;
        self.seen.next - 1
    }

    fn create(&mut self, path: &str) -> Result<Option<Event>, Errno> {
        let flags = OpenFlags {
            create_new: true,
            ..CREATE
        };
        let file = self.disk.open(path, flags)?;
        self.disk.close(file)?;
        let id = self.bear();
        self.seen.bytes.insert(id, Vec::new());
        Ok(Some(self.give(path, id)))
    }

    fn give(&mut self, path: &str, id: Id) -> Event {
        let (name, _) = self.seen.find(path);
        self.name(vec![(name, Some(id))], None, Vec::new())
    }

    fn take_name(&mut self, path: &str) -> Event {
        let (name, id) = self.seen.find(path);
        self.name(vec![(name, None)], id, Vec::new())
    }

    fn name(
        &mut self,
        changes: Vec<((Id, String), Option<Id>)>,
        removes: Option<Id>,
        above: Vec<Id>,
    ) -> Event {
        let naming = Naming {
            changes,
            removes,
            above,
        };
        naming.apply(&mut self.seen.names);
        Event::Names(naming)
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<Option<Event>, Errno> {
        self.disk.rename(from, to)?;
        let (old_name, moved) = self.seen.find(from);
        let (new_name, replaced) = self.seen.find(to);
        if moved == replaced {
            return Ok(None);
        }
        let above = self.seen.above(to);
        let changes = vec![(old_name, None), (new_name, moved)];
        let event = self.name(changes, replaced, above);
        let file = moved.filter(|&id| self.seen.is_file(id));
        Ok(Some(match (event, file, replaced) {
            (Event::Names(naming), Some(file), Some(_)) => Event::Replace { file, naming },
            (event, ..) => event,
        }))
    }

    fn write(&mut self, path: &str, from_end: i64, count: usize) -> Result<Option<Event>, Errno> {
        let handle = self.disk.open(
            path,
            OpenFlags {
                create: false,
                ..CREATE
            },
        )?;
        let file = self.seen.find(path).1.expect("the disk has it");
        let size = self.seen.bytes[&file].len();
        let offset = size.saturating_add_signed(from_end as isize);
        self.written += 1;
        let data = vec![self.written; count];
        self.disk.write_at(handle, offset as u64, &data)?;
        self.disk.close(handle)?;
        let bytes = self.seen.bytes.get_mut(&file).expect("it is there");
        bytes.resize(size.max(offset + count), 0);
        bytes[offset..offset + count].copy_from_slice(&data);
        Ok(Some(Event::Write { file, size }))
    }

    fn resize(&mut self, path: &str, change: i64) -> Result<Option<Event>, Errno> {
        let handle = self.disk.open(
            path,
            OpenFlags {
                create: false,
                ..CREATE
            },
        )?;
        let file = self.seen.find(path).1.expect("the disk has it");
        let size = self.seen.bytes[&file].len();
        let new = size.saturating_add_signed(change as isize);
        self.disk.set_len(handle, new as u64)?;
        self.disk.close(handle)?;
        let bytes = self.seen.bytes.get_mut(&file).expect("it is there");
        bytes.resize(new, 0);
        Ok((new != size).then_some(Event::SetSize { file, size }))
    }

    fn sync(
        &mut self,
        path: &str,
        sync: fn(&mut Disk, FileHandle) -> Result<(), Errno>,
        event: fn(Id) -> Event,
    ) -> Result<Option<Event>, Errno> {
        let handle = self.disk.open(&format!("/{path}"), OpenFlags::READ)?;
        sync(&mut self.disk, handle)?;
        self.disk.close(handle)?;
        let id = match path {
            "" => ROOT,
            _ => self.seen.find(path).1.expect("the disk has it"),
        };
        Ok(Some(event(id)))
    }

    fn shown(&self) -> Shown {
        crate::reference::show(&self.seen.names, &self.seen.bytes)
    }
}

fn shown(disk: &Disk) -> Shown {
    let shown = |entry| match entry {
        Entry::Directory => None,
        Entry::File { bytes, names } => Some((bytes, names)),
    };
    let entries = disk.entries().into_iter();
    entries.map(|(path, entry)| (path, shown(entry))).collect()
}

/// The profiles, with sectors that are old, new or in between, but whole.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Posix,
    Ext4,
    Ext4Replacing,
    Xfs,
}

const KINDS: [Kind; 4] = [Kind::Posix, Kind::Ext4, Kind::Ext4Replacing, Kind::Xfs];

impl Kind {
    fn profile(self) -> CrashProfile {
        let profile = match self {
            Self::Posix => CrashProfile::posix(),
            Self::Ext4 | Self::Ext4Replacing => CrashProfile::ext4_ordered(),
            Self::Xfs => CrashProfile::xfs(),
        };
        CrashProfile {
            torn_per_mille: 0,
            garbage_per_mille: 0,
            between_per_mille: 500,
            auto_da_alloc: matches!(self, Self::Ext4Replacing),
            ..profile
        }
    }

    fn machine(self, seen: &Seen) -> Box<dyn Machine> {
        match self {
            Self::Posix => Box::new(Portable::new(seen)),
            Self::Ext4 => Box::new(Journaled::new(Before::All, false, seen)),
            Self::Ext4Replacing => Box::new(Journaled::new(Before::All, true, seen)),
            Self::Xfs => Box::new(Journaled::new(Before::Last, false, seen)),
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let path = || prop::sample::select(&["a", "c", "d", "d/b", "d/c", "e", "e/c"][..]);
    let file = || prop::sample::select(&["a", "a", "d/b", "c"][..]);
    prop_oneof![
        2 => path().prop_map(Step::Create),
        1 => path().prop_map(Step::Mkdir),
        4 => (file(), -2..=1i64, 1..3usize).prop_map(|(p, at, n)| Step::Write(p, at, n)),
        3 => (file(), prop::sample::select(&[-3i64, -1, 2][..])).prop_map(|(p, n)| Step::Resize(p, n)),
        3 => (path(), path()).prop_map(|(a, b)| Step::Rename(a, b)),
        2 => (path(), path()).prop_map(|(a, b)| Step::Link(a, b)),
        2 => path().prop_map(Step::Unlink),
        1 => path().prop_map(Step::Rmdir),
        1 => prop_oneof![path(), Just("")].prop_map(Step::SyncAll),
        1 => file().prop_map(Step::SyncData),
    ]
}

/// What happens to one file whose name is durable.
fn file_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (-2..=1i64, 1..3usize).prop_map(|(at, n)| Step::Write("a", at, n)),
        3 => prop::sample::select(&[-3i64, -1, 1, 2][..]).prop_map(|n| Step::Resize("a", n)),
        1 => Just(Step::SyncData("a")),
    ]
}

fn agrees(kind: Kind, steps: &[Step]) {
    let mut pair = Pair::new(kind);
    for step in steps {
        pair.take(step);
    }
    let states = pair.disk.crash_states(&kind.profile(), STATES_MAX);
    let states = states.expect("small programs have few states");
    let found: BTreeSet<Shown> = states.iter().map(shown).collect();
    assert_eq!(found.len(), states.len(), "each state is there once");
    let allowed = pair.machine.allowed(&pair.seen);
    let wrong: Vec<_> = found.difference(&allowed).map(brief).collect();
    let missing: Vec<_> = allowed.difference(&found).map(brief).collect();
    assert!(
        wrong.is_empty() && missing.is_empty(),
        "{kind:?}: {steps:?}\nnot allowed: {wrong:#?}\nnot found: {missing:#?}"
    );
}

/// Each path with the end of its bytes.
fn brief(state: &Shown) -> String {
    let mut shown = Vec::new();
    for (path, entry) in state {
        shown.push(match entry {
            None => format!("{path}/"),
            Some((bytes, names)) => {
                let end = &bytes[bytes.len().saturating_sub(6)..];
                format!("{path}={}:{end:?}{names:?}", bytes.len())
            }
        });
    }
    shown.join(" ")
}

#[test]
fn torn_sectors_are_among_the_states() {
    let mut pair = Pair::new(Kind::Posix);
    pair.take(&Step::Write("d/b", -3, 3));
    let torn = CrashProfile {
        torn_per_mille: 1,
        ..Kind::Posix.profile()
    };
    let states = pair.disk.crash_states(&torn, 4).unwrap();
    let found: BTreeSet<_> = states.iter().map(|disk| bytes(disk, "d/b")).collect();
    let all = [[202, 202, 202], [1, 202, 202], [1, 1, 202], [1, 1, 1]];
    assert_eq!(found, all.map(Vec::from).into());
}

/// A profile that never shows what a sector held in between has no such state.
#[test]
fn the_states_are_those_of_the_profile() {
    let mut pair = Pair::new(Kind::Posix);
    pair.take(&Step::Write("d/b", -3, 3));
    pair.take(&Step::Write("d/b", -3, 3));
    let plain = CrashProfile {
        torn_per_mille: 0,
        ..CrashProfile::default()
    };
    let count = |profile| pair.disk.crash_states(profile, 3).unwrap().len();
    assert_eq!([count(&plain), count(&Kind::Posix.profile())], [2, 3]);
}

#[test]
fn more_states_than_somebody_wants_are_an_error() {
    let mut pair = Pair::new(Kind::Posix);
    let posix = Kind::Posix.profile();
    assert_eq!(pair.disk.crash_states(&posix, 1).map(|it| it.len()), Ok(1));
    pair.take(&Step::Create("c"));
    let too_many = Err(TooManyStates { max: 1 });
    assert_eq!(
        pair.disk.crash_states(&posix, 1).map(|it| it.len()),
        too_many
    );
    assert_eq!(pair.disk.crash_states(&posix, 2).map(|it| it.len()), Ok(2));
    let file = pair.disk.open("c", CREATE).unwrap();
    pair.disk.append(file, &[1; 100_000]).unwrap();
    for name in 0..64 {
        pair.disk.mkdir(&format!("m{name}")).unwrap();
    }
    for (_, profile) in PROFILES {
        assert!(
            pair.disk.crash_states(&profile, 1000).is_err(),
            "{profile:?}"
        );
    }
}

/// Each state is a disk for itself, as it comes back; the disk they are states of has lost nothing.
#[test]
fn a_state_is_a_disk_of_its_own() {
    let mut pair = Pair::new(Kind::Posix);
    pair.take(&Step::Write("a", 0, 2));
    let dirty = pair.disk.dirty();
    let mut states = pair.disk.crash_states(&Kind::Posix.profile(), 10).unwrap();
    assert!(dirty.sectors > 0);
    assert_eq!(pair.disk.dirty(), dirty);
    for disk in &mut states {
        assert_eq!(disk.dirty(), Default::default());
        let before = shown(disk);
        disk.power_loss(Key::root(0), &CrashProfile::default());
        assert_eq!(shown(disk), before);
        disk.unlink("a").unwrap();
    }
    assert_eq!(shown(&pair.disk), pair.shown());
}

fn bytes(disk: &Disk, path: &str) -> Vec<u8> {
    match shown(disk).remove(path) {
        Some(Some((bytes, _))) => bytes,
        found => panic!("{path} is no file: {found:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn the_states_after_a_program_are_those_that_are_allowed(
        steps in prop::collection::vec(step(), 1..6), kind in prop::sample::select(&KINDS[..]),
    ) {
        agrees(kind, &steps);
    }

    #[test]
    fn the_states_of_a_file_are_those_that_are_allowed(
        steps in prop::collection::vec(file_step(), 1..5), kind in prop::sample::select(&KINDS[..]),
    ) {
        agrees(kind, &steps);
    }

    /// Soundness and completeness of what is drawn, where there are few enough states to see them all.
    #[test]
    fn each_allowed_state_shows_for_some_key_and_no_other_for_any(
        steps in prop::collection::vec(step(), 1..4), kind in prop::sample::select(&KINDS[..]),
    ) {
        let mut pair = Pair::new(kind);
        for step in &steps {
            pair.take(step);
        }
        let mut unseen = pair.machine.allowed(&pair.seen);
        let allowed = unseen.clone();
        for seed in 0..20_000 {
            if (unseen.is_empty() || allowed.len() > 12) && seed > 100 {
                break;
            }
            let mut disk = pair.disk.clone();
            disk.power_loss(Key::root(seed), &kind.profile());
            let left = shown(&disk);
            prop_assert!(allowed.contains(&left), "not allowed: {}", brief(&left));
            unseen.remove(&left);
        }
        let unseen: Vec<_> = unseen.iter().map(brief).collect();
        prop_assert!(unseen.is_empty() || allowed.len() > 12, "never shown: {unseen:#?}");
    }
}
