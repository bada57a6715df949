//! What a broker says that it does, as it does it: the ground truth that it is judged by.
//!
//! Each event is emitted when it is true for good: after the fsync that makes it so, if it needs one.
//! The laws:
//!
//! - An acknowledged sequence number is persisted, and what is restored reaches as far as what was acknowledged.
//! - **Never two holders**: between `Delivered` and `expires_ns` there is no other `Delivered` of the same
//!   message to the same consumer, unless it was `Returned`. After `Settled` there is none at all.
//! - `Settled` has the count of the latest `Delivered`: a holder that has been superseded settles nothing.
//! - Counts of one message grow by one, across restarts too.

/// Which message, for which consumer of which stream, and the how-manieth delivery of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct DeliveryId {
    pub stream: String,
    pub consumer: String,
    pub sequence: u64,
    /// The fencing token: 1 for the first delivery.
    pub count: u64,
}

/// An event in a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    /// The broker has started from what its disk remembered of a stream.
    Restored { stream: String, last: u64 },
    /// The messages of a stream up to here are durable.
    Persisted { stream: String, last: u64 },
    /// A publisher was told that its message is stored.
    Acknowledged {
        stream: String,
        sequence: u64,
        /// That of the publisher, for de-duplication.
        id: Option<String>,
    },
    /// A publisher was told that its message had been stored before.
    Duplicate {
        stream: String,
        sequence: u64,
        id: String,
    },
    /// A publisher was told that its message is not stored, and why.
    Refused { stream: String, why: &'static str },
    /// Messages up to here, all settled by every consumer, have made room for newer ones.
    Discarded { stream: String, through: u64 },
    /// A consumer's message has gone to a holder, for whom it is reserved until `expires_ns` on the
    /// monotonic clock.
    Delivered {
        delivery: DeliveryId,
        /// The connection that asked for it; numbers begin anew with each start of the broker.
        holder: u64,
        expires_ns: u64,
    },
    /// The holder has asked for more time.
    Extended {
        delivery: DeliveryId,
        expires_ns: u64,
    },
    /// The holder has given the message back.
    Returned { delivery: DeliveryId },
    /// The message is done with, for this consumer and for good.
    Settled { delivery: DeliveryId },
    /// A holder has settled, extended or returned what is not its own any more: nothing was done.
    Fenced { delivery: DeliveryId },
    /// A connection did not keep up, and was told so and cut off.
    SlowConsumer { connection: u64 },
}
