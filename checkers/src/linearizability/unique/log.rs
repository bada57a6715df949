//! A log to which every element is appended at most once, and which is read as a whole: linear in the
//! size of all reads, and O(n log n) in the number of operations.
//!
//! Every read is a prefix of the longest, which says in which order the elements came (see
//! [`super::growth`] for the walk over the reads). Uncertain appends count as far as somebody saw
//! what they brought.

use super::decision::{Conflict, Decision};
use super::growth::{Adders, Growing, GrowthAction, Walk, capitalised};
use super::intervals::{NEVER, NONE};
use crate::sorting::sort_by_number;

/// Judges appends and reads.
pub(crate) fn decide(log: &Growing<'_>) -> Decision {
    log.decided_by(judge)
}

fn judge(log: &Growing<'_>) -> Decision {
    if let Some(element) = appended_twice(log) {
        let told = (log.name)(element);
        return Decision::Undecided(format!("element {told} was appended more than once"));
    }
    match order(log) {
        Ok(order) => Decision::Order(order),
        Err(conflict) => Decision::Conflict(conflict),
    }
}

fn appended_twice(log: &Growing<'_>) -> Option<u32> {
    let mut is_appended = vec![false; log.element_count];
    let mut appended = log
        .operations
        .iter()
        .filter_map(|operation| match operation.action {
            GrowthAction::Add(element) => Some(element),
            GrowthAction::Read(_) => None,
        });
    appended.find(|&element| std::mem::replace(&mut is_appended[element as usize], true))
}

fn order(log: &Growing<'_>) -> Result<Vec<u32>, Conflict> {
    let adders = log.adders();
    let mut is_shown = vec![false; log.element_count];
    let mut reads = log.reads();
    sort_by_number(&mut reads, |&read| log.shown(read).len());
    let mut walk = Walk::new(log);
    for read in reads {
        let shown = log.shown(read);
        let known = walk.last_read().map_or(&[][..], |last| log.shown(last));
        if !shown.starts_with(known)
            && let Some(last) = walk.last_read()
        {
            return Err(no_prefix(log, last, read));
        }
        for &element in &shown[known.len()..] {
            let Adders { begun, .. } = adders[element as usize];
            if begun == NONE {
                return Err(log.unadded(element, read));
            }
            if std::mem::replace(&mut is_shown[element as usize], true) {
                return Err(shown_twice(log, element, read));
            }
            walk.append(begun, element, read)?;
        }
        walk.read(read)?;
    }
    for (number, operation) in log.numbered() {
        if let GrowthAction::Add(element) = operation.action
            && operation.span.returned != NEVER
            && !is_shown[element as usize]
        {
            walk.add(number, element)?;
        }
    }
    Ok(walk
        .placed
        .into_iter()
        .map(|(_, operation)| operation)
        .collect())
}

fn no_prefix(log: &Growing<'_>, shorter: u32, longer: u32) -> Conflict {
    let [first, second] = [shorter, longer].map(|read| log.shown(read));
    let differs = first
        .iter()
        .zip(second)
        .position(|(left, right)| left != right);
    let place = differs.unwrap_or(first.len());
    let told = |elements: &[u32]| {
        let element = elements.get(place);
        element.map_or_else(String::new, |&element| (log.name)(element))
    };
    let sentence = format!(
        "{} shows {} at place {place}, but {} shows {} there.",
        capitalised(&log.the(shorter)),
        told(first),
        log.the(longer),
        told(second),
    );
    Conflict::new("incomparable-reads", sentence, &[shorter, longer])
}

fn shown_twice(log: &Growing<'_>, element: u32, read: u32) -> Conflict {
    let (told, the) = ((log.name)(element), log.the(read));
    let sentence = format!("Element {told} was appended once, but {the} shows it twice.");
    Conflict::new("duplicate-element", sentence, &[read])
}

#[cfg(test)]
mod tests {
    use super::super::brute_force::{Object, Tally};
    use super::super::growth::Lists;
    use super::super::growth_cases::{Told, check, check_all, history};
    use super::super::intervals::Span;
    use super::*;
    use crate::random::{Random, cases};
    use std::marker::PhantomData;

    struct AppendLog<'a>(PhantomData<&'a ()>);

    impl<'a> Object for AppendLog<'a> {
        type State = Vec<u32>;
        type Operation = Told<'a>;

        fn initial(&self) -> Vec<u32> {
            Vec::new()
        }

        fn span(&self, operation: Told<'a>) -> Span {
            operation.span()
        }

        fn step(&self, state: &Vec<u32>, operation: Told<'a>) -> Option<Vec<u32>> {
            let mut state = state.clone();
            if let GrowthAction::Add(element) = operation.action {
                state.push(element);
            }
            let shown = operation.shown();
            shown.is_none_or(|shown| shown == state).then_some(state)
        }
    }

    #[test]
    fn agrees_with_every_order_on_all_small_histories() {
        let mut reads = Lists::default();
        for shown in [&[][..], &[0], &[1], &[1, 0], &[0, 1]] {
            reads.push(shown.iter().copied());
        }
        let tally = check_all(&AppendLog(PhantomData), decide, &reads, 5);
        tally.require_many();
    }

    #[test]
    fn agrees_with_every_order_on_random_histories() {
        let mut random = Random(5);
        let mut tally = Tally::default();
        for _ in 0..cases(20_000) {
            let (count, open_max) = (3 + random.below(7) as usize, 2 + random.below(4) as usize);
            let (operations, reads) = history(&mut random, count, open_max, 40);
            check(
                &AppendLog(PhantomData),
                decide,
                &operations,
                &reads,
                &mut tally,
            );
        }
        tally.require_many();
    }
}
