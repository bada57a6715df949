//! Spent buffers of segments, to be used again: by the run, and by the runs after it in this process.
//!
//! A run that streams much would else ask the kernel for the same memory again and again: a third of
//! its time went into page faults.

use std::sync::{Mutex, PoisonError};

/// How many bytes are kept at the most.
const KEPT_BYTES_MAX: usize = 32 << 20;

/// What earlier runs have left. A run cannot tell: all of it is empty.
static LEFT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

pub(in crate::engine) struct Buffers {
    spare: Vec<Vec<u8>>,
    spare_bytes: usize,
}

impl Default for Buffers {
    fn default() -> Self {
        let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
        let spare = std::mem::take(&mut *left);
        let spare_bytes = spare.iter().map(bytes_of).sum();
        Self { spare, spare_bytes }
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
        // Of runs that end at once on several threads, the last one leaves something.
        *left = std::mem::take(&mut self.spare);
    }
}

impl Buffers {
    pub(in crate::engine) fn take(&mut self) -> Vec<u8> {
        let Some(buffer) = self.spare.pop() else {
            return Vec::new();
        };
        self.spare_bytes -= bytes_of(&buffer);
        buffer
    }

    pub(in crate::engine) fn keep(&mut self, mut buffer: Vec<u8>) {
        let bytes = bytes_of(&buffer);
        if self.spare_bytes + bytes <= KEPT_BYTES_MAX {
            buffer.clear();
            self.spare.push(buffer);
            self.spare_bytes += bytes;
        }
    }
}

/// What an empty buffer holds.
fn bytes_of(buffer: &Vec<u8>) -> usize {
    size_of::<Vec<u8>>() + buffer.capacity()
}
