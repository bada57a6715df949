//! The order that a search found, rebuilt from its choices.

use super::catalogue::StateNumber;
use super::problem::OperationNumber;

/// Is told of each operation that takes its place.
pub(super) trait Recorder {
    fn is_on(&self) -> bool;
    fn placed_before(&mut self, event: u32, operation: OperationNumber);
    fn placed_after(&mut self, event: u32, operation: OperationNumber);
    /// The overwrite takes its place unseen, right before the operation that is placed next.
    fn unseen_before_next(&mut self, operation: OperationNumber);
}

/// Nobody asks for the order while the search goes on.
impl Recorder for () {
    fn is_on(&self) -> bool {
        false
    }

    fn placed_before(&mut self, _event: u32, _operation: OperationNumber) {}

    fn placed_after(&mut self, _event: u32, _operation: OperationNumber) {}

    fn unseen_before_next(&mut self, _operation: OperationNumber) {}
}

/// A moment between two events: after event `n` it is `2 * n + 1`.
pub(super) type Moment = u32;

/// Operations in the order in which they happened.
pub(super) struct Trail {
    /// The state before the first.
    pub(super) start: StateNumber,
    placed: Vec<(u32, OperationNumber, bool)>,
    /// By operation, the last of its places: an overwrite that nobody saw may have taken another
    /// one after all.
    last_place: Vec<u32>,
    /// Overwrites that wait for what is placed next.
    unseen: Vec<OperationNumber>,
}

impl Trail {
    pub(super) fn new(start: StateNumber, operation_count: usize) -> Self {
        Self {
            start,
            placed: Vec::with_capacity(operation_count),
            last_place: vec![0; operation_count],
            unseen: Vec::new(),
        }
    }

    /// How many places there are, of which an operation may have several.
    pub(super) fn len(&self) -> usize {
        self.placed.len()
    }

    /// How many bytes the trail of so many operations takes, and then their order.
    pub(super) fn bytes_of(operation_count: usize) -> u64 {
        let of_each = size_of::<(u32, OperationNumber, bool)>()
            + size_of::<u32>()
            + size_of::<(Moment, OperationNumber)>();
        (operation_count * of_each) as u64
    }

    /// Each operation with a moment between its invocation and its return; moments never decrease.
    pub(super) fn in_order(self) -> impl Iterator<Item = (Moment, OperationNumber)> {
        let last_place = self.last_place;
        let placed = self.placed.into_iter().enumerate();
        let last = placed.filter(move |&(place, (_, operation, _))| {
            last_place[operation as usize] as usize == place
        });
        last.map(|(_, (event, operation, is_after))| {
            let after = 2 * event + 1;
            (if is_after { after } else { after - 2 }, operation)
        })
    }

    fn place(&mut self, event: u32, operation: OperationNumber, is_after: bool) {
        let mut unseen = std::mem::take(&mut self.unseen);
        for operation in unseen.drain(..) {
            self.push(event, operation, is_after);
        }
        self.unseen = unseen;
        self.push(event, operation, is_after);
    }

    fn push(&mut self, event: u32, operation: OperationNumber, is_after: bool) {
        self.last_place[operation as usize] = self.placed.len() as u32;
        self.placed.push((event, operation, is_after));
    }
}

impl Recorder for Trail {
    fn is_on(&self) -> bool {
        true
    }

    fn placed_before(&mut self, event: u32, operation: OperationNumber) {
        self.place(event, operation, false);
    }

    fn placed_after(&mut self, event: u32, operation: OperationNumber) {
        self.place(event, operation, true);
    }

    fn unseen_before_next(&mut self, operation: OperationNumber) {
        self.unseen.push(operation);
    }
}
