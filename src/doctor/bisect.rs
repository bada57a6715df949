//! The bisector: the first decision in which two runs of one plan differ.
//!
//! Runs leave the chain of their decisions' hashes at every [`STRIDE`]th decision. Chains that have
//! parted never meet again, so the first checkpoint that differs brackets the first decision that does;
//! both runs are made again with a window there. Runs that race part somewhere else each time: then
//! the window grows until it has caught them, or the bracket is all that can be said.

use std::ops::Range;

use squall_sim::engine::{Decision, STRIDE, Trace};

/// What came of comparing two runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Comparison {
    /// They were equal, each of their so many decisions.
    Equal {
        decisions: u64,
    },
    Differ(Box<Divergence>),
}

/// Where two runs part.
#[derive(Clone, Debug, PartialEq)]
pub struct Divergence {
    /// The first decision that differs is one of these.
    pub within: Range<u64>,
    /// The first decision that differs, as each run took it; `None` for a run that ended before. Both
    /// are `None` if the runs part somewhere else each time.
    pub sides: [Option<Decision>; 2],
    /// The last decision that they had in common, if it is known.
    pub common: Option<Decision>,
}

/// How often two runs are made again to catch them.
const ATTEMPTS: usize = 8;
/// A window has no more decisions than this: each is told in full.
const WINDOW_MAX: u64 = 16 * STRIDE;
/// How many decisions are told in front of the bracket.
const LEAD: u64 = 16;

/// Compares two runs. `run` makes one of them (0 or 1) with a window; `repeats` is how often runs that
/// look equal are made.
///
/// # Errors
/// Those of `run`.
pub fn compare<E>(
    repeats: usize,
    mut run: impl FnMut(usize, Range<u64>) -> Result<Trace, E>,
) -> Result<Comparison, E> {
    let mut pair = |window: &Range<u64>| Ok([run(0, window.clone())?, run(1, window.clone())?]);
    let mut equal = 0;
    let mut bracket = None;
    for _ in 0..repeats {
        let [left, right] = pair(&(0..0))?;
        bracket = bracket_of(&left, &right);
        if bracket.is_some() {
            break;
        }
        equal = left.count;
    }
    let Some(mut bracket) = bracket else {
        return Ok(Comparison::Equal { decisions: equal });
    };
    let mut window = window_around(&bracket);
    for _ in 0..ATTEMPTS {
        let [left, right] = pair(&window)?;
        let Some(found) = bracket_of(&left, &right) else {
            continue;
        };
        if let Some(divergence) = first_difference(&left, &right, &found) {
            return Ok(Comparison::Differ(Box::new(divergence)));
        }
        window = widened(&window, &window_around(&found));
        bracket = bracket.start.min(found.start)..bracket.end.max(found.end);
    }
    Ok(Comparison::Differ(Box::new(Divergence {
        within: bracket,
        sides: [None, None],
        common: None,
    })))
}

/// The decisions that the first difference is one of, by the chains' checkpoints alone.
fn bracket_of(left: &Trace, right: &Trace) -> Option<Range<u64>> {
    let pairs = left.checkpoints.iter().zip(&right.checkpoints);
    let equal = pairs.take_while(|(left, right)| left == right).count() as u64;
    let is_equal = (left.count, left.end) == (right.count, right.end);
    (!is_equal).then(|| {
        let end = (equal + 1) * STRIDE;
        equal * STRIDE..end.min(left.count.max(right.count))
    })
}

fn window_around(bracket: &Range<u64>) -> Range<u64> {
    bracket.start.saturating_sub(LEAD)..bracket.end
}

/// A window that has both, or the second alone if that would be too much.
fn widened(window: &Range<u64>, new: &Range<u64>) -> Range<u64> {
    let both = window.start.min(new.start)..window.end.max(new.end);
    match both.end - both.start {
        ..=WINDOW_MAX => both,
        _ => new.clone(),
    }
}

/// The first difference, if the windows have the whole bracket.
fn first_difference(left: &Trace, right: &Trace, bracket: &Range<u64>) -> Option<Divergence> {
    let first = left.window.iter().chain(&right.window).next()?.number;
    if first > bracket.start {
        return None;
    }
    let (ours, theirs) = (&left.window, &right.window);
    let common = ours
        .iter()
        .zip(theirs)
        .take_while(|(left, right)| left.chain == right.chain)
        .count();
    let sides = [ours.get(common), theirs.get(common)].map(Option::<&Decision>::cloned);
    let number = sides.iter().flatten().next()?.number;
    bracket.contains(&number).then(|| Divergence {
        within: number..number + 1,
        sides,
        common: common.checked_sub(1).map(|last| ours[last].clone()),
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use squall_sim::engine::DecisionKind;

    use super::*;

    /// The trace of a run whose decisions are these words.
    fn trace(words: &[u64], window: Range<u64>) -> Trace {
        let mut chain = 1_u64;
        let mut trace = Trace {
            count: words.len() as u64,
            ..Trace::default()
        };
        for (number, word) in (0..).zip(words) {
            chain = chain.wrapping_mul(31).wrapping_add(*word);
            if (number + 1) % STRIDE == 0 {
                trace.checkpoints.push(chain);
            }
            if window.contains(&number) {
                trace.window.push(Decision {
                    number,
                    kind: DecisionKind::Note,
                    what: *word,
                    event: String::new(),
                    chain,
                    time_ns: number,
                    node: String::new(),
                    incarnation: 1,
                    task: String::new(),
                    callers: Vec::new(),
                    log: Vec::new(),
                });
            }
        }
        trace.end = chain;
        trace
    }

    fn compare_words(mut words: impl FnMut(usize) -> Vec<u64>) -> Comparison {
        let run = |side, window| Ok::<_, Infallible>(trace(&words(side), window));
        match compare(3, run) {
            Ok(comparison) => comparison,
        }
    }

    #[test]
    fn equal_runs_are_equal() {
        let comparison = compare_words(|_| vec![7; 5000]);
        assert_eq!(comparison, Comparison::Equal { decisions: 5000 });
    }

    #[test]
    fn the_first_decision_that_differs_is_found_wherever_it_is() {
        for at in [0, 1, 1022, 1023, 1024, 1025, 4095, 4999] {
            let comparison = compare_words(|side| {
                let mut words = vec![7; 5000];
                words[at] += side as u64;
                words
            });
            let Comparison::Differ(found) = comparison else {
                panic!("the difference at {at} was not found");
            };
            assert_eq!(found.within, at as u64..at as u64 + 1);
            assert_eq!(
                found.sides.map(|side| side.map(|side| side.what)),
                [Some(7), Some(8)]
            );
            assert_eq!(
                found.common.map(|common| common.number),
                at.checked_sub(1).map(|at| at as u64)
            );
        }
    }

    #[test]
    fn a_run_that_ends_early_differs_where_it_ends() {
        for length in [1024, 1500, 2048] {
            let comparison = compare_words(|side| vec![7; [length, 3000][side]]);
            let Comparison::Differ(found) = comparison else {
                panic!("the end at {length} was not found");
            };
            assert_eq!(found.within.start, length as u64);
            assert!(found.sides[0].is_none() && found.sides[1].is_some());
        }
    }

    #[test]
    fn runs_that_part_somewhere_else_each_time_are_caught_or_bracketed() {
        let mut runs = 0_u64;
        let comparison = compare_words(|_| {
            runs += 1;
            let mut words = vec![7; 20_000];
            words[(runs * 997 % 3000) as usize] = 1000 + runs;
            words
        });
        let Comparison::Differ(found) = comparison else {
            panic!("runs that always differ were called equal");
        };
        assert!(found.sides.iter().all(Option::is_some), "{found:?}");
    }
}
