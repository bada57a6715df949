//! Spent buffers of segments, to be used again.

/// How many are kept.
const SPARE_BUFFERS_MAX: usize = 256;

#[derive(Default)]
pub(in crate::engine) struct Buffers(Vec<Vec<u8>>);

impl Buffers {
    pub(in crate::engine) fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    pub(in crate::engine) fn keep(&mut self, mut buffer: Vec<u8>) {
        if self.0.len() < SPARE_BUFFERS_MAX {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}
