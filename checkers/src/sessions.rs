//! Weaker models of single objects: what each process may rely on, whatever the others see.
//!
//! [`guarantees`] are the four session guarantees of registers. [`sequential`] asks of any
//! specification whether one order explains everything that keeps the order of each process, though not
//! real time. For registers with unique writes, sequential and causal consistency are better asked of
//! [`crate::isolation::rw_register`], of which they are a case.

pub mod guarantees;
pub mod sequential;
