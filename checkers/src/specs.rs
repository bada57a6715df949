//! The specifications that come with the crate, one a file.

mod cas_register;
mod cell;
mod cell_diagnosis;
mod kv_map;
mod register;

pub use cas_register::CasRegister;
pub use cell::{CellOperation, CellReturn, FailedCas};
pub use kv_map::KvMap;
pub use register::Register;
