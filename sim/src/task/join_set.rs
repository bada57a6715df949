//! Many tasks, waited for in the order in which they end.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::{AbortHandle, JoinError, JoinHandle, spawn, spawn_blocking, spawn_local};

/// Tasks that belong together, as tokio's. Those that have not ended are aborted when the set is
/// dropped.
pub struct JoinSet<T> {
    /// By the number of a task in this set.
    tasks: BTreeMap<u64, JoinHandle<T>>,
    next_number: u64,
    ended: Arc<Mutex<Ended>>,
}

/// What tasks tell their set as they end.
#[derive(Default)]
struct Ended {
    /// In the order in which they ended.
    numbers: VecDeque<u64>,
    waker: Option<Waker>,
}

/// Held by a task as long as it has not ended, however it does.
struct Farewell {
    number: u64,
    ended: Arc<Mutex<Ended>>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        let waker = {
            let mut ended = lock(&self.ended);
            ended.numbers.push_back(self.number);
            ended.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

fn lock(ended: &Mutex<Ended>) -> MutexGuard<'_, Ended> {
    ended.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: 'static> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: 'static> JoinSet<T> {
    /// A set of no tasks.
    pub fn new() -> Self {
        Self {
            tasks: BTreeMap::new(),
            next_number: 0,
            ended: Arc::default(),
        }
    }

    /// As [`task::spawn`](super::spawn), into this set.
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        let farewell = self.farewell();
        self.add(spawn(async move {
            let _farewell = farewell;
            future.await
        }))
    }

    /// As [`task::spawn_local`](super::spawn_local), into this set.
    ///
    /// # Panics
    /// In the tokio world, outside of a `LocalSet`.
    pub fn spawn_local<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        let farewell = self.farewell();
        self.add(spawn_local(async move {
            let _farewell = farewell;
            future.await
        }))
    }

    /// As [`task::spawn_blocking`](super::spawn_blocking), into this set.
    pub fn spawn_blocking<F>(&mut self, work: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        let farewell = self.farewell();
        self.add(spawn_blocking(move || {
            let _farewell = farewell;
            work()
        }))
    }

    /// How many tasks have not been joined.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether all tasks have been joined.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Waits for the next task that ends; `None` if there is none. Nothing is lost if this is dropped.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|context| self.poll_join_next(context)).await
    }

    /// The next task that has ended, if one has.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        match self.poll_join_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(joined) => joined,
            Poll::Pending => None,
        }
    }

    /// As [`Self::join_next`].
    pub fn poll_join_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<T, JoinError>>> {
        if self.tasks.is_empty() {
            return Poll::Ready(None);
        }
        let number = {
            let mut ended = lock(&self.ended);
            ended.waker = Some(context.waker().clone());
            match ended.numbers.front() {
                Some(number) => *number,
                None => return Poll::Pending,
            }
        };
        let handle = self.tasks.get_mut(&number);
        let handle = handle.expect("a task says farewell once");
        // It is about to end, where tasks have threads of their own.
        let joined = std::task::ready!(Pin::new(handle).poll(context));
        self.tasks.remove(&number);
        lock(&self.ended).numbers.pop_front();
        Poll::Ready(Some(joined))
    }

    /// Waits for all tasks, and answers their outputs in the order in which they ended.
    ///
    /// # Panics
    /// If a task has no output.
    pub async fn join_all(mut self) -> Vec<T> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(joined) = self.join_next().await {
            outputs.push(joined.unwrap_or_else(|error| panic!("{error}")));
        }
        outputs
    }

    /// Aborts all tasks; they are still to be joined.
    pub fn abort_all(&mut self) {
        self.tasks.values().for_each(JoinHandle::abort);
    }

    /// Aborts all tasks, and waits until they have ended.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Lets all tasks go on by themselves.
    pub fn detach_all(&mut self) {
        self.tasks.clear();
        // Their farewells reach nobody.
        self.ended = Arc::default();
    }

    fn farewell(&mut self) -> Farewell {
        self.next_number += 1;
        Farewell {
            number: self.next_number,
            ended: Arc::clone(&self.ended),
        }
    }

    fn add(&mut self, handle: JoinHandle<T>) -> AbortHandle {
        let abort = handle.abort_handle();
        self.tasks.insert(self.next_number, handle);
        abort
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.tasks.values().for_each(JoinHandle::abort);
    }
}
