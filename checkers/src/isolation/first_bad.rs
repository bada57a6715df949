//! The first event with which a history is impossible, by as few judgements of prefixes as may be.
//!
//! What completes later may have happened or not; a history that is possible stays so when less is
//! known of it. So a search among the completions finds the event. What is found in a prefix mostly
//! became certain at the very event sought: that the prefix before it is possible is tried first. Where
//! it is not, steps grow from the beginning on, so that early events cost little, and then halve what is
//! left.

/// What the events up to one tell.
pub(super) enum Prefix {
    Possible,
    /// Something was found that is certain since this event, which is one of them.
    Impossible {
        since: u32,
    },
    /// The limits do not allow to tell.
    Unknown,
}

/// No step from the beginning on is shorter than this many completions.
const STEP_MIN: usize = 1000;

/// The first of the completions, which stand in order, with which the history is impossible, as it is
/// since one of them. O(log n) judgements.
pub(super) fn first_bad_event(
    completions: &[u32],
    since: u32,
    judge: &mut dyn FnMut(u32) -> Prefix,
) -> Option<usize> {
    let place_of = |since: u32| completions.partition_point(|&event| event < since);
    // The place of the event is one from `good` up to `bad`.
    let (mut good, mut bad) = (0, place_of(since).min(completions.len().checked_sub(1)?));
    // Each third time by halves: where there is much to find, what is found leads back by little.
    for is_led in [true, true, false].into_iter().cycle() {
        if good >= bad {
            break;
        }
        let middle = (good + (bad - good) / 2).min(good * 4 + STEP_MIN);
        let place = if is_led { bad - 1 } else { middle };
        match judge(completions[place]) {
            Prefix::Possible => good = place + 1,
            Prefix::Impossible { since } => bad = place_of(since).min(place),
            Prefix::Unknown => return None,
        }
    }
    Some(completions[bad] as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is found first, the event is found, and soon if there is only that.
    #[test]
    fn the_first_is_found_whatever_is_found_before() {
        let completions: Vec<u32> = (0..50_000).map(|place| place * 3).collect();
        for first in [0, 1, 2, 999, 1000, 20_000, 49_998, 49_999] {
            for apart in [0, 1, 7, 1000] {
                let mut judged = 0;
                let last = (first + 3 * apart).min(49_999);
                let found = first_bad_event(&completions, last * 3, &mut |event| {
                    judged += 1;
                    if event < first * 3 {
                        return Prefix::Possible;
                    }
                    let before = (event / 3).saturating_sub(apart);
                    let since = before.max(first) * 3;
                    Prefix::Impossible { since }
                });
                assert_eq!(found, Some(first as usize * 3));
                assert!(judged <= if apart == 0 { 1 } else { 60 }, "{judged}");
            }
        }
        assert_eq!(first_bad_event(&[], 0, &mut |_| Prefix::Unknown), None);
    }
}
