//! The checkers of objects, against a search through every order and against what each object promises.

mod all_orders;
mod brute_force;
mod limits;
mod objects;
mod online;
#[path = "../../src/random.rs"]
mod random;
mod specifications;
mod unique_values;
