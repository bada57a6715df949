//! A child process for one piece of work.
//!
//! A crash, a hang or a leak of the system under test costs one run, and no static of one run reaches
//! the next (see `docs/decisions`).

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// How a child ended that gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChildError {
    #[error("the operating system gives no child process: {0}")]
    Start(#[from] io::Error),
    #[error("the run took longer than {0:?} of real time and was ended")]
    TimedOut(Duration),
    #[error("the run's process ended by signal {0}")]
    Signal(i32),
    #[error("the run's process ended with code {0} and without an answer")]
    Code(i32),
}

/// Does work in a child process; answers the bytes that it answered.
pub(super) fn in_child(
    work: impl FnOnce() -> Vec<u8>,
    patience: Duration,
) -> Result<Vec<u8>, ChildError> {
    let (read, write) = pipe()?;
    // SAFETY: a worker has one thread, so the child finds no lock that another thread holds.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error().into()),
        0 => {
            drop(read);
            let answer = work();
            let is_written = std::fs::File::from(write).write_all(&answer).is_ok();
            // SAFETY: ends this process at once. Nothing of the parent's (buffers, exit handlers)
            // must be done a second time here.
            unsafe { libc::_exit(if is_written { 0 } else { 1 }) }
        }
        child => {
            drop(write);
            let answer = read_all(read, patience);
            if answer.is_none() {
                // SAFETY: a signal to our own child, which has not been waited for.
                unsafe { libc::kill(child, libc::SIGKILL) };
            }
            let end = wait(child)?;
            match answer {
                None => Err(ChildError::TimedOut(patience)),
                Some(bytes) if !bytes.is_empty() => Ok(bytes),
                Some(_) => Err(end),
            }
        }
    }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: a place for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: fresh descriptors that nobody else owns.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// All bytes until the end; `None` if that does not come in time.
fn read_all(from: OwnedFd, patience: Duration) -> Option<Vec<u8>> {
    let deadline = Instant::now() + patience;
    let mut bytes = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    let mut file = std::fs::File::from(from);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let milliseconds = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
        let mut ready = libc::pollfd {
            fd: file.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one pollfd, which is alive during the call.
        if unsafe { libc::poll(&mut ready, 1, milliseconds) } == 0 {
            return None;
        }
        match file.read(&mut piece) {
            Ok(0) => return Some(bytes),
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Some(Vec::new()),
        }
    }
}

fn wait(child: libc::pid_t) -> io::Result<ChildError> {
    let mut status = 0;
    loop {
        // SAFETY: our own child, and a place for its status.
        if unsafe { libc::waitpid(child, &mut status, 0) } == child {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(match libc::WIFSIGNALED(status) {
        true => ChildError::Signal(libc::WTERMSIG(status)),
        false => ChildError::Code(libc::WEXITSTATUS(status)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // The test process has several threads; these children touch nothing that threads share.

    #[test]
    fn a_child_answers() {
        let answer = in_child(|| vec![7; 200_000], Duration::from_secs(10)).unwrap();
        assert_eq!(answer, vec![7; 200_000]);
    }

    #[test]
    fn a_child_that_crashes_or_hangs_is_told_of() {
        let crashed = in_child(|| std::process::abort(), Duration::from_secs(10));
        assert!(
            matches!(crashed, Err(ChildError::Signal(libc::SIGABRT))),
            "{crashed:?}"
        );
        let hung = in_child(
            // SAFETY: waits for ever.
            || unsafe {
                libc::pause();
                Vec::new()
            },
            Duration::from_millis(50),
        );
        assert!(matches!(hung, Err(ChildError::TimedOut(_))), "{hung:?}");
    }
}
