//! Moments that are covered, ever more of them, and the next one that is not: the disjoint sets of Tarjan,
//! "Efficiency of a good but not linear set union algorithm", 1975, with halved paths and without ranks.

/// Moments from 0 on.
pub(super) struct Covered {
    /// A moment not before each one: itself if it is not covered.
    later: Vec<u32>,
}

impl Covered {
    /// The moments before `end`, none of which is covered.
    pub(super) fn new(end: u32) -> Self {
        let later = (0..=end).collect();
        Self { later }
    }

    /// The first moment from this one on that is not covered; the end if all are.
    pub(super) fn next_free(&mut self, from: u32) -> u32 {
        let mut moment = from;
        while self.later[moment as usize] != moment {
            let later = self.later[moment as usize];
            self.later[moment as usize] = self.later[later as usize];
            moment = later;
        }
        moment
    }

    /// Covers the moments from `start` up to `end`.
    pub(super) fn cover(&mut self, start: u32, end: u32) {
        let mut moment = self.next_free(start);
        while moment < end {
            self.later[moment as usize] = moment + 1;
            moment = self.next_free(moment + 1);
        }
    }
}
