//! Isolation by list-append against references that try everything.

mod brute_force;
mod differential;
mod known_cases;
mod random;
mod small;
