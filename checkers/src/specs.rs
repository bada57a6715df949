//! The specifications that come with the crate, one a file.

mod append_log;
mod cas_register;
mod cell;
mod cell_decider;
mod cell_diagnosis;
mod counter;
mod decoding;
mod id_allocator;
mod kv_map;
mod lock;
mod multi_register;
pub(crate) mod numbers;
mod priority_queue;
mod queue;
mod register;
mod room;
mod semaphore;
mod set;
mod stack;
mod unique_values;

pub use append_log::{AppendLog, LogState};
pub use cas_register::CasRegister;
pub use cell::{CellOperation, CellReturn, FailedCas};
pub use counter::{Counter, CounterOperation, CounterReturn};
pub use id_allocator::{Generate, IdAllocator, LastId};
pub use kv_map::KvMap;
pub use lock::{Lock, LockOperation, LockReturn, LockState, Mutex, MutexState};
pub use multi_register::{MultiRegister, Registers, Seen, Step, Transaction};
pub use priority_queue::{Priority, PriorityQueue, PriorityQueueState};
pub use queue::{FifoQueue, QueueOperation, QueueReturn, QueueState};
pub use register::Register;
pub use semaphore::{Semaphore, SemaphoreOperation, SemaphoreReturn};
pub use set::{
    ElementOperation, ElementReturn, ElementSet, GrowOnlySet, GrowingOperation, GrowingReturn,
    Membership, SetState,
};
pub use stack::{Stack, StackState};
