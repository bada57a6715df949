//! Budgets of memory: a process that holds more is killed, as Linux's OOM killer does.

use super::network::FaultTag;
use super::world::{self, World};
use super::{HARNESS, NodeId};
use crate::memory::{self, Owner};

/// A machine's memory, as a fault makes it short.
pub(super) struct MemoryBudget {
    tag: FaultTag,
    bytes: u64,
    account: Owner,
}

/// Why a machine cannot have a budget of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryBudgetError {
    #[error(
        "a budget of memory needs an allocator that counts: declare `#[global_allocator] static \
         ALLOCATOR: squall_sim::memory::CountingAllocator = squall_sim::memory::CountingAllocator;` \
         in the binary that runs the simulation"
    )]
    NotCounted,
    #[error(
        "no more than {} machines can have a budget of memory at a time",
        memory::ACCOUNTS
    )]
    TooMany,
}

/// Gives a machine's processes no more than so many bytes of memory, instead of what it was given
/// before. What a process allocates from now on counts, until it gives it back; when it has held more
/// in a turn, it is killed at the end of that turn, which counts as felt.
///
/// # Errors
/// If the program's allocator does not count, or if too many machines have a budget.
///
/// # Panics
/// If the node is the harness.
pub fn set_memory_budget(node: NodeId, tag: FaultTag, bytes: u64) -> Result<(), MemoryBudgetError> {
    assert_ne!(node.0, HARNESS, "no fault touches the harness");
    if !memory::is_counted() {
        return Err(MemoryBudgetError::NotCounted);
    }
    let account = memory::open(bytes).ok_or(MemoryBudgetError::TooMany)?;
    world::with(|world| {
        world.is_odd = true;
        let budget = MemoryBudget {
            tag,
            bytes,
            account,
        };
        let before = world.nodes[node.0 as usize].memory.replace(budget);
        if let Some(before) = before {
            memory::close(before.account);
        }
    });
    Ok(())
}

/// Ends the budgets that a fault has set.
pub fn remove_memory_budgets(tag: FaultTag) {
    world::with(|world| {
        for node in &mut world.nodes {
            if let Some(budget) = node.memory.take_if(|budget| budget.tag == tag) {
                memory::close(budget.account);
            }
        }
    });
}

impl NodeId {
    /// How many bytes its process holds, of what it has allocated since it has a budget; `None` without
    /// one.
    pub fn memory_held(self) -> Option<u64> {
        world::with(|world| {
            let budget = world.nodes[self.0 as usize].memory.as_ref();
            budget.map(|budget| memory::held(budget.account))
        })
    }
}

impl World {
    /// On whose account goes what a node's tasks allocate.
    pub(super) fn account_of(&self, node: u32) -> Option<Owner> {
        let budget = self.nodes[node as usize].memory.as_ref();
        budget.map(|budget| budget.account)
    }

    /// Finds out whether the process that just had its turn holds too much.
    pub(super) fn find_overdrawn(&mut self) {
        memory::charge_to(None);
        let node = self.had_turn;
        let slot = &self.nodes[node as usize];
        let Some(budget) = &slot.memory else { return };
        if slot.up && memory::is_overdrawn(budget.account) {
            self.network.links.count(budget.tag);
            self.doomed.push(node);
        }
    }

    /// A new process begins with nothing.
    pub(super) fn empty_memory(&mut self, node: u32) {
        if let Some(budget) = &mut self.nodes[node as usize].memory {
            memory::close(budget.account);
            let account = memory::open(budget.bytes);
            budget.account = account.expect("an account has just been closed");
        }
    }
}
