//! Whether later writes are seen without earlier ones.
//!
//! Jepsen's `causal-reverse`, and CockroachDB's `comments`. Writes that follow each other in time are
//! under different keys or nodes; a read of all of them that shows one must show every one that was
//! acknowledged before that one began. Strict serializability promises it; serializability alone, with
//! clocks that disagree, does not.
//!
//! - `write` (or `insert`, `add`) is invoked with a value; the same one may be written again.
//! - `read` returns the list of all values.
//!
//! A read may be as old as it likes, as long as it is old throughout: [`super::set`] judges that too.
//! Nothing that failed or that nobody began may be seen, nor anything twice. Linear in the size of all
//! reads, but for sorting as many as there are operations.

use super::findings::Findings;
use super::objects;
use super::set::{Freshness, Set};
use crate::history::History;
use crate::spec::DecodeError;
use crate::verdict::Verdict;

/// Judges the reads. `Vacuous` if none returned.
///
/// # Errors
/// If an operation is none of those above.
pub fn check(history: &History) -> Result<Verdict, DecodeError> {
    let mut findings = Findings::new("causal-reverse");
    let mut reads = 0;
    for object in objects(history) {
        let set = Set::decode(&object)?;
        reads += set.read_count();
        set.judge_origins(&mut findings);
        set.judge_order(Freshness::Order, &mut findings);
    }
    let more = || vec![format!("{reads} reads returned.")];
    Ok(findings.verdict(more, || match reads {
        0 => Verdict::Vacuous("no read returned".to_owned()),
        _ => Verdict::Valid { witness: None },
    }))
}
