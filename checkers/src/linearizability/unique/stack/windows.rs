//! The moments at which each value can have been pushed, and popped: who has a given one among them. By
//! their first moments, with a tree of which each node knows the last end.

use super::Holder;

pub(super) struct Windows {
    /// By first moment: that, and whose window it is.
    firsts: Vec<u32>,
    whose: Vec<u32>,
    width: usize,
    /// The last end; 0 of what was taken.
    ends: Vec<u32>,
}

impl Windows {
    /// Two of each value.
    pub(super) fn new(holder: &Holder, values: &[u32]) -> Self {
        let windows = values.iter().flat_map(|&number| {
            let held = &holder.held[number as usize];
            [(held.came, number << 1), (held.went, number << 1 | 1)]
        });
        let mut by_first: Vec<(u32, u32)> = windows.map(|(range, of)| (range.first, of)).collect();
        by_first.sort_unstable();
        let width = by_first.len().next_power_of_two();
        let mut ends = vec![0; 2 * width];
        for (end, &(_, of)) in ends[width..].iter_mut().zip(&by_first) {
            let held = &holder.held[of as usize / 2];
            *end = [held.came, held.went][of as usize % 2].end;
        }
        for node in (1..width).rev() {
            ends[node] = ends[2 * node].max(ends[2 * node + 1]);
        }
        let (firsts, whose) = by_first
            .into_iter()
            .map(|(first, of)| (first, of / 2))
            .unzip();
        Self {
            firsts,
            whose,
            width,
            ends,
        }
    }

    /// Takes one that has the moment, and says whose it was.
    pub(super) fn take(&mut self, moment: u32) -> Option<u32> {
        if self.ends[1] <= moment {
            return None;
        }
        let mut node = 1;
        while node < self.width {
            node *= 2;
            if self.ends[node] <= moment {
                node += 1;
            }
        }
        let place = node - self.width;
        if self.firsts[place] > moment {
            return None;
        }
        self.ends[node] = 0;
        while node > 1 {
            node /= 2;
            self.ends[node] = self.ends[2 * node].max(self.ends[2 * node + 1]);
        }
        Some(self.whose[place])
    }
}
