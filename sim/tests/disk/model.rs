//! The disk against a naive model of what POSIX promises about durability.
//!
//! The model shares nothing with the disk. It keeps a flat map from paths to nodes, every version that
//! a file ever had since its last sync, and every operation on names since the last power loss. What
//! a power loss may leave is not computed but *judged*: a state is allowed if some set of operations
//! and, for each file, some size and some version of each sector explain it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use squall_sim::engine::disk::{CrashProfile, Disk, Errno, FileHandle, FileKind, OpenFlags};
use squall_sim::keyed::Key;

const SECTOR: usize = 512;

// ---------------------------------------------------------------- the model

type NodeId = usize;
type Names = BTreeMap<(NodeId, String), NodeId>;
/// Paths to contents; `None` for a directory.
type State = BTreeMap<String, Option<Vec<u8>>>;

const ROOT: NodeId = 0;

#[derive(Clone, Debug)]
enum Node {
    Directory,
    /// The first version is durable, the last is what programs see.
    File(Vec<Vec<u8>>),
}

#[derive(Clone, Debug)]
struct NameOperation {
    changes: Vec<(NodeId, String, Option<NodeId>)>,
    removes: Option<NodeId>,
    is_synced: bool,
}

#[derive(Default)]
struct Model {
    nodes: Vec<Node>,
    /// After the last power loss.
    base: Names,
    /// Since then.
    operations: Vec<NameOperation>,
    /// What programs see, by path. The root is the empty path.
    paths: BTreeMap<String, NodeId>,
    handles: BTreeMap<usize, (NodeId, OpenFlags)>,
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

impl Model {
    fn new() -> Self {
        Self {
            nodes: vec![Node::Directory],
            paths: BTreeMap::from([(String::new(), ROOT)]),
            ..Self::default()
        }
    }

    fn is_directory(&self, node: NodeId) -> bool {
        matches!(self.nodes[node], Node::Directory)
    }

    /// The directory that holds the last name, and what has that name.
    fn look_up(&self, path: &str) -> Result<(NodeId, Option<NodeId>), Errno> {
        let (above, _) = split(path);
        let mut parent = ROOT;
        let ends = above.match_indices('/').map(|(at, _)| at);
        for end in ends.chain(std::iter::once(above.len())) {
            parent = *self.paths.get(&above[..end]).ok_or(Errno::NoEntry)?;
            if !self.is_directory(parent) {
                return Err(Errno::NotDirectory);
            }
        }
        Ok((parent, self.paths.get(path).copied()))
    }

    fn has_children(&self, path: &str) -> bool {
        let below = format!("{path}/");
        self.paths.keys().any(|it| it.starts_with(&below))
    }

    fn create(&mut self, parent: NodeId, path: &str, node: Node) -> NodeId {
        let id = self.nodes.len();
        self.nodes.push(node);
        self.paths.insert(path.to_owned(), id);
        self.operations.push(NameOperation {
            changes: vec![(parent, split(path).1.to_owned(), Some(id))],
            removes: None,
            is_synced: false,
        });
        id
    }

    fn remove(&mut self, parent: NodeId, path: &str, node: NodeId) {
        self.paths.remove(path);
        self.operations.push(NameOperation {
            changes: vec![(parent, split(path).1.to_owned(), None)],
            removes: Some(node),
            is_synced: false,
        });
    }

    fn open(&mut self, slot: usize, path: &str, flags: OpenFlags) -> Result<(), Errno> {
        let (parent, found) = self.look_up(path)?;
        let creates = flags.create || flags.create_new;
        let node = match found {
            Some(_) if flags.create_new => return Err(Errno::Exists),
            Some(node) if self.is_directory(node) && (flags.write || flags.append || creates) => {
                return Err(Errno::IsDirectory);
            }
            Some(node) => node,
            None if creates => self.create(parent, path, Node::File(vec![Vec::new()])),
            None => return Err(Errno::NoEntry),
        };
        if flags.truncate {
            self.change(node, Vec::clear);
        }
        self.handles.insert(slot, (node, flags));
        Ok(())
    }

    fn change(&mut self, node: NodeId, change: impl FnOnce(&mut Vec<u8>)) {
        let Node::File(versions) = &mut self.nodes[node] else {
            panic!("a directory has no bytes");
        };
        let mut next = versions.last().expect("there is always one").clone();
        change(&mut next);
        versions.push(next);
    }

    fn writable(&self, slot: usize, denied: Errno) -> Result<(NodeId, OpenFlags), Errno> {
        let handle = *self.handles.get(&slot).ok_or(Errno::BadDescriptor)?;
        if !handle.1.write && !handle.1.append {
            return Err(denied);
        }
        Ok(handle)
    }

    fn write(&mut self, slot: usize, offset: Option<usize>, data: &[u8]) -> Result<usize, Errno> {
        let (node, flags) = self.writable(slot, Errno::BadDescriptor)?;
        self.change(node, |bytes| {
            let at = offset.filter(|_| !flags.append).unwrap_or(bytes.len());
            let end = at + data.len();
            if end > bytes.len() {
                bytes.resize(end, 0);
            }
            bytes[at..end].copy_from_slice(data);
        });
        Ok(data.len())
    }

    fn set_len(&mut self, slot: usize, len: usize) -> Result<(), Errno> {
        let (node, _) = self.writable(slot, Errno::Invalid)?;
        self.change(node, |bytes| bytes.resize(len, 0));
        Ok(())
    }

    fn sync(&mut self, slot: usize) -> Result<(), Errno> {
        let (node, _) = *self.handles.get(&slot).ok_or(Errno::BadDescriptor)?;
        self.sync_node(node);
        Ok(())
    }

    fn sync_node(&mut self, node: NodeId) {
        match &mut self.nodes[node] {
            Node::File(versions) => *versions = versions.split_off(versions.len() - 1),
            Node::Directory => {
                for operation in &mut self.operations {
                    if operation.changes.iter().any(|change| change.0 == node) {
                        operation.is_synced = true;
                    }
                }
            }
        }
    }

    fn unlink(&mut self, path: &str) -> Result<(), Errno> {
        let (parent, node) = self.look_up(path)?;
        let node = node.ok_or(Errno::NoEntry)?;
        if self.is_directory(node) {
            return Err(Errno::IsDirectory);
        }
        self.remove(parent, path, node);
        Ok(())
    }

    fn mkdir(&mut self, path: &str) -> Result<(), Errno> {
        let (parent, node) = self.look_up(path)?;
        if node.is_some() {
            return Err(Errno::Exists);
        }
        self.create(parent, path, Node::Directory);
        Ok(())
    }

    fn rmdir(&mut self, path: &str) -> Result<(), Errno> {
        let (parent, node) = self.look_up(path)?;
        let node = node.ok_or(Errno::NoEntry)?;
        if !self.is_directory(node) {
            return Err(Errno::NotDirectory);
        }
        if self.has_children(path) {
            return Err(Errno::NotEmpty);
        }
        self.remove(parent, path, node);
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), Errno> {
        let (from_parent, moved) = self.look_up(from)?;
        let (to_parent, replaced) = self.look_up(to)?;
        let moved = moved.ok_or(Errno::NoEntry)?;
        if from == to {
            return Ok(());
        }
        if to.starts_with(&format!("{from}/")) {
            return Err(Errno::Invalid);
        }
        if let Some(replaced) = replaced {
            match (self.is_directory(moved), self.is_directory(replaced)) {
                _ if from.starts_with(&format!("{to}/")) => return Err(Errno::NotEmpty),
                (true, false) => return Err(Errno::NotDirectory),
                (false, true) => return Err(Errno::IsDirectory),
                (true, true) if self.has_children(to) => return Err(Errno::NotEmpty),
                _ => {}
            }
        }
        let (below, mut paths) = (format!("{from}/"), BTreeMap::new());
        for (path, &node) in &self.paths {
            match path.strip_prefix(&below) {
                Some(rest) => paths.insert(format!("{to}/{rest}"), node),
                None if path == from || path == to => None,
                None => paths.insert(path.clone(), node),
            };
        }
        paths.insert(to.to_owned(), moved);
        self.paths = paths;
        self.operations.push(NameOperation {
            changes: vec![
                (from_parent, split(from).1.to_owned(), None),
                (to_parent, split(to).1.to_owned(), Some(moved)),
            ],
            removes: replaced,
            is_synced: false,
        });
        Ok(())
    }

    fn seen(&self) -> State {
        let paths = self.paths.iter().filter(|(path, _)| !path.is_empty());
        let contents = |node: NodeId| match &self.nodes[node] {
            Node::Directory => None,
            Node::File(versions) => versions.last().cloned(),
        };
        paths
            .map(|(path, &node)| (path.clone(), contents(node)))
            .collect()
    }

    /// Whether a power loss may leave this. If so the model goes on from there.
    fn lose_power(&mut self, left: &State, may_tear: bool) -> bool {
        let mut chosen = Vec::new();
        let Some(names) = self.explain(left, may_tear, &mut chosen) else {
            return false;
        };
        self.paths = flatten(&names).expect("an explanation is a tree");
        self.base = names;
        self.operations.clear();
        self.handles.clear();
        for (path, &node) in &self.paths {
            if let Node::File(versions) = &mut self.nodes[node] {
                *versions = vec![left[path].clone().expect("the kinds were compared")];
            }
        }
        true
    }

    /// The names that some allowed set of operations leaves, and that `left` shows.
    fn explain(&self, left: &State, may_tear: bool, chosen: &mut Vec<bool>) -> Option<Names> {
        if let Some(operation) = self.operations.get(chosen.len()) {
            // What happens to one name happens in order.
            let is_possible = chosen
                .iter()
                .zip(&self.operations)
                .all(|(&is_in, earlier)| {
                    let mut names = operation.changes.iter().map(|(dir, name, _)| (dir, name));
                    is_in
                        || !names
                            .any(|name| earlier.changes.iter().any(|it| (&it.0, &it.1) == name))
                });
            for is_in in [true, false] {
                if (is_in && !is_possible) || (!is_in && operation.is_synced) {
                    continue;
                }
                chosen.push(is_in);
                let names = self.explain(left, may_tear, chosen);
                chosen.pop();
                if names.is_some() {
                    return names;
                }
            }
            return None;
        }
        let is_in = |index: usize| chosen[index];
        let names = self.names_after(is_in);
        let paths = flatten(&names)?;
        let kept: BTreeSet<NodeId> = paths.values().copied().collect();
        let synced = self.names_after(|index| self.operations[index].is_synced);
        let removed: BTreeSet<NodeId> = (0..self.operations.len())
            .filter(|&index| is_in(index))
            .filter_map(|index| self.operations[index].removes)
            .collect();
        // What had a durable name, and was not removed, has a name.
        let durable = [Some(self.base.clone()), Some(synced)];
        for tree in durable
            .into_iter()
            .flatten()
            .filter_map(|names| flatten(&names))
        {
            let lost = |node: &&NodeId| !kept.contains(node) && !removed.contains(node);
            if tree.values().any(|node| lost(&node)) {
                return None;
            }
        }
        let shown = paths.iter().filter(|(path, _)| !path.is_empty());
        let agrees = shown.clone().count() == left.len()
            && shown
                .clone()
                .all(|(path, &node)| match (&self.nodes[node], left.get(path)) {
                    (Node::Directory, Some(None)) => true,
                    (Node::File(versions), Some(Some(bytes))) => allows(versions, bytes, may_tear),
                    _ => false,
                });
        agrees.then_some(names)
    }

    fn names_after(&self, is_in: impl Fn(usize) -> bool) -> Names {
        let mut names = self.base.clone();
        for (_, operation) in self
            .operations
            .iter()
            .enumerate()
            .filter(|&(index, _)| is_in(index))
        {
            for (directory, name, node) in &operation.changes {
                let key = (*directory, name.clone());
                match node {
                    Some(node) => names.insert(key, *node),
                    None => names.remove(&key),
                };
            }
        }
        names
    }
}

/// All paths that lead from the root to something, or nothing if two lead to one thing.
fn flatten(names: &Names) -> Option<BTreeMap<String, NodeId>> {
    let mut paths = BTreeMap::from([(String::new(), ROOT)]);
    let mut seen = BTreeSet::from([ROOT]);
    let mut waiting = vec![(String::new(), ROOT)];
    while let Some((above, directory)) = waiting.pop() {
        for ((_, name), &node) in
            names.range((directory, String::new())..(directory + 1, String::new()))
        {
            let path = if above.is_empty() {
                name.clone()
            } else {
                format!("{above}/{name}")
            };
            if !seen.insert(node) {
                return None;
            }
            paths.insert(path.clone(), node);
            waiting.push((path, node));
        }
    }
    Some(paths)
}

/// Whether a file with these versions may hold `left` after a power loss.
///
/// Some change of its size was the last to survive, in the middle if it grew. A sector may hold any
/// version, but shrinks cut what was written before them if they survived, and if they did not,
/// what was written after them to the sectors that they cut is not there.
fn allows(versions: &[Vec<u8>], left: &[u8], may_tear: bool) -> bool {
    (0..versions.len()).any(|last| {
        let fits = match last {
            0 => left.len() == versions[0].len(),
            _ => {
                let (before, after) = (versions[last - 1].len(), versions[last].len());
                (before.min(after)..=after).contains(&left.len())
                    && (after > before || left.len() == after)
            }
        };
        fits && (0..left.len().div_ceil(SECTOR)).all(|sector| {
            let start = sector * SECTOR;
            let bytes = &left[start..left.len().min(start + SECTOR)];
            let possible = possible_sectors(versions, last, start, bytes.len());
            let is_torn = |new: &Vec<u8>| {
                let mut cuts = (0..bytes.len()).filter(|&stop| new[..stop] == bytes[..stop]);
                cuts.any(|stop| possible.iter().any(|old| old[stop..] == bytes[stop..]))
            };
            possible.iter().any(|it| it == bytes) || (may_tear && possible.iter().any(is_torn))
        })
    })
}

fn possible_sectors(versions: &[Vec<u8>], last: usize, start: usize, count: usize) -> Vec<Vec<u8>> {
    let shrinks = |range: std::ops::Range<usize>| {
        range
            .filter(|&k| k > 0 && versions[k].len() < versions[k - 1].len())
            .map(|k| versions[k].len())
    };
    let is_there = |&i: &usize| shrinks(last + 1..i + 1).all(|size| size >= start + SECTOR);
    let sector = |i: usize| {
        let cut = shrinks(i + 1..last + 1)
            .min()
            .unwrap_or(usize::MAX)
            .min(versions[i].len());
        let byte = |at: usize| if at < cut { versions[i][at] } else { 0 };
        (start..start + count).map(byte).collect()
    };
    (0..versions.len()).filter(is_there).map(sector).collect()
}

// ---------------------------------------------------------------- programs

#[derive(Clone, Debug)]
enum Step {
    Open {
        slot: usize,
        path: &'static str,
        flags: OpenFlags,
    },
    Close {
        slot: usize,
    },
    Write {
        slot: usize,
        offset: usize,
        count: usize,
    },
    Append {
        slot: usize,
        count: usize,
    },
    SetLen {
        slot: usize,
        len: usize,
    },
    Sync {
        slot: usize,
    },
    SyncData {
        slot: usize,
    },
    SyncPath {
        path: &'static str,
    },
    Unlink {
        path: &'static str,
    },
    Rename {
        from: &'static str,
        to: &'static str,
    },
    Mkdir {
        path: &'static str,
    },
    Rmdir {
        path: &'static str,
    },
    Kill,
}

const PATHS: [&str; 12] = [
    "a", "b", "d", "e", "d/a", "d/b", "e/a", "e/d", "d/e", "d/e/a", "e/d/a", "a/b",
];

fn flags() -> impl Strategy<Value = OpenFlags> {
    let none = OpenFlags::default();
    let write = OpenFlags {
        write: true,
        create: true,
        ..none
    };
    prop_oneof![
        2 => Just(OpenFlags::READ),
        4 => Just(OpenFlags { read: true, ..write }),
        2 => Just(OpenFlags { append: true, create: true, ..none }),
        1 => Just(OpenFlags { create_new: true, write: true, ..none }),
        1 => Just(OpenFlags { truncate: true, ..write }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let path = || prop::sample::select(&PATHS[..]);
    let slot = || 0..3usize;
    let offset = || prop_oneof![Just(0usize), Just(512), 0..1800usize];
    let count = || prop_oneof![1..40usize, Just(512), 1..1300usize];
    prop_oneof![
        5 => (slot(), path(), flags()).prop_map(|(slot, path, flags)| Step::Open { slot, path, flags }),
        1 => slot().prop_map(|slot| Step::Close { slot }),
        4 => (slot(), offset(), count()).prop_map(|(slot, offset, count)| Step::Write { slot, offset, count }),
        4 => (slot(), count()).prop_map(|(slot, count)| Step::Append { slot, count }),
        3 => (slot(), offset()).prop_map(|(slot, len)| Step::SetLen { slot, len }),
        2 => slot().prop_map(|slot| Step::Sync { slot }),
        1 => slot().prop_map(|slot| Step::SyncData { slot }),
        2 => prop_oneof![Just(""), path()].prop_map(|path| Step::SyncPath { path }),
        2 => path().prop_map(|path| Step::Unlink { path }),
        4 => (path(), path()).prop_map(|(from, to)| Step::Rename { from, to }),
        4 => path().prop_map(|path| Step::Mkdir { path }),
        1 => path().prop_map(|path| Step::Rmdir { path }),
        1 => Just(Step::Kill),
    ]
}

fn file_step() -> impl Strategy<Value = Step> {
    let place =
        || prop::sample::select(&[0usize, 100, 400, 512, 600, 1024, 1100, 1500, 4090, 4600][..]);
    let count = || prop::sample::select(&[1usize, 100, 400, 512, 700, 1300][..]);
    prop_oneof![
        4 => (place(), count()).prop_map(|(offset, count)| Step::Write { slot: 0, offset, count }),
        2 => count().prop_map(|count| Step::Append { slot: 0, count }),
        4 => place().prop_map(|len| Step::SetLen { slot: 0, len }),
        2 => Just(Step::Sync { slot: 0 }),
    ]
}

fn name_step() -> impl Strategy<Value = Step> {
    let paths = &[
        "a", "b", "d", "e", "f", "n", "d/a", "d/e", "e/a", "e/d", "e/n", "n/a", "n/d", "n/e",
        "n/n", "d/e/a", "d/e/n", "e/d/e",
    ];
    let path = || prop::sample::select(&paths[..]);
    let flags = OpenFlags {
        write: true,
        create: true,
        ..OpenFlags::default()
    };
    prop_oneof![
        12 => (path(), path()).prop_map(|(from, to)| Step::Rename { from, to }),
        3 => path().prop_map(|path| Step::Mkdir { path }),
        3 => path().prop_map(|path| Step::Rmdir { path }),
        2 => path().prop_map(|path| Step::Unlink { path }),
        2 => path().prop_map(move |path| Step::Open { slot: 0, path, flags }),
        2 => prop::sample::select(&["", "d", "e", "n", "d/e"][..]).prop_map(|path| Step::SyncPath { path }),
    ]
}

/// A disk and its model, taken through the same steps.
struct Pair {
    disk: Disk,
    model: Model,
    handles: BTreeMap<usize, FileHandle>,
    /// What is written is told apart by its byte.
    written: u8,
}

impl Pair {
    fn new() -> Self {
        Self {
            disk: Disk::default(),
            model: Model::new(),
            handles: BTreeMap::new(),
            written: 0,
        }
    }

    fn data(&mut self, count: usize) -> Vec<u8> {
        self.written = self.written % 250 + 1;
        vec![self.written; count]
    }

    fn handle(&self, slot: usize) -> Result<FileHandle, Errno> {
        self.handles.get(&slot).copied().ok_or(Errno::BadDescriptor)
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Open { slot, path, flags } => {
                self.close(slot);
                let opened = self.disk.open(path, flags);
                assert_eq!(
                    opened.map(|_| ()),
                    self.model.open(slot, path, flags),
                    "{step:?}"
                );
                self.handles.extend(opened.map(|handle| (slot, handle)));
            }
            Step::Close { slot } => self.close(slot),
            Step::Write {
                slot,
                offset,
                count,
            } => {
                let data = self.data(count);
                let result = self
                    .handle(slot)
                    .and_then(|it| self.disk.write_at(it, offset as u64, &data));
                assert_eq!(
                    result,
                    self.model.write(slot, Some(offset), &data),
                    "{step:?}"
                );
            }
            Step::Append { slot, count } => {
                let data = self.data(count);
                let result = self.handle(slot).and_then(|it| self.disk.append(it, &data));
                assert_eq!(result, self.model.write(slot, None, &data), "{step:?}");
            }
            Step::SetLen { slot, len } => {
                let result = self
                    .handle(slot)
                    .and_then(|it| self.disk.set_len(it, len as u64));
                assert_eq!(result, self.model.set_len(slot, len), "{step:?}");
            }
            Step::Sync { slot } => {
                let result = self.handle(slot).and_then(|it| self.disk.sync_all(it));
                assert_eq!(result, self.model.sync(slot), "{step:?}");
            }
            Step::SyncData { slot } => {
                let result = self.handle(slot).and_then(|it| self.disk.sync_data(it));
                assert_eq!(result, self.model.sync(slot), "{step:?}");
            }
            Step::SyncPath { path } => {
                let opened = self.disk.open(&format!("/{path}"), OpenFlags::READ);
                if let Ok(handle) = opened {
                    self.disk.sync_all(handle).unwrap();
                    self.disk.close(handle).unwrap();
                    self.model.sync_node(self.model.paths[path]);
                }
            }
            Step::Unlink { path } => {
                assert_eq!(self.disk.unlink(path), self.model.unlink(path), "{step:?}");
            }
            Step::Rename { from, to } => {
                assert_eq!(
                    self.disk.rename(from, to),
                    self.model.rename(from, to),
                    "{step:?}"
                );
            }
            Step::Mkdir { path } => {
                assert_eq!(self.disk.mkdir(path), self.model.mkdir(path), "{step:?}");
            }
            Step::Rmdir { path } => {
                assert_eq!(self.disk.rmdir(path), self.model.rmdir(path), "{step:?}");
            }
            Step::Kill => {
                self.disk.kill();
                self.lose_handles();
                self.model.handles.clear();
            }
        }
        assert_eq!(show(&mut self.disk), self.model.seen(), "after {step:?}");
    }

    fn close(&mut self, slot: usize) {
        self.model.handles.remove(&slot);
        if let Some(handle) = self.handles.remove(&slot) {
            self.disk.close(handle).unwrap();
        }
    }

    fn lose_handles(&mut self) {
        for handle in std::mem::take(&mut self.handles).into_values() {
            assert_eq!(self.disk.len(handle), Err(Errno::BadDescriptor));
        }
    }

    fn lose_power(&mut self, key: Key, profile: &CrashProfile) {
        let seen = self.model.seen();
        let report = self.disk.power_loss(key, profile);
        self.lose_handles();
        let left = show(&mut self.disk);
        assert_eq!(report.is_visible(), seen != left || report.entries_lost > 0);
        let may_tear = profile.torn_per_mille > 0;
        let operations = self.model.operations.clone();
        let nodes = self.model.nodes.clone();
        assert!(
            self.model.lose_power(&left, may_tear),
            "not allowed: {left:?}\nafter {operations:?}\nof {nodes:?}"
        );
        assert_eq!(self.disk.dirty(), Default::default());
        let blocks = |bytes: &Option<Vec<u8>>| {
            bytes
                .as_ref()
                .map_or(0, |it| it.len().div_ceil(4096) as u64)
        };
        assert!(self.disk.used_bytes() <= 4096 * left.values().map(blocks).sum::<u64>());
    }
}

/// All that programs can see.
fn show(disk: &mut Disk) -> State {
    let mut state = State::new();
    let mut waiting = vec![String::new()];
    while let Some(above) = waiting.pop() {
        for entry in disk.read_dir(&format!("/{above}")).unwrap() {
            let path = if above.is_empty() {
                entry.name
            } else {
                format!("{above}/{}", entry.name)
            };
            match entry.kind {
                FileKind::Directory => {
                    waiting.push(path.clone());
                    state.insert(path, None);
                }
                FileKind::File => {
                    let bytes = read(disk, &path);
                    state.insert(path, Some(bytes));
                }
            }
        }
    }
    state
}

fn read(disk: &mut Disk, path: &str) -> Vec<u8> {
    let handle = disk.open(path, OpenFlags::READ).unwrap();
    let mut bytes = vec![0xee; disk.len(handle).unwrap() as usize + 1];
    let count = disk.read_at(handle, 0, &mut bytes).unwrap();
    bytes.truncate(count);
    assert_eq!(disk.metadata(path).unwrap().len, count as u64);
    disk.close(handle).unwrap();
    bytes
}

fn profile() -> impl Strategy<Value = CrashProfile> {
    // What garbage is allowed to be, no model can say.
    let rough = CrashProfile {
        torn_per_mille: 300,
        garbage_per_mille: 0,
        ..CrashProfile::posix()
    };
    let whole = CrashProfile {
        torn_per_mille: 0,
        ..rough
    };
    let (ext4, xfs) = (CrashProfile::ext4_ordered(), CrashProfile::xfs());
    prop::sample::select(vec![whole, rough, ext4, xfs, CrashProfile::default()])
}

/// More size changes than the disk remembers one by one.
#[test]
fn a_file_that_is_cut_and_grown_for_ever_stays_allowed() {
    for seed in 0..200 {
        let mut pair = Pair::new();
        let flags = OpenFlags {
            read: true,
            write: true,
            create: true,
            ..OpenFlags::default()
        };
        pair.take(&Step::Open {
            slot: 0,
            path: "a",
            flags,
        });
        pair.take(&Step::SyncPath { path: "" });
        pair.take(&Step::Append {
            slot: 0,
            count: 1500,
        });
        pair.take(&Step::Sync { slot: 0 });
        for round in 0..60 {
            pair.take(&Step::SetLen {
                slot: 0,
                len: round * 7 % 900,
            });
            pair.take(&Step::Append {
                slot: 0,
                count: round * 13 % 700 + 1,
            });
        }
        pair.lose_power(Key::root(seed), &CrashProfile::default());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    #[test]
    fn what_a_power_loss_leaves_is_allowed(
        lives in prop::collection::vec(prop::collection::vec(step(), 0..24), 1..5),
        seed in any::<u64>(),
        profile in profile(),
    ) {
        let mut pair = Pair::new();
        for (life, steps) in lives.iter().enumerate() {
            for step in steps {
                pair.take(step);
            }
            pair.lose_power(Key::root(seed).with(life as u64), &profile);
        }
    }

    /// One file whose name is durable: overwritten, cut, grown and synced in all orders.
    #[test]
    fn the_bytes_left_of_a_file_are_allowed(
        lives in prop::collection::vec(prop::collection::vec(file_step(), 1..8), 1..4),
        seed in any::<u64>(),
        profile in profile(),
    ) {
        let mut pair = Pair::new();
        let flags = OpenFlags { read: true, write: true, create: true, ..OpenFlags::default() };
        for (life, steps) in lives.iter().enumerate() {
            pair.take(&Step::Open { slot: 0, path: "a", flags });
            pair.take(&Step::SyncPath { path: "" });
            for step in steps {
                pair.take(step);
            }
            pair.lose_power(Key::root(seed).with(life as u64), &profile);
        }
    }

    /// In ext4's ordered mode no file grows over bytes that nobody wrote. What is cut was synced
    /// before: the size of a cut is in the journal at once, whatever has been written below it.
    #[test]
    fn ext4_never_shows_bytes_that_nobody_wrote(
        steps in prop::collection::vec((0..4u8, 1..1500usize), 1..8), seed in any::<u64>(),
    ) {
        let mut pair = Pair::new();
        let flags = OpenFlags { read: true, write: true, create: true, ..OpenFlags::default() };
        pair.take(&Step::Open { slot: 0, path: "a", flags });
        for &(kind, count) in &steps {
            let len = pair.model.seen()["a"].as_ref().map_or(0, Vec::len);
            if kind == 1 {
                pair.take(&Step::Sync { slot: 0 });
            }
            pair.take(&match kind {
                0 => Step::Sync { slot: 0 },
                1 => Step::SetLen { slot: 0, len: len.saturating_sub(count) },
                _ => Step::Append { slot: 0, count },
            });
        }
        pair.take(&Step::SyncPath { path: "" });
        let ext4 = CrashProfile::ext4_ordered();
        pair.lose_power(Key::root(seed), &ext4);
        prop_assert!(!read(&mut pair.disk, "a").contains(&0));
    }

    /// Names alone, from a durable tree: what is intricate about them are moves of directories.
    #[test]
    fn the_names_left_are_allowed(
        steps in prop::collection::vec(name_step(), 1..12), seed in any::<u64>(),
    ) {
        let kept = CrashProfile { everything_per_mille: 1000, nothing_per_mille: 0, garbage_per_mille: 0, ..CrashProfile::posix() };
        let mixed = CrashProfile { everything_per_mille: 0, nothing_per_mille: 0, ..kept };
        let mut pair = Pair::new();
        for path in ["d", "e", "d/e", "f"] {
            pair.take(&Step::Mkdir { path });
        }
        let flags = OpenFlags { write: true, create: true, ..OpenFlags::default() };
        for path in ["a", "d/a", "d/e/a", "e/a"] {
            pair.take(&Step::Open { slot: 0, path, flags });
        }
        pair.lose_power(Key::root(seed), &kept);
        for step in &steps {
            pair.take(step);
        }
        pair.lose_power(Key::root(seed).with(1), &mixed);
    }

    /// The same program with the same keys leaves the same.
    #[test]
    fn a_power_loss_is_a_function_of_its_key(
        steps in prop::collection::vec(step(), 0..30), seed in any::<u64>(), profile in profile(),
    ) {
        let run = || {
            let mut pair = Pair::new();
            for step in &steps {
                pair.take(step);
            }
            let report = pair.disk.power_loss(Key::root(seed), &profile);
            (report, show(&mut pair.disk))
        };
        prop_assert_eq!(run(), run());
    }
}
