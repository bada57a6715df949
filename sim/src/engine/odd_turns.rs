//! Turns in a world that somebody has made odd: where clocks deviate, tasks have precedence, processors
//! are slow, tasks are struck and memory is short. No calm world comes here.

use super::slots::Id;
use super::tasks::LocalFuture;
use super::world::World;
use crate::memory;

impl World {
    /// As [`Self::advance`]; nothing also if there is a process to end first.
    #[cold]
    pub(super) fn advance_oddly(&mut self, task: &mut Id) -> Option<LocalFuture> {
        self.find_overdrawn();
        while self.foreign_wakes.is_empty() && self.doomed.is_empty() {
            if !self.event_precedes()
                && let Some(future) = self.take_odd_turn(task)
            {
                return Some(future);
            }
            if !self.step_oddly() {
                break;
            }
        }
        None
    }

    fn take_odd_turn(&mut self, task: &mut Id) -> Option<LocalFuture> {
        loop {
            let id = match self.urgent.pop_front() {
                Some(id) => id,
                None => self.tasks.pop_ready()?,
            };
            let Some(node) = self.tasks.node_of(id) else {
                continue;
            };
            if self.nodes[node as usize].paused {
                self.nodes[node as usize].parked.push(id);
                continue;
            }
            if self.waits_for_cpu(node, id) {
                continue;
            }
            let Some((identity, future)) = self.tasks.begin_turn_of(id) else {
                continue;
            };
            *task = id;
            self.step_of_task(id);
            self.show_clock();
            memory::charge_to(self.account_of(node));
            self.note_turn(identity);
            return Some(self.strike(node, future));
        }
    }
}
