//! Faults of a machine's disk, as an episode of a plan brings them about.
//!
//! Each is decided by the key of the operation that it strikes, and counted for its [`FaultTag`] when
//! a program feels it. They belong to the machine: a disk that is put into another leaves them behind.
//! What the medium has suffered stays with it, and is counted when a program reads it.

use std::ops::Range;
use std::task::Context;

use serde::{Deserialize, Serialize};

use super::disk::{Errno, Lie, Synced, Untruth};
use super::files::OpenedFile;
use super::network::FaultTag;
use super::waker::Waiter;
use super::world::{self, World};
use super::{DAY_NS, NodeId};
use crate::keyed::Key;

/// What a fault does to a disk. Probabilities are of a thousand, and for each operation anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum DiskEffect {
    /// An fsync fails with `EIO`, or a write through `O_DSYNC`: see
    /// [`Disk::fail_sync`](super::disk::Disk::fail_sync).
    SyncError { per_mille: u32 },
    /// A read that needs the medium fails with `EIO`; the next may succeed. Bytes that wait in the page
    /// cache to be written need no medium; any others the kernel may have evicted.
    ReadError { per_mille: u32 },
    /// A write fails with `EIO`. Nothing of it is in the file, but some sectors may be if it went past
    /// the page cache.
    WriteError { per_mille: u32 },
    /// So many bytes are free when the fault begins, and no more become free than programs free. A
    /// write stops half-way with a short count; the next gets `ENOSPC`.
    NoSpace { free_bytes: u64 },
    /// A read answers fewer bytes than there are, but one at the least.
    ShortReads { per_mille: u32 },
    /// A write takes fewer bytes than it was given, but one at the least.
    ShortWrites { per_mille: u32 },
    /// All operations wait until the fault ends, or for this time from its beginning.
    Stall { for_ns: Option<u64> },
    /// What an operation takes is multiplied. What reaches the medium (reads, syncs, and whatever goes
    /// past the page cache) waits besides in one queue, which takes so many operations and so many
    /// bytes a second; 0 for no limit. When it ends, what it has held up begins anew.
    Slow {
        factor: u32,
        operations_per_second: u32,
        bytes_per_second: u64,
    },
    /// The drive loses a request, of up to 128 KiB, that a sync has made, and says that it has written
    /// it. Programs read the old bytes once the page cache is gone.
    PhantomWrites { per_mille: u32 },
    /// The drive writes a request somewhere else, into the same file or another. Programs read the old
    /// bytes here, and these bytes there, once the page cache is gone.
    MisdirectedWrites { per_mille: u32 },
}

impl DiskEffect {
    /// Whether its probabilities are ratios, and its time and its factor are no longer and no greater than
    /// a day and a thousand.
    pub const fn is_sound(&self) -> bool {
        match *self {
            Self::SyncError { per_mille }
            | Self::ReadError { per_mille }
            | Self::WriteError { per_mille }
            | Self::ShortReads { per_mille }
            | Self::ShortWrites { per_mille }
            | Self::PhantomWrites { per_mille }
            | Self::MisdirectedWrites { per_mille } => per_mille <= 1000,
            Self::Stall {
                for_ns: Some(for_ns),
            } => for_ns <= DAY_NS,
            Self::Slow { factor, .. } => factor <= 1000,
            Self::Stall { for_ns: None } | Self::NoSpace { .. } => true,
        }
    }
}

/// What faults do to a machine's disk at present.
#[derive(Default)]
pub(super) struct DiskHarm {
    /// Whether there is any: asked by every operation.
    pub(super) is_felt: bool,
    pub(super) effects: Vec<ActiveEffect>,
    /// When a slow medium is done with what it was asked for.
    pub(super) busy_until_ns: u64,
    /// How often an effect has ended that had made it slow.
    pub(super) times_hastened: u32,
    /// Who waits for an effect to end.
    waiting: Vec<Waiter>,
}

#[derive(Clone, Copy)]
pub(super) struct ActiveEffect {
    pub(super) tag: FaultTag,
    pub(super) effect: DiskEffect,
    /// When a stall ends by itself.
    pub(super) until_ns: u64,
    /// What the disk may hold while it has no more room.
    room_bytes: u64,
}

impl DiskHarm {
    /// What the disk may hold under the present effects.
    fn room_bytes(&self) -> u64 {
        let rooms = self.effects.iter().map(|active| active.room_bytes);
        rooms.min().unwrap_or(u64::MAX)
    }

    /// Wakes a task when any effect ends.
    pub(super) fn wake_at_end(&mut self, context: &Context<'_>) {
        if !self.waiting.iter().any(|waiter| waiter.is_of(context)) {
            self.waiting.push(Waiter::of(context));
        }
    }

    /// Ends what a fault does; who waited for it is to be woken.
    fn end(&mut self, tag: FaultTag) -> Vec<Waiter> {
        let is_ended = |active: &ActiveEffect| active.tag == tag;
        let slows = |active: &ActiveEffect| matches!(active.effect, DiskEffect::Slow { .. });
        if self
            .effects
            .iter()
            .any(|active| is_ended(active) && slows(active))
        {
            self.times_hastened += 1;
            self.busy_until_ns = 0;
        }
        match self
            .effects
            .extract_if(.., |active| is_ended(active))
            .count()
        {
            0 => Vec::new(),
            _ => std::mem::take(&mut self.waiting),
        }
    }

    /// The first effect that strikes.
    fn find(&self, strikes: impl Fn(&DiskEffect) -> bool) -> Option<FaultTag> {
        let found = self.effects.iter().find(|active| strikes(&active.effect));
        found.map(|active| active.tag)
    }

    /// What becomes of a request of these sectors, if it is not carried out.
    fn untruth(&self, key: Key, sectors: Range<u64>) -> Option<Untruth> {
        let strikes = |effect: DiskEffect| match effect {
            DiskEffect::PhantomWrites { per_mille } => {
                let key = key.label("phantom").with(sectors.start);
                key.chance(per_mille, 1000).then_some(Lie::Phantom)
            }
            DiskEffect::MisdirectedWrites { per_mille } => {
                let key = key.label("misdirected").with(sectors.start);
                key.chance(per_mille, 1000).then_some(Lie::Misdirected)
            }
            _ => None,
        };
        let mut struck = self.effects.iter().filter_map(|active| {
            let lie = strikes(active.effect)?;
            Some((lie, active.tag.0))
        });
        let (lie, cause) = struck.next()?;
        Some(Untruth {
            lie,
            cause,
            sectors,
        })
    }
}

/// Puts an effect on a machine's disk; it outlives the process.
pub fn add_disk_effect(node: NodeId, tag: FaultTag, effect: DiskEffect) {
    world::with(|world| {
        let until_ns = match effect {
            DiskEffect::Stall { for_ns } => {
                for_ns.map_or(u64::MAX, |for_ns| world.now_ns.saturating_add(for_ns))
            }
            _ => 0,
        };
        let slot = &mut world.nodes[node.0 as usize];
        let room_bytes = match effect {
            DiskEffect::NoSpace { free_bytes } => slot.disk.used_bytes().saturating_add(free_bytes),
            _ => u64::MAX,
        };
        slot.disk_harm.effects.push(ActiveEffect {
            tag,
            effect,
            until_ns,
            room_bytes,
        });
        world.note_harm(node.0);
    });
}

/// Ends all that a fault does to disks.
pub fn remove_disk_effects(tag: FaultTag) {
    world::with(|world| {
        for node in 0..world.nodes.len() {
            let waiting = world.nodes[node].disk_harm.end(tag);
            waiting.into_iter().for_each(|waiter| world.wake(waiter));
            world.note_harm(node as u32);
        }
    });
}

impl World {
    /// Brings what follows from the effects on a machine, and from its disk's scars, up to date.
    pub(super) fn note_harm(&mut self, node: u32) {
        let slot = &mut self.nodes[node as usize];
        slot.disk_harm.is_felt = !slot.disk_harm.effects.is_empty() || slot.disk.is_scarred();
        slot.disk.limit_room(slot.disk_harm.room_bytes());
    }

    /// Reads from an open file. `key` is of this operation.
    pub(crate) fn read_file(
        &mut self,
        file: OpenedFile,
        key: Key,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, Errno> {
        let node = &mut self.nodes[file.node as usize];
        match node.disk_harm.is_felt {
            false => node.disk.read_at(file.handle, offset, buffer),
            true => self.read_harmed(file, key, offset, buffer),
        }
    }

    #[cold]
    fn read_harmed(
        &mut self,
        file: OpenedFile,
        key: Key,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, Errno> {
        let node = &self.nodes[file.node as usize];
        let fails = |effect: &DiskEffect| match effect {
            DiskEffect::ReadError { per_mille } => key.label("read-error").chance(*per_mille, 1000),
            _ => false,
        };
        let length = buffer.len() as u64;
        if let Some(tag) = node.disk_harm.find(fails)
            && node.disk.reads_medium(file.handle, offset, length)?
        {
            self.network.links.count(tag);
            return Err(Errno::Io);
        }
        let read = node.disk.read_at(file.handle, offset, buffer);
        let cause = node
            .disk
            .scars_felt(file.handle, offset, buffer.len(), read);
        if let Some(cause) = cause {
            self.network.links.count(FaultTag(cause));
        }
        let is_short = |effect: &DiskEffect| match effect {
            DiskEffect::ShortReads { per_mille } => {
                key.label("short-read").chance(*per_mille, 1000)
            }
            _ => false,
        };
        let node = &self.nodes[file.node as usize];
        match node.disk_harm.find(is_short) {
            Some(tag) => Ok(self.cut_short(tag, key, read?, file)),
            None => read,
        }
    }

    /// Writes to an open file. `key` is of this operation.
    pub(crate) fn write_file(
        &mut self,
        file: OpenedFile,
        key: Key,
        offset: u64,
        data: &[u8],
    ) -> Result<usize, Errno> {
        let node = &mut self.nodes[file.node as usize];
        let written = match node.disk_harm.is_felt {
            false => node.disk.write_at(file.handle, offset, data),
            true => self.write_harmed(file, key, offset, data),
        }?;
        self.counters.bytes_written += written as u64;
        if written > 0 && file.flags.syncs_writes() {
            self.sync_written(file, key, offset, written as u64)?;
        }
        Ok(written)
    }

    /// Makes a write durable that says so of itself.
    fn sync_written(
        &mut self,
        file: OpenedFile,
        key: Key,
        offset: u64,
        written: u64,
    ) -> Result<(), Errno> {
        let synced = match file.flags.all_sync {
            true => Synced::All,
            false => Synced::Data,
        };
        let end = match file.flags.append {
            true => self.disk_of(file).len(file.handle)?,
            false => offset + written,
        };
        self.sync_part(file, key, synced, &(end - written..end))
    }

    #[cold]
    fn write_harmed(
        &mut self,
        file: OpenedFile,
        key: Key,
        offset: u64,
        data: &[u8],
    ) -> Result<usize, Errno> {
        let node = &mut self.nodes[file.node as usize];
        let fails = |effect: &DiskEffect| match effect {
            DiskEffect::WriteError { per_mille } => {
                key.label("write-error").chance(*per_mille, 1000)
            }
            _ => false,
        };
        if let Some(tag) = node.disk_harm.find(fails) {
            self.network.links.count(tag);
            return self.fail_write(file, key, offset, data);
        }
        let is_short = |effect: &DiskEffect| match effect {
            DiskEffect::ShortWrites { per_mille } => {
                key.label("short-write").chance(*per_mille, 1000)
            }
            _ => false,
        };
        let length = match node.disk_harm.find(is_short) {
            Some(tag) => self.cut_short(tag, key, data.len(), file),
            None => data.len(),
        };
        let disk = &mut self.nodes[file.node as usize].disk;
        let written = disk.write_at(file.handle, offset, &data[..length]);
        if let Some(cause) = disk.scars_in_the_way(file.handle, offset, length, written) {
            self.network.links.count(FaultTag(cause));
        }
        self.note_room(file.node, written, length);
        written
    }

    /// A write that fails: past the page cache, some of its sectors may have been written.
    fn fail_write(
        &mut self,
        file: OpenedFile,
        key: Key,
        offset: u64,
        data: &[u8],
    ) -> Result<usize, Errno> {
        let disk = &mut self.nodes[file.node as usize].disk;
        let unit = disk.unit(file.handle)?;
        if unit > 1 {
            let units = (data.len() / unit) as u64;
            let length = key.label("landed").below(units + 1) as usize * unit;
            disk.write_at(file.handle, offset, &data[..length])?;
        }
        Err(Errno::Io)
    }

    /// How many of so many bytes an operation handles that is cut short: one unit at the least.
    fn cut_short(&mut self, tag: FaultTag, key: Key, length: usize, file: OpenedFile) -> usize {
        let disk = &self.nodes[file.node as usize].disk;
        let unit = disk.unit(file.handle).unwrap_or(1);
        let units = (length / unit) as u64;
        if units < 2 {
            return length;
        }
        self.network.links.count(tag);
        key.label("short-length").between(1, units - 1) as usize * unit
    }

    /// Counts a write that a full disk has stopped, if it would have had room without the fault.
    fn note_room(&mut self, node: u32, written: Result<usize, Errno>, asked: usize) {
        let was_stopped = match written {
            Ok(written) => written < asked,
            Err(errno) => errno == Errno::NoSpace,
        };
        let is_full = |effect: &DiskEffect| matches!(effect, DiskEffect::NoSpace { .. });
        if was_stopped && let Some(tag) = self.nodes[node as usize].disk_harm.find(is_full) {
            self.network.links.count(tag);
        }
    }

    /// A sync of an open file. `key` is of this operation.
    pub(crate) fn sync_file(
        &mut self,
        file: OpenedFile,
        key: Key,
        synced: Synced,
    ) -> Result<(), Errno> {
        self.sync_part(file, key, synced, &(0..u64::MAX))
    }

    fn sync_part(
        &mut self,
        file: OpenedFile,
        key: Key,
        synced: Synced,
        range: &Range<u64>,
    ) -> Result<(), Errno> {
        self.count_sync();
        let node = &mut self.nodes[file.node as usize];
        match node.disk_harm.is_felt {
            false => node.disk.sync(file.handle, synced, range),
            true => self.sync_harmed(file, key, synced, range),
        }
    }

    #[cold]
    fn sync_harmed(
        &mut self,
        file: OpenedFile,
        key: Key,
        synced: Synced,
        range: &Range<u64>,
    ) -> Result<(), Errno> {
        let node = &mut self.nodes[file.node as usize];
        let fails = |effect: &DiskEffect| match effect {
            DiskEffect::SyncError { per_mille } => key.label("eio").chance(*per_mille, 1000),
            _ => false,
        };
        if let Some(tag) = node.disk_harm.find(fails) {
            self.network.links.count(tag);
            return node.disk.fail_sync_of(file.handle, range);
        }
        let requests = node.disk.requests(file.handle, range)?;
        let untruths: Vec<Untruth> = requests
            .into_iter()
            .filter_map(|sectors| node.disk_harm.untruth(key, sectors))
            .collect();
        if untruths.is_empty() {
            return node.disk.sync(file.handle, synced, range);
        }
        self.note(key.bits());
        let disk = &mut self.nodes[file.node as usize].disk;
        disk.sync_with(file.handle, key, &untruths, |disk| {
            disk.sync(file.handle, synced, range)
        })
    }
}
