//! When a disk is done: what operations take, the queue before a slow medium, and stalls.
//!
//! A fault ends for what is under way, too: what a stall holds goes on, and what a slow disk has held
//! up begins anew, at the speed that is left.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::disk::FileHandle;
use super::disk_faults::{DiskEffect, DiskHarm};
use super::network::FaultTag;
use super::world::{self, World};
use crate::keyed::Key;
use crate::time::Sleep;

/// What operations on a disk take, in nanoseconds: least and most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskTiming {
    /// Reading or writing the page cache, and operations on names.
    pub cached_ns: (u64, u64),
    /// Reading or writing past the page cache.
    pub direct_ns: (u64, u64),
    /// Making something durable.
    pub sync_ns: (u64, u64),
}

impl Default for DiskTiming {
    /// A solid-state disk.
    fn default() -> Self {
        Self {
            cached_ns: (2_000, 20_000),
            direct_ns: (20_000, 200_000),
            sync_ns: (200_000, 2_000_000),
        }
    }
}

/// What an operation asks of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Names, lengths, and bytes into the page cache.
    Cached,
    /// Bytes through the page cache, which may lack them.
    Read { bytes: u64 },
    /// Bytes past the page cache, in either direction.
    Direct { bytes: u64 },
    /// A write that ends when it is durable.
    WriteThrough { bytes: u64 },
    /// Whatever is dirty of a file.
    Sync { handle: FileHandle },
}

impl DiskTiming {
    fn range_ns(&self, work: Work) -> (u64, u64) {
        match work {
            Work::Cached | Work::Read { .. } => self.cached_ns,
            Work::Direct { .. } => self.direct_ns,
            Work::WriteThrough { .. } | Work::Sync { .. } => self.sync_ns,
        }
    }
}

/// An operation on a disk: it takes its time, waits while the disk stands still, and then happens at
/// once.
pub(crate) struct Operation {
    node: u32,
    key: Key,
    work: Work,
    done_ns: u64,
    delay: Sleep,
    /// How often the disk had become faster when this was slowed; `None` if nothing slows it.
    slowed: Option<u32>,
    stall: Option<Sleep>,
}

impl Operation {
    /// Begins now on a node's disk. `key` is of this operation.
    pub(crate) fn begin(world: &mut World, node: u32, key: Key, work: Work) -> Self {
        let mut felt = Vec::new();
        let done_ns = world.operation_done_ns(node, key, work, &mut felt);
        let is_slowed = !felt.is_empty();
        felt.into_iter()
            .for_each(|tag| world.network.links.count(tag));
        Self {
            node,
            key,
            work,
            done_ns,
            delay: Sleep::until_ns(done_ns),
            slowed: is_slowed.then(|| world.disk_harm(node).times_hastened),
            stall: None,
        }
    }

    /// Lets it happen when it is time.
    pub(crate) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        act: impl FnOnce(&mut World, Key) -> T,
    ) -> Poll<T> {
        if self.slowed.is_some() {
            self.make_haste(context);
        }
        ready!(Pin::new(&mut self.delay).poll(context));
        let has_waited = self.stall.is_some();
        let outcome =
            world::with(
                |world| match world.stalled_until_ns(self.node, has_waited, context) {
                    None => Ok(act(world, self.key)),
                    Some(until_ns) => Err(until_ns),
                },
            );
        match outcome {
            Ok(value) => Poll::Ready(value),
            Err(until_ns) => {
                let mut stall = Sleep::until_ns(until_ns);
                let is_over = Pin::new(&mut stall).poll(context).is_ready();
                assert!(!is_over, "a stall that is over stops nobody");
                self.stall = Some(stall);
                Poll::Pending
            }
        }
    }

    /// Begins what a slow disk has held up anew if the disk has become faster, and is woken when it does.
    #[cold]
    fn make_haste(&mut self, context: &Context<'_>) {
        let hastened = world::with(|world| {
            let harm = world.disk_harm(self.node);
            let times = harm.times_hastened;
            harm.wake_at_end(context);
            if self.slowed.replace(times) == Some(times) {
                return None;
            }
            let anew_ns = world.operation_done_ns(self.node, self.key, self.work, &mut Vec::new());
            (anew_ns < self.done_ns).then_some(anew_ns)
        });
        if let Some(done_ns) = hastened {
            self.done_ns = done_ns;
            self.delay = Sleep::until_ns(done_ns);
        }
    }

    /// As [`Self::poll`], for whoever can wait.
    pub(crate) async fn finish<T>(mut self, act: impl FnOnce(&mut World, Key) -> T) -> T {
        let mut act = Some(act);
        poll_fn(|context| {
            self.poll(context, |world, key| {
                let act = act.take().expect("an operation happens once");
                act(world, key)
            })
        })
        .await
    }
}

impl World {
    fn disk_harm(&mut self, node: u32) -> &mut DiskHarm {
        &mut self.nodes[node as usize].disk_harm
    }

    /// When an operation that begins now is done. `felt` gets the faults that slow it.
    fn operation_done_ns(
        &mut self,
        node: u32,
        key: Key,
        work: Work,
        felt: &mut Vec<FaultTag>,
    ) -> u64 {
        let (min, max) = self.config.disk_timing.range_ns(work);
        let takes_ns = key.between(min, max);
        match self.nodes[node as usize].disk_harm.is_felt {
            false => self.now_ns + takes_ns,
            true => self.slowly_done_ns(node, work, takes_ns, felt),
        }
    }

    #[cold]
    fn slowly_done_ns(
        &mut self,
        node: u32,
        work: Work,
        takes_ns: u64,
        felt: &mut Vec<FaultTag>,
    ) -> u64 {
        let medium_bytes = self.medium_bytes(node, work);
        let mut takes_ns = takes_ns;
        let mut service_ns: u64 = 0;
        for active in &self.nodes[node as usize].disk_harm.effects {
            let DiskEffect::Slow {
                factor,
                operations_per_second,
                bytes_per_second,
            } = active.effect
            else {
                continue;
            };
            let service = medium_bytes.map_or(0, |bytes| {
                share_of_second(1, u64::from(operations_per_second))
                    .saturating_add(share_of_second(bytes, bytes_per_second))
            });
            service_ns = service.saturating_add(service_ns);
            takes_ns = takes_ns.saturating_mul(u64::from(factor.max(1)));
            if factor > 1 || service > 0 {
                felt.push(active.tag);
            }
        }
        let now_ns = self.now_ns;
        let harm = self.disk_harm(node);
        let served_ns = match service_ns {
            0 => now_ns,
            _ => harm.busy_until_ns.max(now_ns).saturating_add(service_ns),
        };
        harm.busy_until_ns = harm.busy_until_ns.max(served_ns);
        served_ns.saturating_add(takes_ns)
    }

    /// How many bytes the medium has to move; `None` if it has nothing to do.
    fn medium_bytes(&self, node: u32, work: Work) -> Option<u64> {
        match work {
            Work::Cached => None,
            Work::Read { bytes } | Work::Direct { bytes } | Work::WriteThrough { bytes } => {
                Some(bytes)
            }
            Work::Sync { handle } => {
                let disk = &self.nodes[node as usize].disk;
                Some(disk.dirty_bytes(handle).unwrap_or(0))
            }
        }
    }

    /// Until when a disk stands still, if it does; whoever asks is woken when that ends sooner.
    fn stalled_until_ns(
        &mut self,
        node: u32,
        has_waited: bool,
        context: &Context<'_>,
    ) -> Option<u64> {
        match self.nodes[node as usize].disk_harm.is_felt {
            false => None,
            true => self.wait_for_stall(node, has_waited, context),
        }
    }

    #[cold]
    fn wait_for_stall(
        &mut self,
        node: u32,
        has_waited: bool,
        context: &Context<'_>,
    ) -> Option<u64> {
        let now_ns = self.now_ns;
        let harm = self.disk_harm(node);
        let stands_still = harm
            .effects
            .iter()
            .filter(|active| active.until_ns > now_ns);
        let last = stands_still.max_by_key(|active| active.until_ns)?;
        let (tag, until_ns) = (last.tag, last.until_ns);
        harm.wake_at_end(context);
        if !has_waited {
            self.network.links.count(tag);
        }
        Some(until_ns)
    }
}

/// What so many take of which `per_second` make a second, in nanoseconds; 0 for no limit.
fn share_of_second(count: u64, per_second: u64) -> u64 {
    if per_second == 0 {
        return 0;
    }
    let ns = u128::from(count) * 1_000_000_000 / u128::from(per_second);
    u64::try_from(ns).unwrap_or(u64::MAX)
}
