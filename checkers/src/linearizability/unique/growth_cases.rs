//! Growing objects for tests: histories of them, true and false, and how they are judged.

use super::brute_force::{Object, Tally, compare, visit_all};
use super::decision::Decision;
use super::growth::{Growing, GrowthAction, GrowthOperation, Lists};
use super::intervals::{NEVER, Span};
use crate::random::Random;

/// A read that was made certain or not, or an addition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a> {
    span: Span,
    pub(super) action: GrowthAction,
    reads: &'a Lists,
}

impl Told<'_> {
    /// What it read, if it is a read that returned.
    pub(super) fn shown(&self) -> Option<&[u32]> {
        match self.action {
            GrowthAction::Read(list) if self.span.returned != NEVER => Some(self.reads.get(list)),
            _ => None,
        }
    }

    pub(super) fn span(&self) -> Span {
        self.span
    }
}

/// Compares a decision with the search through every order.
pub(super) fn check<'a, O: Object<Operation = Told<'a>>>(
    object: &O,
    decide: fn(&Growing<'_>) -> Decision,
    operations: &[GrowthOperation],
    reads: &'a Lists,
    tally: &mut Tally,
) {
    let decision = decide(&Growing {
        operations,
        reads,
        element_count: 16,
        name: &|element| element.to_string(),
    });
    let told: Vec<Told<'a>> = operations
        .iter()
        .map(|&GrowthOperation { span, action }| Told {
            span,
            action,
            reads,
        })
        .collect();
    let relaxed = |told: Told<'a>| Told {
        span: Span {
            returned: NEVER,
            ..told.span
        },
        ..told
    };
    compare(object, &told, &decision, relaxed, tally);
}

/// Compares on all histories of at most 4 operations: additions of 0 and 1, and reads of these lists.
pub(super) fn check_all<'a, O: Object<Operation = Told<'a>>>(
    object: &O,
    decide: fn(&Growing<'_>) -> Decision,
    reads: &'a Lists,
    read_count: u32,
) -> Tally {
    let additions = [0, 1].map(GrowthAction::Add);
    let menu: Vec<GrowthAction> = additions
        .into_iter()
        .chain((0..read_count).map(GrowthAction::Read))
        .collect();
    let mut tally = Tally::default();
    visit_all(&menu, 3, |begun: &[(Span, GrowthAction)]| {
        let operations: Vec<GrowthOperation> = begun
            .iter()
            .map(|&(span, action)| GrowthOperation { span, action })
            .collect();
        check(object, decide, &operations, reads, &mut tally);
    });
    tally
}

/// What a log really answers, but for a few lies.
pub(super) fn history(
    random: &mut Random,
    count: usize,
    open_max: usize,
    duplicates: u32,
) -> (Vec<GrowthOperation>, Lists) {
    let spans = random.spans(count, open_max);
    let uncertain = 2 + random.below(8);
    let mut by_moment: Vec<usize> = (0..count).collect();
    by_moment.sort_by_key(|&index| (spans[index].1, index));
    let mut reads = Lists::default();
    let mut operations: Vec<Option<GrowthOperation>> = vec![None; count];
    let (mut state, mut fresh) = (Vec::new(), 0);
    for index in by_moment {
        let (mut span, _) = spans[index];
        if random.one_in(uncertain) {
            span.returned = NEVER;
        }
        let happens = span.returned != NEVER || random.one_in(2);
        let action = if random.one_in(2) {
            let element = if random.one_in(duplicates) {
                random.below(fresh + 1)
            } else {
                fresh
            };
            fresh = fresh.max(element + 1);
            if happens && !random.one_in(30) {
                state.push(element);
            }
            GrowthAction::Add(element)
        } else {
            let mut shown = state.clone();
            if random.one_in(10) && !shown.is_empty() {
                shown.remove(random.below(shown.len() as u32) as usize);
            }
            if random.one_in(20) {
                shown.push(random.below(fresh + 1));
            }
            if random.one_in(20) {
                shown.reverse();
            }
            GrowthAction::Read(reads.push(shown))
        };
        operations[index] = Some(GrowthOperation { span, action });
    }
    (operations.into_iter().flatten().collect(), reads)
}
