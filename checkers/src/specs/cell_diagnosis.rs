//! placeholder
use super::cell::{CellOperation, CellReturn};
use crate::history::Value;
use crate::spec::{Call, Diagnosis, Spec};
pub(super) fn diagnose<S>(
    _calls: &[Call<'_, S>],
    _culprit: usize,
    _initial: &Value,
) -> Option<Diagnosis>
where
    S: Spec<Operation = CellOperation, Return = CellReturn>,
{
    None
}
