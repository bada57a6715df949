//! When operations were open.

/// The event of a return that never came.
pub(crate) const NEVER: u32 = u32::MAX;

/// No operation, no value.
pub(super) const NONE: u32 = u32::MAX;

/// From the event of an operation's invocation to that of its return; no two events have one index.
/// [`NEVER`] is the return of an operation that may or may not have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    pub(crate) invoked: u32,
    pub(crate) returned: u32,
}

impl Span {
    /// `(events 3 to 7)`, for sentences.
    pub(super) fn told(self) -> String {
        if self.returned == NEVER {
            return format!("(from event {} on)", self.invoked);
        }
        format!("(events {} to {})", self.invoked, self.returned)
    }
}

/// An invocation or a return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) operation: u32,
    pub(super) is_return: bool,
}

/// Invocations and returns in the order of their events.
pub(super) struct Moments(Vec<u32>);

impl Moments {
    pub(super) fn new(spans: impl Iterator<Item = Span> + Clone) -> Self {
        let numbered = (0..).zip(spans);
        let moments = numbered.flat_map(|(operation, span)| {
            let returned = (span.returned != NEVER).then_some((span.returned, operation << 1 | 1));
            [Some((span.invoked, operation << 1)), returned]
        });
        Self(in_order(moments.flatten()))
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = Moment> {
        self.0.iter().map(|&moment| Moment {
            operation: moment >> 1,
            is_return: moment & 1 == 1,
        })
    }
}

/// Things in the order of their events, `(event, thing)`, of which no two are the same. Linear in time
/// if events are dense, as those of a whole history are.
pub(super) fn in_order(things: impl Iterator<Item = (u32, u32)> + Clone) -> Vec<u32> {
    let (mut count, mut event_count) = (0, 0);
    for (event, _) in things.clone() {
        count += 1;
        event_count = event_count.max(event as usize + 1);
    }
    if event_count <= count * EVENTS_PER_THING_MAX {
        let mut slots = vec![NONE; event_count];
        for (event, thing) in things {
            let slot = &mut slots[event as usize];
            assert!(*slot == NONE, "two things at event {event}");
            *slot = thing;
        }
        slots.retain(|&thing| thing != NONE);
        return slots;
    }
    let keyed = things.map(|(event, thing)| u64::from(event) << 32 | u64::from(thing));
    let mut keyed: Vec<u64> = keyed.collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|key| key as u32).collect()
}

/// How many events there may be to each thing for them to be put in order by their indices.
const EVENTS_PER_THING_MAX: usize = 8;

/// Lists of operations by a number each has, in one allocation.
pub(super) struct Grouped {
    ends: Vec<u32>,
    operations: Vec<u32>,
}

impl Grouped {
    /// Groups those operations that have a number, each group in the order given.
    pub(super) fn new(
        group_count: usize,
        numbered: impl Iterator<Item = (u32, u32)> + Clone,
    ) -> Self {
        let mut ends = vec![0_u32; group_count + 1];
        for (group, _) in numbered.clone() {
            ends[group as usize + 1] += 1;
        }
        for group in 0..group_count {
            ends[group + 1] += ends[group];
        }
        let mut operations = vec![NONE; ends[group_count] as usize];
        for (group, operation) in numbered {
            let place = &mut ends[group as usize];
            operations[*place as usize] = operation;
            *place += 1;
        }
        // Filling moved each start to its end, which is the next one's start.
        Self { ends, operations }
    }

    /// How many operations there are in all groups.
    pub(super) fn len(&self) -> usize {
        self.operations.len()
    }

    pub(super) fn get(&self, group: u32) -> &[u32] {
        let group = group as usize;
        let start = if group == 0 { 0 } else { self.ends[group - 1] };
        &self.operations[start as usize..self.ends[group] as usize]
    }
}
