//! Slow processors: a turn takes virtual time, for which the machine's other tasks wait.
//!
//! The time passes before the turn, so that what comes of it is late too.

use super::events::Event;
use super::network::FaultTag;
use super::slots::Id;
use super::task_faults::TaskEffect;
use super::world::World;

/// The one processor of a machine, as far as it is slow.
#[derive(Debug, Default)]
pub(super) struct Cpu {
    /// Whose turn it works on, and until when.
    working_on: Option<(Id, u64)>,
    /// Whose turn is due, the work being done.
    due: Option<Id>,
    /// Ready tasks that wait for it.
    waiting: Vec<Id>,
}

impl World {
    /// Whether a ready task must wait, for the processor or for its own work there.
    pub(super) fn waits_for_cpu(&mut self, node: u32, id: Id) -> bool {
        let cpu = &mut self.nodes[node as usize].cpu;
        if cpu.due == Some(id) {
            cpu.due = None;
            return false;
        }
        if cpu.working_on.is_some() {
            cpu.waiting.push(id);
            return true;
        }
        let Some((tag, cost_ns)) = self.cost_of_turn(node, id) else {
            return false;
        };
        let done_ns = self.now_ns.saturating_add(cost_ns);
        self.nodes[node as usize].cpu.working_on = Some((id, done_ns));
        self.network.links.count(tag);
        let identity = self.key.label("cpu").with(u64::from(node));
        self.schedule(done_ns, identity.with(done_ns), Event::Cpu(node));
        true
    }

    /// What a task's next turn takes on a slow machine.
    fn cost_of_turn(&self, node: u32, id: Id) -> Option<(FaultTag, u64)> {
        let mut effects = self.nodes[node as usize].task_effects.iter();
        let (tag, min_ns, max_ns) = effects.find_map(|(tag, effect)| match effect {
            TaskEffect::SlowCpu {
                turn_ns_min,
                turn_ns_max,
            } => Some((*tag, *turn_ns_min, *turn_ns_max)),
            _ => None,
        })?;
        let key = self.tasks.turn_key(id)?.label("cpu");
        Some((tag, key.between(min_ns, max_ns)))
    }

    /// The processor has done its work: the turn is due, and then somebody else's.
    pub(super) fn cpu_is_done(&mut self, node: u32) {
        let cpu = &self.nodes[node as usize].cpu;
        let Some((id, done_ns)) = cpu.working_on else {
            return;
        };
        if done_ns > self.now_ns || self.hold_if_paused(node, Event::Cpu(node)) {
            return;
        }
        let cpu = &mut self.nodes[node as usize].cpu;
        (cpu.working_on, cpu.due) = (None, Some(id));
        self.urgent.push_back(id);
        for id in std::mem::take(&mut cpu.waiting) {
            self.tasks.put_back_ready(id);
        }
    }
}
