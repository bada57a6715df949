//! The engine, seen from programs, in one test binary: what they see of it and of its faults.

mod clocks;
mod conformance;
mod crash_points;
mod engine;
mod interposition;
mod network;
mod processes;
mod schedules;
mod signals;
mod trace;
