//! Does the system serve again, once faults are healed?
//!
//! A safe system that stands still breaks no law of order, so its throughput needs a law of its own:
//! from `bound_ns` after the last fault was healed, at least `share` of the operations that are
//! invoked in each window of time succeed. Metastable failures (Bronson et al., "Metastable failures
//! in distributed systems", HotOS 2021) are what it finds: overload that outlives its cause.
//!
//! - Windows lie one after another; one that reaches beyond the last event is not judged.
//! - To succeed is to end in `ok`, however late.
//! - An operation that is still open at the end counts as unsuccessful once it has been so for a
//!   window's time; before that it says nothing.
//! - A window in which nothing was invoked says nothing: clients must not wait for ever.
//!
//! Any operations will do. O(n).

use super::windows::{Window, windows};
use crate::history::History;
use crate::verdict::{Anomaly, Verdict};

/// When, and how well, a system must serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryOptions {
    /// When the last fault was healed.
    pub healed_ns: u64,
    /// How long the system may take to recover from there.
    pub bound_ns: u64,
    /// How long a window is; not zero.
    pub window_ns: u64,
    /// Which share of a window's operations must succeed.
    pub share: Share,
}

/// A share of a whole, such as 9 of 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub numerator: u64,
    /// Not zero.
    pub denominator: u64,
}

impl Share {
    /// Whether so many of a count are the share or more.
    ///
    /// # Panics
    /// If the share is more than the whole or of nothing.
    pub fn is_met(self, part: u64, whole: u64) -> bool {
        let Self {
            numerator,
            denominator,
        } = self;
        assert!(
            0 < denominator && numerator <= denominator,
            "a share is of a whole"
        );
        u128::from(part) * u128::from(denominator) >= u128::from(whole) * u128::from(numerator)
    }
}

/// Judges the windows after recovery. `Vacuous` if none can be judged.
///
/// # Panics
/// If the window or the denominator is zero, or the share more than the whole.
pub fn check(history: &History, options: &RecoveryOptions) -> Verdict {
    let start_ns = options.healed_ns.saturating_add(options.bound_ns);
    let windows = windows(history, start_ns, options.window_ns);
    let bad = |window: &&Window| !window.is_served(options.share);
    if let Some(window) = windows.iter().find(bad) {
        let bad_count = windows.iter().filter(bad).count();
        let mut anomaly = anomaly(window, options);
        anomaly.explanation.push(format!(
            "{bad_count} of {} windows with operations were served too little.",
            windows.len()
        ));
        return Verdict::Invalid(anomaly);
    }
    if windows.is_empty() {
        return Verdict::Vacuous(
            "no operation was invoked in a whole window after the system had to be well".to_owned(),
        );
    }
    Verdict::Valid { witness: None }
}

fn anomaly(window: &Window, options: &RecoveryOptions) -> Anomaly {
    let RecoveryOptions {
        healed_ns, share, ..
    } = *options;
    let Window {
        start_ns,
        end_ns,
        invoked,
        succeeded,
        ..
    } = *window;
    Anomaly {
        checker: "recovery".to_owned(),
        class: "no-recovery".to_owned(),
        sentence: format!(
            "Of {invoked} operations invoked from {start_ns} to {end_ns} ns only {succeeded} succeeded, \
             although all faults were healed at {healed_ns} ns and {} of {} must succeed from {} ns on.",
            share.numerator,
            share.denominator,
            healed_ns.saturating_add(options.bound_ns),
        ),
        witness: window.others.clone(),
        ..Anomaly::default()
    }
}
