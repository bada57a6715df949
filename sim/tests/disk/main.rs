//! The disk: what it refuses, what a power loss leaves, and its faults, seen from programs.

mod crash_states;
mod damage;
mod errno;
mod faults;
mod model;
mod outcomes;
mod reference;
