//! The catalogue of planted bugs: what each copies, and what must find it.
//!
//! A mutant is one line at the place of a published bug, switched on by a plan. How soon campaigns
//! find them all is the measure of how good the tests are (`squall mutants`).

/// A planted bug.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// The id in the code, on the command line and in reports.
    pub id: &'static str,
    /// The published bug that it copies.
    pub reference: &'static str,
    /// What is wrong, in a line.
    pub root_cause: &'static str,
    /// The scenarios in which it must be found.
    pub scenarios: &'static [&'static str],
    /// The checkers that may find it.
    pub checkers: &'static [&'static str],
    /// The kinds of fault without which it cannot be found; any one of them will do. Empty if none
    /// is needed.
    pub faults: &'static [&'static str],
}

/// All planted bugs, in the order of tables.
pub fn all() -> impl Iterator<Item = &'static Mutant> {
    let systems = [
        crate::consensus::mutants::MUTANTS,
        crate::kv::mutants::MUTANTS,
        crate::broker::mutants::MUTANTS,
        crate::proxy::mutants::MUTANTS,
    ];
    systems.into_iter().flatten()
}

/// The mutant of an id.
pub fn find(id: &str) -> Option<&'static Mutant> {
    all().find(|mutant| mutant.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique() {
        let mut ids: Vec<_> = all().map(|mutant| mutant.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all().count());
    }
}
