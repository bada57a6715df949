//! The pool: worker processes that are given jobs.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};

use super::Addresses;
use super::{Job, RunResult};

/// Why workers do not work.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error("a worker process cannot be started: {0}")]
    Start(io::Error),
    #[error("a worker process ended early: {0}")]
    Lost(io::Error),
    #[error("a worker process answered what is no result: {0}")]
    Answer(#[from] serde_json::Error),
}

/// Worker processes.
pub struct Pool {
    workers: Vec<Worker>,
}

struct Worker {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Pool {
    /// Starts workers: this program again, as `squall worker`.
    ///
    /// # Errors
    /// If the operating system gives no process.
    pub fn start(count: usize) -> Result<Self, WorkerError> {
        let workers = (0..count.max(1))
            .map(|_| Worker::start(Addresses::Fixed))
            .collect::<Result<_, _>>()?;
        Ok(Self { workers })
    }

    /// Starts one worker, with its memory at such addresses.
    ///
    /// # Errors
    /// If the operating system gives no process.
    pub fn start_one(addresses: Addresses) -> Result<Self, WorkerError> {
        let workers = vec![Worker::start(addresses)?];
        Ok(Self { workers })
    }

    /// Carries out jobs, numbered from 0 in their order, until there are none or `take` says to
    /// stop. Results come as they are done; those of jobs that have been started come in any case.
    ///
    /// # Errors
    /// If a worker is lost.
    pub fn run(
        &mut self,
        mut jobs: impl Iterator<Item = Job> + Send,
        mut take: impl FnMut(usize, Job, RunResult) -> Flow,
    ) -> Result<(), WorkerError> {
        let queue = Mutex::new((0.., &mut jobs));
        let is_stopped = AtomicBool::new(false);
        let next = || {
            let mut queue = queue
                .lock()
                .ok()
                .filter(|_| !is_stopped.load(Ordering::Relaxed))?;
            let job = queue.1.next()?;
            queue.0.next().map(|number| (number, job))
        };
        std::thread::scope(|scope| {
            let (sender, results) = mpsc::sync_channel(self.workers.len());
            for worker in &mut self.workers {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    while let Some((number, job)) = next() {
                        let result = worker.run(&job);
                        let is_lost = result.is_err();
                        if sender.send((number, job, result)).is_err() || is_lost {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            for (number, job, result) in results {
                if take(number, job, result?) == Flow::Stop {
                    is_stopped.store(true, Ordering::Relaxed);
                }
            }
            Ok(())
        })
    }

    /// Carries out one job.
    ///
    /// # Errors
    /// If the worker is lost.
    pub fn run_one(&mut self, job: &Job) -> Result<RunResult, WorkerError> {
        self.workers[0].run(job)
    }
}

/// Whether a pool should go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    Continue,
    /// Start no more jobs.
    Stop,
}

impl Worker {
    fn start(addresses: Addresses) -> Result<Self, WorkerError> {
        let program = std::env::current_exe().map_err(WorkerError::Start)?;
        let mut command = Command::new(program);
        command
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let started = addresses.start(|| command.spawn());
        let mut child = started.map_err(WorkerError::Start)?;
        let lost = || WorkerError::Start(io::Error::other("it has no pipes"));
        let input = child.stdin.take().ok_or_else(lost)?;
        let output = BufReader::new(child.stdout.take().ok_or_else(lost)?);
        Ok(Self {
            child,
            input: Some(input),
            output,
        })
    }

    fn run(&mut self, job: &Job) -> Result<RunResult, WorkerError> {
        let ended = || WorkerError::Lost(io::ErrorKind::UnexpectedEof.into());
        let mut line = serde_json::to_vec(job)?;
        line.push(b'\n');
        let input = self.input.as_mut().ok_or_else(ended)?;
        input.write_all(&line).map_err(WorkerError::Lost)?;
        let mut answer = String::new();
        match self
            .output
            .read_line(&mut answer)
            .map_err(WorkerError::Lost)?
        {
            0 => Err(ended()),
            _ => Ok(serde_json::from_str(&answer)?),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The end of its input is the end of a worker.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
