//! A place where tasks wait for each other.

use std::cell::Cell;

use tokio::sync::Notify;

/// Lets so many tasks go on once all of them have come; for one time.
///
/// tokio's `Barrier` draws from a generator that is seeded from a counter of the process: in what order its
/// tasks go on depends on how many runs the process has seen.
pub(crate) struct Gathering {
    missing: Cell<usize>,
    is_complete: Notify,
}

impl Gathering {
    pub(crate) fn of(count: usize) -> Self {
        Self {
            missing: Cell::new(count),
            is_complete: Notify::new(),
        }
    }

    /// Comes, and waits for all others.
    pub(crate) async fn wait(&self) {
        let is_complete = self.is_complete.notified();
        let missing = self.missing.get().saturating_sub(1);
        self.missing.set(missing);
        if missing == 0 {
            self.is_complete.notify_waiters();
        }
        is_complete.await;
    }
}
