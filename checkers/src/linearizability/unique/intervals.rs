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
    /// The event of its invocation or its return.
    pub(super) fn event(self, is_return: bool) -> u32 {
        if is_return {
            self.returned
        } else {
            self.invoked
        }
    }

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
    /// How many events there may be to each operation for them to be sorted by their indices.
    const EVENTS_PER_OPERATION_MAX: usize = 8;

    /// Those of the operations that are [`Some`]. Linear in time if events are dense, as those of
    /// a whole history are.
    pub(super) fn new(spans: impl Iterator<Item = Option<Span>> + Clone) -> Self {
        let mut moments = 0;
        let mut event_max = 0;
        for span in spans.clone().flatten() {
            moments += 1;
            event_max = event_max.max(span.invoked);
            if span.returned != NEVER {
                moments += 1;
                event_max = event_max.max(span.returned);
            }
        }
        assert!(moments < u32::MAX as usize / 2, "{moments} moments");
        let event_count = event_max as usize + 1;
        if event_count <= moments * Self::EVENTS_PER_OPERATION_MAX / 2 {
            Self::by_event(spans, event_count)
        } else {
            Self::by_sorting(spans, moments)
        }
    }

    fn by_event(spans: impl Iterator<Item = Option<Span>>, event_count: usize) -> Self {
        let mut slots = vec![NONE; event_count];
        let mut put = |event: u32, moment: u32| {
            let slot = &mut slots[event as usize];
            assert!(*slot == NONE, "two moments at event {event}");
            *slot = moment;
        };
        for (operation, span) in (0..).zip(spans) {
            let Some(span) = span else { continue };
            put(span.invoked, operation << 1);
            if span.returned != NEVER {
                put(span.returned, operation << 1 | 1);
            }
        }
        Self(slots)
    }

    fn by_sorting(spans: impl Iterator<Item = Option<Span>>, moments: usize) -> Self {
        let mut keyed = Vec::with_capacity(moments);
        let key = |event: u32, moment: u32| u64::from(event) << 32 | u64::from(moment);
        for (operation, span) in (0_u32..).zip(spans) {
            let Some(span) = span else { continue };
            keyed.push(key(span.invoked, operation << 1));
            if span.returned != NEVER {
                keyed.push(key(span.returned, operation << 1 | 1));
            }
        }
        keyed.sort_unstable();
        Self(keyed.into_iter().map(|key| key as u32).collect())
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = Moment> {
        let taken = self.0.iter().filter(|&&moment| moment != NONE);
        taken.map(|&moment| Moment {
            operation: moment >> 1,
            is_return: moment & 1 == 1,
        })
    }
}

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
