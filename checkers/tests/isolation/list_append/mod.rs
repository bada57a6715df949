//! Isolation by list-append against references that try everything.

mod brute_force;
mod differential;
mod known_cases;
mod limits;
mod random;
mod small;
