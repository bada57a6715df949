//! The vocabulary of faults, shared by plans, nemeses, the shrinker and the report.

use serde::{Deserialize, Serialize};

use crate::engine::{ClockEffect, DiskEffect, LinkEffect, NameEffect, TaskEffect};

/// A fault as a plan names it. What it is done *to* is the business of the episode that carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Fault {
    /// The targets and the rest of the cluster cannot exchange packets, in the named direction.
    Partition { direction: Direction },
    /// The servers that are not targets cannot exchange packets among each other; the targets, each a
    /// bridge, reach everybody.
    Bridge,
    /// Every server reaches a majority, and no two reach the same one.
    MajoritiesRing,
    /// SIGKILL; the page cache survives. The end of the episode starts the node again.
    Kill,
    /// The power goes: unsynced data is at the mercy of the disk, peers hear nothing. The end of
    /// the episode starts the node again.
    PowerLoss,
    /// The targets stand still, and go on at the end of the episode with all that arrived meanwhile.
    Pause,
    /// Packets to and from the targets take longer, by a keyed amount up to this.
    SlowLinks { extra_ns_max: u64 },
    /// Packets to and from the targets are lost with a probability of `per_mille` in a thousand.
    LossyLinks { per_mille: u32 },
    /// What else befalls packets to and from the targets.
    Links { effect: LinkEffect },
    /// What the targets are told who ask for the address of a server by its name.
    Names { effect: NameEffect },
    /// What befalls the tasks of the targets' programs. A server that dies of it is started again at the
    /// end of the episode.
    Tasks { effect: TaskEffect },
    /// What befalls the targets' clocks. Who judges goes by true time.
    Clock { effect: ClockEffect },
    /// An fsync fails with a probability of `per_mille` in a thousand, and what it should have written
    /// stays unwritten. A server that stops over it is started again at the end of the episode.
    SyncError { per_mille: u32 },
    /// What else befalls the targets' disks. A server that stops over it is started again at the end of
    /// the episode.
    Disk { effect: DiskEffect },
    /// SIGKILL, and bits of what the disk holds flip, though none of what was written last. The end of
    /// the episode starts the node again.
    Corrupt { bits: u32 },
    /// Clients give an operation up with a probability of `per_mille` in a thousand, at a keyed moment
    /// within this time after they began it.
    Cancel { per_mille: u32, after_ns_max: u64 },
    /// Clients wait only one `factor`th of the time between operations.
    Overload { factor: u32 },
}

/// Which packets a partition stops, seen from its targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    Both,
    /// What the targets send.
    Outgoing,
    /// What is sent to the targets.
    Incoming,
}

impl Fault {
    /// The id of the kind, the same in code, command line and report.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Partition { .. } => "partition",
            Self::Bridge => "bridge",
            Self::MajoritiesRing => "majorities-ring",
            Self::Kill => "kill",
            Self::PowerLoss => "power-loss",
            Self::Pause => "pause",
            Self::SlowLinks { .. } => "slow-links",
            Self::LossyLinks { .. } => "lossy-links",
            Self::Links { effect } => kind_of_link_effect(effect),
            Self::Names { .. } => "names",
            Self::Tasks { effect } => match effect {
                TaskEffect::SlowCpu { .. } => "slow-cpu",
                TaskEffect::Panic { .. } => "panic",
                TaskEffect::Cancel { .. } => "cancel-tasks",
            },
            Self::Clock { .. } => "clock",
            Self::SyncError { .. } => "sync-error",
            Self::Disk { effect } => kind_of_disk_effect(effect),
            Self::Corrupt { .. } => "corrupt",
            Self::Cancel { .. } => "cancel",
            Self::Overload { .. } => "overload",
        }
    }

    /// All ids that [`Self::kind`] can answer, in the order of tables.
    pub const KINDS: [&'static str; 32] = [
        "partition",
        "bridge",
        "majorities-ring",
        "port-cut",
        "clog",
        "kill",
        "power-loss",
        "pause",
        "slow-links",
        "lossy-links",
        "reorder",
        "duplicate",
        "corrupt-packets",
        "throttle",
        "chop",
        "names",
        "slow-cpu",
        "panic",
        "cancel-tasks",
        "clock",
        "sync-error",
        "read-error",
        "write-error",
        "no-space",
        "short-io",
        "stall",
        "slow-disk",
        "phantom-writes",
        "misdirected-writes",
        "corrupt",
        "cancel",
        "overload",
    ];
}

fn kind_of_link_effect(effect: &LinkEffect) -> &'static str {
    match effect {
        LinkEffect::Cut => "partition",
        LinkEffect::CutToPort { .. } | LinkEffect::CutFromPort { .. } => "port-cut",
        LinkEffect::Clog => "clog",
        LinkEffect::Slow { .. } | LinkEffect::Delay { .. } => "slow-links",
        LinkEffect::Reorder { .. } => "reorder",
        LinkEffect::Lossy { .. } => "lossy-links",
        LinkEffect::Duplicate { .. } => "duplicate",
        LinkEffect::Corrupt { .. } => "corrupt-packets",
        LinkEffect::Throttle { .. } => "throttle",
        LinkEffect::Chop { .. } => "chop",
    }
}

fn kind_of_disk_effect(effect: &DiskEffect) -> &'static str {
    match effect {
        DiskEffect::SyncError { .. } => "sync-error",
        DiskEffect::ReadError { .. } => "read-error",
        DiskEffect::WriteError { .. } => "write-error",
        DiskEffect::NoSpace { .. } => "no-space",
        DiskEffect::ShortReads { .. } | DiskEffect::ShortWrites { .. } => "short-io",
        DiskEffect::Stall { .. } => "stall",
        DiskEffect::Slow { .. } => "slow-disk",
        DiskEffect::PhantomWrites { .. } => "phantom-writes",
        DiskEffect::MisdirectedWrites { .. } => "misdirected-writes",
    }
}
