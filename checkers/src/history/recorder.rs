//! Records what clients do while they do it.

use super::{
    EventKind, EventRef, History, HistoryBuilder, HistoryError, ProcessReuse, Value, ValueRef,
};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A history that grows while clients act. Threads may share it: the order in which they call it is
/// the order of events, so call [`Recorder::invoke`] before a request leaves and the others after its
/// answer came.
///
/// A process does one thing at a time, and is never used again after [`Recorder::info`]: its client
/// goes on under another number.
pub struct Recorder {
    builder: Mutex<HistoryBuilder>,
    clock: Option<Box<dyn Fn() -> u64 + Send + Sync>>,
}

/// An operation that was invoked. It ends by [`Recorder::ok`], [`Recorder::fail`] or
/// [`Recorder::info`]; where it is dropped instead, nobody knows how the operation ended.
#[must_use = "an operation that nobody ends may have happened or not"]
#[derive(Debug)]
pub struct Token {
    process: u64,
    f: Box<str>,
}

impl Recorder {
    /// Records without times.
    pub fn new() -> Self {
        Self {
            builder: Mutex::new(HistoryBuilder::new(ProcessReuse::Refused)),
            clock: None,
        }
    }

    /// Records the time of each event, in nanoseconds since some start.
    pub fn with_clock(clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self {
            clock: Some(Box::new(clock)),
            ..Self::new()
        }
    }

    /// An operation begins.
    ///
    /// # Errors
    /// Where the process is inside another, or its last one ended in `info`.
    pub fn invoke(
        &self,
        process: u64,
        f: &str,
        input: impl Into<Value>,
    ) -> Result<Token, HistoryError> {
        self.begin(process, f, None, &input.into())
    }

    /// As [`Recorder::invoke`], of an operation on a key.
    ///
    /// # Errors
    /// As [`Recorder::invoke`].
    pub fn invoke_on(
        &self,
        process: u64,
        f: &str,
        key: impl Into<Value>,
        input: impl Into<Value>,
    ) -> Result<Token, HistoryError> {
        self.begin(process, f, Some(&key.into()), &input.into())
    }

    /// The operation took effect and returned this.
    ///
    /// # Errors
    /// Where the history is too large, or the token is another recorder's.
    pub fn ok(&self, token: Token, output: impl Into<Value>) -> Result<(), HistoryError> {
        self.end(&token, EventKind::Ok, &output.into(), None)
    }

    /// The operation certainly did not take effect.
    ///
    /// # Errors
    /// As [`Recorder::ok`].
    pub fn fail(&self, token: Token, why: &str) -> Result<(), HistoryError> {
        self.end(&token, EventKind::Fail, &Value::Nil, Some(why))
    }

    /// Nobody knows whether the operation took effect, or will.
    ///
    /// # Errors
    /// As [`Recorder::ok`].
    pub fn info(&self, token: Token, why: &str) -> Result<(), HistoryError> {
        self.end(&token, EventKind::Info, &Value::Nil, Some(why))
    }

    /// What was recorded so far.
    pub fn history(&self) -> History {
        self.builder().history().clone()
    }

    pub fn finish(self) -> History {
        let builder = self.builder.into_inner();
        builder.unwrap_or_else(PoisonError::into_inner).finish()
    }

    fn begin(
        &self,
        process: u64,
        f: &str,
        key: Option<&Value>,
        input: &Value,
    ) -> Result<Token, HistoryError> {
        self.push(EventRef {
            process,
            kind: EventKind::Invoke,
            f,
            key: key.map(ValueRef::from),
            value: input.into(),
            time_ns: 0,
            error: None,
        })?;
        let f = f.into();
        Ok(Token { process, f })
    }

    fn end(
        &self,
        token: &Token,
        kind: EventKind,
        value: &Value,
        error: Option<&str>,
    ) -> Result<(), HistoryError> {
        self.push(EventRef {
            process: token.process,
            kind,
            f: &token.f,
            key: None,
            value: value.into(),
            time_ns: 0,
            error,
        })
    }

    /// The clock is read where the order is decided, so that times go with the order.
    fn push(&self, event: EventRef<'_>) -> Result<(), HistoryError> {
        let mut builder = self.builder();
        let time_ns = self.clock.as_ref().map_or(0, |clock| clock());
        builder.push_ref(EventRef { time_ns, ..event })
    }

    /// A thread that panicked elsewhere left whole events.
    fn builder(&self) -> MutexGuard<'_, HistoryBuilder> {
        self.builder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Outcome;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn threads_share_a_recorder() {
        let ticks = AtomicU64::new(1);
        let recorder = Recorder::with_clock(move || ticks.fetch_add(1, Ordering::Relaxed));
        std::thread::scope(|scope| {
            for process in 0..4 {
                let recorder = &recorder;
                scope.spawn(move || {
                    for number in 0..100 {
                        let token = recorder.invoke(process, "write", number).expect("idle");
                        recorder.ok(token, number).expect("room");
                    }
                });
            }
        });
        let history = recorder.finish();
        assert_eq!(history.operations().len(), 400);
        let times: Vec<u64> = history.events().iter().map(|event| event.time_ns).collect();
        assert_eq!(times, (1..=800).collect::<Vec<u64>>());
    }

    #[test]
    fn operations_end_in_every_way_or_not_at_all() {
        let recorder = Recorder::new();
        let token = recorder.invoke(0, "write", 1).expect("idle");
        assert!(recorder.invoke(0, "read", Value::Nil).is_err(), "busy");
        recorder.fail(token, "refused").expect("room");
        let token = recorder
            .invoke_on(0, "read", "x", Value::Nil)
            .expect("idle");
        recorder.info(token, "timed out").expect("room");
        assert!(recorder.invoke(0, "read", Value::Nil).is_err(), "gone");
        drop(recorder.invoke(1, "read", Value::Nil).expect("idle"));
        assert!(!recorder.history().has_times());
        let history = recorder.finish();
        let operations = history.operations();
        let outcomes: Vec<_> = (0..3).map(|id| operations.outcome(id)).collect();
        assert_eq!(outcomes, [Outcome::Fail, Outcome::Info, Outcome::Info]);
        assert_eq!(operations.get(0).and_then(|it| it.error), Some("refused"));
        let unknown = operations.get(1).and_then(|it| it.error);
        assert_eq!(unknown, Some("timed out"));
        assert_eq!(history.events().len(), 5, "three begun and two ended");
        assert_eq!(
            operations.get(1).and_then(|it| it.key),
            Some(ValueRef::Text("x"))
        );
    }
}
