//! What a harness does to a machine's disk at a stroke: damage, and another disk in its place.

use super::NodeId;
use super::disk::Disk;
use super::network::FaultTag;
use super::world::{self, World};
use crate::keyed::Key;

/// What a disk held durably at some moment.
#[derive(Clone)]
pub struct DiskSnapshot(Box<Disk>);

impl NodeId {
    /// Flips up to this many bits of what the machine's disk has stored: see [`Disk::corrupt`]. `key`
    /// says which; answers how many.
    pub fn corrupt(self, key: Key, bits: u32) -> u64 {
        self.damage(key, |disk| disk.corrupt(key, bits))
    }

    /// As [`Self::corrupt`], and counts for `tag` each read of a sector that it struck, until that is
    /// written again. Whoever reads again reads the same.
    pub fn rot_disk(self, tag: FaultTag, key: Key, bits: u32) -> u64 {
        self.damage(key, |disk| disk.rot(key, bits, Some(tag.0)))
    }

    /// Makes up to this many sectors of the machine's disk unreadable until they are written again: see
    /// [`Disk::lose_sectors`]. `key` says which; answers how many. Each read that they stop counts for
    /// `tag`.
    pub fn lose_sectors(self, tag: FaultTag, key: Key, sectors: u32) -> u64 {
        self.damage(key, |disk| disk.lose_sectors(key, sectors, tag.0))
    }

    /// Drops all clean pages from the machine's page cache, as memory pressure does; answers how many
    /// sectors are not any more what they seemed to be: see [`Disk::drop_caches`].
    pub fn drop_caches(self) -> u64 {
        self.damage(Key::root(0), Disk::drop_caches)
    }

    /// Gives the machine's disk this much room for the bytes of files. What lies on it stays, though it
    /// be more.
    pub fn set_disk_capacity(self, capacity_bytes: u64) {
        world::with(|world| {
            let disk = &mut world.nodes[self.0 as usize].disk;
            disk.set_capacity(capacity_bytes);
            world.note_harm(self.0);
        });
    }

    /// Puts an empty disk into the machine; answers how many files and directories are gone.
    ///
    /// # Panics
    /// If its process runs.
    pub fn wipe_disk(self) -> u64 {
        world::with(|world| {
            let disk = &world.disk_at_rest(self).disk;
            let (gone, empty) = (disk.paths_that_differ(&Disk::default()), disk.emptied());
            world.put_disk(self, empty);
            gone
        })
    }

    /// Exchanges the disks of two machines, with what was cached of them: answers how many paths lead to
    /// something else.
    ///
    /// # Panics
    /// If the process of either runs.
    pub fn swap_disks(self, other: Self) -> u64 {
        world::with(|world| {
            let mine = world.disk_at_rest(self).disk.clone();
            let theirs = world.disk_at_rest(other).disk.clone();
            let differing = mine.paths_that_differ(&theirs);
            world.put_disk(self, theirs);
            world.put_disk(other, mine);
            differing
        })
    }

    /// What the machine's disk holds durably now.
    pub fn snapshot_disk(self) -> DiskSnapshot {
        world::with(|world| {
            let disk = &world.nodes[self.0 as usize].disk;
            DiskSnapshot(Box::new(disk.durable()))
        })
    }

    /// Makes the machine's disk again what it was at the moment of a snapshot; answers how many paths
    /// lead to something else.
    ///
    /// # Panics
    /// If its process runs.
    pub fn roll_back_disk(self, snapshot: &DiskSnapshot) -> u64 {
        world::with(|world| {
            let disk = &world.disk_at_rest(self).disk;
            let differing = disk.paths_that_differ(&snapshot.0);
            world.put_disk(self, Disk::clone(&snapshot.0));
            differing
        })
    }

    /// Does something to the disk, and says so in the trace.
    fn damage(self, key: Key, act: impl FnOnce(&mut Disk) -> u64) -> u64 {
        world::with(|world| {
            let count = act(&mut world.nodes[self.0 as usize].disk);
            world.note(key.with(count).bits());
            world.note_harm(self.0);
            count
        })
    }
}

impl World {
    fn disk_at_rest(&self, node: NodeId) -> &super::nodes::Node {
        let slot = &self.nodes[node.0 as usize];
        assert!(
            !slot.up,
            "the disk of {} is exchanged while its process runs",
            slot.name
        );
        slot
    }

    fn put_disk(&mut self, node: NodeId, disk: Disk) {
        self.nodes[node.0 as usize].disk = disk;
        self.note(Key::root(0).label("disk").with(u64::from(node.0)).bits());
        self.note_harm(node.0);
    }
}
