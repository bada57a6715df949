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

use crate::history::{History, Operation, Outcome};
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

/// Judges the windows after recovery. `Vacuous` if none can be judged.
///
/// # Panics
/// If the window or the denominator is zero, or the share more than the whole.
pub fn check(history: &History, options: &RecoveryOptions) -> Verdict {
    let Share {
        numerator,
        denominator,
    } = options.share;
    assert!(options.window_ns > 0, "a window lasts for some time");
    assert!(
        0 < denominator && numerator <= denominator,
        "a share is of a whole"
    );
    let windows = windows(history, options);
    let judged = windows.iter().filter(|window| window.invoked > 0);
    let bad = |window: &&Window| !window.is_served(options.share);
    if let Some(window) = judged.clone().find(bad) {
        let bad_count = judged.clone().filter(bad).count();
        let mut anomaly = anomaly(window, options);
        anomaly.explanation.push(format!(
            "{bad_count} of {} windows with operations were served too little.",
            judged.count()
        ));
        return Verdict::Invalid(anomaly);
    }
    if judged.count() == 0 {
        return Verdict::Vacuous(
            "no operation was invoked in a whole window after the system had to be well".to_owned(),
        );
    }
    Verdict::Valid { witness: None }
}

/// The operations invoked in a window.
#[derive(Clone, Default)]
struct Window {
    start_ns: u64,
    invoked: u64,
    succeeded: u64,
    /// The first of the others.
    others: Vec<usize>,
}

impl Window {
    fn is_served(&self, share: Share) -> bool {
        u128::from(self.succeeded) * u128::from(share.denominator)
            >= u128::from(self.invoked) * u128::from(share.numerator)
    }

    fn add(&mut self, operation: Operation<'_>) {
        const TOLD_MAX: usize = 16;
        self.invoked += 1;
        if operation.outcome == Outcome::Ok {
            self.succeeded += 1;
        } else if self.others.len() < TOLD_MAX {
            self.others.push(operation.id);
        }
    }
}

/// The windows in which something was invoked, in order.
fn windows(history: &History, options: &RecoveryOptions) -> Vec<Window> {
    let window_ns = options.window_ns;
    let start_ns = options.healed_ns.saturating_add(options.bound_ns);
    let times = history.events().iter().map(|event| event.time_ns);
    let end_ns = times.max().unwrap_or(0);
    let mut windows: std::collections::BTreeMap<u64, Window> = std::collections::BTreeMap::new();
    for operation in history.operations() {
        let Some(since_ns) = operation.invoked_ns.checked_sub(start_ns) else {
            continue;
        };
        let number = since_ns / window_ns;
        let window_start_ns = start_ns + number * window_ns;
        let is_whole = end_ns - window_start_ns >= window_ns;
        let is_open = operation.completed_ns.is_none();
        let says_nothing = is_open && end_ns - operation.invoked_ns < window_ns;
        if is_whole && !says_nothing {
            let window = windows.entry(number).or_default();
            window.start_ns = window_start_ns;
            window.add(operation);
        }
    }
    windows.into_values().collect()
}

fn anomaly(window: &Window, options: &RecoveryOptions) -> Anomaly {
    let RecoveryOptions {
        healed_ns,
        window_ns,
        share,
        ..
    } = *options;
    let Window {
        start_ns,
        invoked,
        succeeded,
        ..
    } = *window;
    Anomaly {
        checker: "recovery".to_owned(),
        class: "no-recovery".to_owned(),
        sentence: format!(
            "Of {invoked} operations invoked from {start_ns} to {} ns only {succeeded} succeeded, \
             although all faults were healed at {healed_ns} ns and {} of {} must succeed from {} ns on.",
            start_ns + window_ns,
            share.numerator,
            share.denominator,
            healed_ns.saturating_add(options.bound_ns),
        ),
        witness: window.others.clone(),
        ..Anomaly::default()
    }
}
