//! Faults of a machine's disk, as an episode of a plan brings them about.

use super::NodeId;
use super::disk::{Disk, Errno, FileHandle};
use super::files::OpenedFile;
use super::network::FaultTag;
use super::world::{self, World};
use crate::keyed::Key;

/// What a fault does to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskEffect {
    /// An fsync fails with this probability: see [`Disk::fail_sync`].
    SyncError { per_mille: u32 },
}

/// Puts an effect on a machine's disk; it outlives the process.
pub fn add_disk_effect(node: NodeId, tag: FaultTag, effect: DiskEffect) {
    world::with(|world| {
        let effects = &mut world.nodes[node.0 as usize].disk_effects;
        effects.push((tag, effect));
    });
}

/// Ends all that a fault does to disks.
pub fn remove_disk_effects(tag: FaultTag) {
    world::with(|world| {
        for node in &mut world.nodes {
            node.disk_effects.retain(|(of, _)| *of != tag);
        }
    });
}

impl NodeId {
    /// Flips up to this many bits of what the machine's disk has stored: see [`Disk::corrupt`]. `key`
    /// says which; answers how many.
    pub fn corrupt(self, key: Key, bits: u32) -> u64 {
        world::with(|world| {
            let flipped = world.nodes[self.0 as usize].disk.corrupt(key, bits);
            world.note(key.with(flipped).bits());
            flipped
        })
    }
}

impl World {
    /// A sync of an open file, by `sync`, unless a fault makes it fail. `key` is of this operation.
    pub(crate) fn sync_file(
        &mut self,
        file: OpenedFile,
        key: Key,
        sync: fn(&mut Disk, FileHandle) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        self.count_sync();
        let node = &mut self.nodes[file.node as usize];
        let fails = |effect: &DiskEffect| match effect {
            DiskEffect::SyncError { per_mille } => key.label("eio").chance(*per_mille, 1000),
        };
        match node.disk_effects.iter().find(|(_, effect)| fails(effect)) {
            Some((tag, _)) => {
                self.network.links.count(*tag);
                node.disk.fail_sync(file.handle)
            }
            None => sync(&mut node.disk, file.handle),
        }
    }
}
