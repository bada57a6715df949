//! Clogs: packets that are due on a clogged link wait for its end, and then arrive in a burst.

use super::Route;
use crate::engine::events::Event;
use crate::engine::world::World;

/// What is held, in the order of the times when it was due.
pub(super) type Clogged = Vec<(Route, Event)>;

impl World {
    /// Holds a packet back whose link is clogged, or else whose node stands still.
    #[inline]
    pub(in crate::engine) fn hold_if_late(&mut self, route: &Route, event: Event) -> bool {
        if self.network.links.is_harmed(route) && self.hold_if_clogged(route, event) {
            return true;
        }
        self.nodes[route.to as usize].paused && self.hold_if_paused(route.to, event)
    }

    fn hold_if_clogged(&mut self, route: &Route, event: Event) -> bool {
        let Some(tag) = self.network.links.clog(route) else {
            return false;
        };
        self.network.clogged.push((*route, event));
        self.network.links.count(tag);
        true
    }

    /// Lets all arrive that no clog holds any more.
    pub(super) fn release_unclogged(&mut self) {
        if self.network.clogged.is_empty() {
            return;
        }
        let held = std::mem::take(&mut self.network.clogged);
        let (still, free): (Clogged, Clogged) = held
            .into_iter()
            .partition(|(route, _)| self.network.links.clog(route).is_some());
        self.network.clogged = still;
        free.into_iter().for_each(|(_, event)| self.happen(event));
    }
}
