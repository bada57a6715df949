//! What a client may ask for at most: no request makes the server hold more than this.

/// Bounds on requests, values and transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A request, with all of its arguments.
    pub request_bytes_max: usize,
    /// The arguments of a request, its name included.
    pub arguments_max: usize,
    pub key_bytes_max: usize,
    /// A value; of a set, all members together.
    pub value_bytes_max: usize,
    /// What a transaction writes, or what waits between `MULTI` and `EXEC`.
    pub transaction_bytes_max: usize,
    /// The commands that wait between `MULTI` and `EXEC`.
    pub queued_max: usize,
    /// The keys that one connection watches.
    pub watched_max: usize,
    /// The bytes that one answer may hold.
    pub answer_bytes_max: usize,
    /// How many commits a snapshot may lie behind before it is too old to be used: it makes the
    /// store keep what has been replaced since.
    pub snapshot_lag_max: u64,
    /// The connections that are served at once; what comes beyond is closed.
    pub connections_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes_max: 1 << 20,
            arguments_max: 4096,
            key_bytes_max: 4096,
            value_bytes_max: 512 << 10,
            transaction_bytes_max: 2 << 20,
            queued_max: 1024,
            watched_max: 1024,
            answer_bytes_max: 8 << 20,
            snapshot_lag_max: 100_000,
            connections_max: 1024,
        }
    }
}
