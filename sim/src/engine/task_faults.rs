//! Faults of a process's tasks: slow turns, panics, cancelled futures.

use std::panic::resume_unwind;

use serde::{Deserialize, Serialize};

use super::network::FaultTag;
use super::tasks::LocalFuture;
use super::world::{self, World};
use super::{HARNESS, NodeId};
use crate::keyed::Key;

const SECOND_NS: u64 = 1_000_000_000;

/// What a fault does to the tasks of a machine. Each is keyed by the task and its how-many-th turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum TaskEffect {
    /// The machine has one processor, on which a turn takes this long: other tasks wait meanwhile,
    /// timers are late.
    SlowCpu { turn_ns_min: u64, turn_ns_max: u64 },
    /// A task panics instead of having its turn, with this probability, which ends its process. It is
    /// counted among [`Outcome::injected_panics`](super::Outcome::injected_panics).
    Panic { per_million: u32 },
    /// A future of [`task::cancellable`](crate::task::cancellable) is dropped at an await, with this
    /// probability each time that it would go on.
    Cancel { per_million: u32 },
}

impl TaskEffect {
    /// Whether a slow turn takes some time, of a second at the most, and probabilities are such.
    pub const fn is_sound(&self) -> bool {
        match *self {
            Self::SlowCpu {
                turn_ns_min,
                turn_ns_max,
            } => 0 < turn_ns_min && turn_ns_min <= turn_ns_max && turn_ns_max <= SECOND_NS,
            Self::Panic { per_million } | Self::Cancel { per_million } => per_million <= 1_000_000,
        }
    }
}

/// What an injected panic throws.
pub(super) struct InjectedPanic;

/// Puts an effect on a machine's tasks, whatever process they are of.
///
/// # Panics
/// If the node is the harness, or the effect is not [sound](TaskEffect::is_sound).
pub fn add_task_effect(node: NodeId, tag: FaultTag, effect: TaskEffect) {
    assert_ne!(node.0, HARNESS, "no fault touches the harness");
    assert!(
        effect.is_sound(),
        "a slow turn takes some time and a probability is one at the most: {effect:?}"
    );
    world::with(|world| {
        world.is_odd = true;
        let effects = &mut world.nodes[node.0 as usize].task_effects;
        effects.push((tag, effect));
    });
}

/// Ends all that a fault does to tasks.
pub fn remove_task_effects(tag: FaultTag) {
    world::with(|world| {
        for node in &mut world.nodes {
            node.task_effects.retain(|(of, _)| *of != tag);
        }
    });
}

impl World {
    /// A task's future as it has its turn: one that panics, if it is struck.
    pub(super) fn strike(&mut self, node: u32, future: LocalFuture) -> LocalFuture {
        let panics = |effect: &TaskEffect| match effect {
            TaskEffect::Panic { per_million } => Some(*per_million),
            _ => None,
        };
        match self.is_struck(node, |turn| turn.label("panic"), panics) {
            true => Box::pin(async move {
                let _dropped_as_it_unwinds = future;
                resume_unwind(Box::new(InjectedPanic))
            }),
            false => future,
        }
    }

    /// Whether a cancellable future of the running task is to be dropped at the await where it is; it
    /// has been polled so many times.
    pub(crate) fn is_cancelled(&mut self, name: &str, polls: u64) -> bool {
        let cancels = |effect: &TaskEffect| match effect {
            TaskEffect::Cancel { per_million } => Some(*per_million),
            _ => None,
        };
        let key = |turn: Key| turn.label("cancel").label(name).with(polls);
        self.is_odd && self.is_struck(self.current_node(), key, cancels)
    }

    /// Whether an effect of the node strikes the running task in this turn. `key_of` makes the
    /// decision's key of the turn's.
    fn is_struck(
        &mut self,
        node: u32,
        key_of: impl FnOnce(Key) -> Key,
        probability: fn(&TaskEffect) -> Option<u32>,
    ) -> bool {
        let effects = &self.nodes[node as usize].task_effects;
        if effects.is_empty() {
            return false;
        }
        let Some(key) = self.tasks.current_turn_key().map(key_of) else {
            return false;
        };
        let strikes = |effect| probability(effect).is_some_and(|p| key.chance(p, 1_000_000));
        let Some((tag, _)) = effects.iter().find(|(_, effect)| strikes(effect)) else {
            return false;
        };
        self.network.links.count(*tag);
        self.note(key.bits());
        true
    }
}
