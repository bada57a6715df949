//! How much of the time, and of what was asked of it, a system served.
//!
//! Maelstrom's availability checker, and what is drawn over a run with faults: windows of time one after
//! another, and in each which share of the operations that were invoked in it succeeded. A system may
//! promise a share of all operations, and of each window. [`super::recovery`] asks the same only of the
//! time after faults.
//!
//! To succeed is to end in `ok`, however late. Any operations will do. O(n log n).

use super::recovery::Share;
use super::windows::windows;
use crate::history::{History, Outcome};
use crate::verdict::{Anomaly, Verdict};

pub use super::windows::Window;

/// What a system promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvailabilityOptions {
    /// Which share of all operations must succeed.
    pub min: Share,
    /// How long a window is, if each must be served so.
    pub window_ns: Option<u64>,
}

impl Default for AvailabilityOptions {
    /// Every operation must succeed.
    fn default() -> Self {
        let all = Share {
            numerator: 1,
            denominator: 1,
        };
        Self {
            min: all,
            window_ns: None,
        }
    }
}

/// Judges the share of operations that succeeded. `Vacuous` if there were none.
///
/// # Panics
/// If the window is zero, or the share more than the whole or of nothing.
pub fn check(history: &History, options: &AvailabilityOptions) -> Verdict {
    let AvailabilityOptions { min, window_ns } = *options;
    let operations = history.operations();
    if operations.is_empty() {
        return Verdict::Vacuous("nothing was done".to_owned());
    }
    let ok = operations
        .iter()
        .filter(|it| it.outcome == Outcome::Ok)
        .count();
    let of = format!("{} of {} must", min.numerator, min.denominator);
    if !min.is_met(ok as u64, operations.len() as u64) {
        let count = operations.len();
        let sentence = format!("Of all {count} operations only {ok} succeeded, but {of}.");
        return invalid(sentence, Vec::new());
    }
    let windows = window_ns.map_or_else(Vec::new, |window_ns| windows(history, 0, window_ns));
    let Some(bad) = windows.iter().find(|window| !window.is_served(min)) else {
        return Verdict::Valid { witness: None };
    };
    let sentence = format!(
        "Of {} operations invoked from {} to {} ns only {} succeeded, but {of}.",
        bad.invoked, bad.start_ns, bad.end_ns, bad.succeeded
    );
    invalid(sentence, bad.others.clone())
}

fn invalid(sentence: String, witness: Vec<usize>) -> Verdict {
    Verdict::Invalid(Anomaly {
        checker: "availability".to_owned(),
        class: "unavailable".to_owned(),
        sentence,
        witness,
        ..Anomaly::default()
    })
}

/// How a system served from window to window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Availability {
    /// Those in which something was invoked, in order.
    pub windows: Vec<Window>,
    /// The longest time from one success to the next, in ns, and when it began. The beginning and the end
    /// of the history count as successes.
    pub longest_outage: Option<(u64, u64)>,
}

/// How the system served in each whole window of the history.
///
/// # Panics
/// If the window is zero.
pub fn availability(history: &History, window_ns: u64) -> Availability {
    let ok = history
        .operations()
        .iter()
        .filter(|it| it.outcome == Outcome::Ok);
    let mut times_ns: Vec<u64> = ok.filter_map(|it| it.completed_ns).collect();
    let ends_ns = history.events().iter().map(|event| event.time_ns);
    times_ns.extend(ends_ns.clone().min());
    times_ns.extend(ends_ns.max());
    times_ns.sort_unstable();
    let gaps = times_ns.windows(2).map(|pair| (pair[1] - pair[0], pair[0]));
    Availability {
        windows: windows(history, 0, window_ns),
        longest_outage: gaps.max_by_key(|&(gap_ns, start_ns)| (gap_ns, u64::MAX - start_ns)),
    }
}

/// How long after `healed_ns` the first window begins from which on every window is served. Windows
/// begin there. `None` if the last window is not served, or there is none.
///
/// # Panics
/// If the window is zero, or the share more than the whole or of nothing.
pub fn time_to_recover_ns(
    history: &History,
    healed_ns: u64,
    window_ns: u64,
    share: Share,
) -> Option<u64> {
    let windows = windows(history, healed_ns, window_ns);
    let served = windows
        .iter()
        .rev()
        .take_while(|window| window.is_served(share));
    let first = served.last()?;
    Some(first.start_ns - healed_ns)
}
