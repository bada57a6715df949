//! The checkers of objects, against a search through every order and against what each object promises.

mod all_orders;
mod brute_force;
mod objects;
#[path = "../../src/random.rs"]
mod random;
mod unique_values;
