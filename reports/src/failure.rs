//! The page of a failure: what is impossible, how to see it again, and what happened around it.

use squall_checkers::verdict::Verdict;
use squall_workloads::record::{Capsule, Record};

/// What the page of a failure is made of.
#[derive(Clone, Debug)]
pub struct FailurePage<'a> {
    pub capsule: &'a Capsule,
    /// The record of the capsule's plan, with everything on.
    pub record: &'a Record,
    /// The verdict on that record; its sentence is the headline.
    pub verdict: &'a Verdict,
    /// Exact command lines, the most useful first.
    pub reproduce: Vec<String>,
}

/// The page of a failure, as one HTML document.
pub fn failure_page(page: &FailurePage<'_>) -> String {
    page.capsule.signature.clone()
}
