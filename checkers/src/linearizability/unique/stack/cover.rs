//! How many stays cover each moment: a tree of which each node knows the least of its moments.

use super::Range;

pub(super) struct Cover {
    /// How many moments the tree has room for: a power of two.
    width: usize,
    /// What is added to all moments below a node, and the least count there, that included.
    added: Vec<i32>,
    least: Vec<i32>,
}

/// More than all stays, for what is found already.
const FOUND: i32 = i32::MAX / 2;

impl Cover {
    pub(super) fn new(moments: u32, stays: impl Iterator<Item = Range>) -> Self {
        let width = (moments as usize).next_power_of_two();
        let mut counts = vec![0_i32; moments as usize + 1];
        for Range { first, end } in stays {
            counts[first as usize] += 1;
            counts[end as usize] -= 1;
        }
        let mut least = vec![FOUND; 2 * width];
        let mut count = 0;
        for (moment, change) in counts[..moments as usize].iter().enumerate() {
            count += change;
            least[width + moment] = count;
        }
        for node in (1..width).rev() {
            least[node] = least[2 * node].min(least[2 * node + 1]);
        }
        let added = vec![0; width];
        Self {
            width,
            added,
            least,
        }
    }

    /// A moment in no stay, each once.
    pub(super) fn next_bare(&mut self) -> Option<u32> {
        if self.least[1] > 0 {
            return None;
        }
        let mut node = 1;
        while node < self.width {
            let wanted = self.least[node] - self.added[node];
            node *= 2;
            if self.least[node] != wanted {
                node += 1;
            }
        }
        let moment = (node - self.width) as u32;
        self.least[node] = FOUND;
        self.renew(node / 2);
        Some(moment)
    }

    /// One stay fewer.
    pub(super) fn uncover(&mut self, stay: Range) {
        let (mut left, mut right) = (
            self.width + stay.first as usize,
            self.width + stay.end as usize,
        );
        let ends = [left / 2, (right - 1) / 2];
        while left < right {
            if left % 2 == 1 {
                self.lower(left);
                left += 1;
            }
            if right % 2 == 1 {
                right -= 1;
                self.lower(right);
            }
            (left, right) = (left / 2, right / 2);
        }
        for end in ends {
            self.renew(end);
        }
    }

    fn lower(&mut self, node: usize) {
        self.least[node] -= 1;
        if let Some(added) = self.added.get_mut(node) {
            *added -= 1;
        }
    }

    /// Finds the least of a node and of all above it anew.
    fn renew(&mut self, mut node: usize) {
        while node > 0 {
            let least = self.least[2 * node].min(self.least[2 * node + 1]);
            self.least[node] = least + self.added[node];
            node /= 2;
        }
    }
}
