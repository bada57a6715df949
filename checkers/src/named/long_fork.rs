//! Long forks: reads of several keys that saw writes happen in different orders.
//!
//! Jepsen's `long-fork`, without its gaps. Every key is written once, by a transaction of its own, so a
//! read sees each key before or after its write. If reads are of snapshots of one order, a write that a
//! read saw comes before it, and a read that did not see a write comes before that. There is an order
//! exactly if those relations have no circle. Two reads and two writes in a circle are the long fork of
//! parallel snapshot isolation (Sovran et al., "Transactional storage for geo-replicated systems", SOSP
//! 2011, section 3.2); Jepsen compares two reads at a time and sees only these. Longer circles are as
//! impossible under snapshot isolation: no two of their anti-dependencies are adjacent (Fekete et al.,
//! "Making snapshot isolation serializable", TODS 2005).
//!
//! - `write` (or `txn`) of one `["w" key value]`, in a list or not: at most one attempt for each key, and
//!   not nil.
//! - `read` (or `txn`) of `[["r" key nil] …]` returns those with the values that it saw, nil for none.
//!   Which keys are read together does not matter.
//!
//! A key of the history is a world of its own. What time says is not judged. O(size of all reads), and
//! as often again as a binary search takes where there is a circle.

use super::findings::{Findings, Told};
use super::numbering::Numbering;
use super::span::Span;
use super::{Object, misfit, misfit_answer, objects, whose_first_of, whose_of};
use crate::history::{History, Operation, ValueRef};
use crate::sorting::sort_by_number;
use crate::spec::DecodeError;
use crate::verdict::{Dependency, DependencyKind, Verdict};
use std::collections::VecDeque;

/// Judges the reads. `Vacuous` if none returned that saw one key written and another not: others cannot
/// disagree.
///
/// # Errors
/// If an operation is none of those above, or a key is written twice.
pub fn check(history: &History) -> Result<Verdict, DecodeError> {
    let mut findings = Findings::new("long-fork");
    let mut statistics = LongForkStatistics::default();
    for object in objects(history) {
        let forks = Forks::decode(&object)?;
        forks.count(&mut statistics);
        forks.judge_origins(&mut findings);
        forks.judge_circle(&mut findings);
    }
    let more = || vec![statistics.sentence()];
    Ok(findings.verdict(more, || match statistics.between {
        0 => Verdict::Vacuous(
            "no read saw one key written and another not, so none could disagree".to_owned(),
        ),
        _ => Verdict::Valid { witness: None },
    }))
}

#[derive(Default)]
struct LongForkStatistics {
    reads: usize,
    /// Reads that saw one key written and another not.
    between: usize,
}

impl LongForkStatistics {
    fn sentence(&self) -> String {
        let Self { reads, between } = self;
        format!("{reads} reads returned, of which {between} saw one key written and another not.")
    }
}

struct Forks<'h> {
    history: &'h History,
    keys: Numbering<'h>,
    /// The write of each key.
    writes: Vec<Option<Write<'h>>>,
    /// In the order of return.
    reads: Vec<Read<'h>>,
}

#[derive(Clone, Copy)]
struct Write<'h> {
    span: Span,
    value: ValueRef<'h>,
}

struct Read<'h> {
    span: Span,
    returned: usize,
    /// The keys that it saw written, and what it saw; those that it did not.
    seen: Vec<(u32, ValueRef<'h>)>,
    unseen: Vec<u32>,
}

/// One part of a transaction.
enum Part<'h> {
    Write(ValueRef<'h>, ValueRef<'h>),
    Read(ValueRef<'h>, ValueRef<'h>),
}

const EXPECTED: &str =
    "a `write` of one [\"w\" key value], or a `read` of [\"r\" key nil] of several";

impl<'h> Forks<'h> {
    fn decode(object: &Object<'h>) -> Result<Self, DecodeError> {
        let mut forks = Self {
            history: object.history,
            keys: Numbering::default(),
            writes: Vec::new(),
            reads: Vec::new(),
        };
        for operation in object.iter() {
            let asked = parts(operation.input);
            let asked = asked.ok_or_else(|| misfit(operation, EXPECTED, operation.input))?;
            match asked.as_slice() {
                [Part::Write(key, value)] => forks.add_write(operation, *key, *value)?,
                reads if reads.iter().all(|part| matches!(part, Part::Read(..))) => {
                    forks.add_read(operation)?;
                }
                _ => return Err(misfit(operation, EXPECTED, operation.input)),
            }
        }
        forks.writes.resize(forks.keys.len(), None);
        sort_by_number(&mut forks.reads, |read| read.returned);
        Ok(forks)
    }

    fn add_write(
        &mut self,
        operation: Operation<'h>,
        key: ValueRef<'h>,
        value: ValueRef<'h>,
    ) -> Result<(), DecodeError> {
        let number = self.keys.number(key);
        self.writes.resize(self.keys.len(), None);
        if self.writes[number].is_some() || value.is_nil() {
            let expected = "one `write` of each key at most, and not of nil";
            return Err(misfit(operation, expected, operation.input));
        }
        let span = operation.into();
        self.writes[number] = Some(Write { span, value });
        Ok(())
    }

    fn add_read(&mut self, operation: Operation<'h>) -> Result<(), DecodeError> {
        let span = Span::from(operation);
        let Some(returned) = span.returned() else {
            return Ok(());
        };
        let (mut seen, mut unseen) = (Vec::new(), Vec::new());
        let shown = parts(operation.output);
        for part in shown.ok_or_else(|| misfit_answer(operation, EXPECTED, operation.output))? {
            match part {
                Part::Write(..) => {
                    return Err(misfit_answer(operation, EXPECTED, operation.output));
                }
                Part::Read(key, ValueRef::Nil) => unseen.push(self.keys.number(key) as u32),
                Part::Read(key, value) => seen.push((self.keys.number(key) as u32, value)),
            }
        }
        self.reads.push(Read {
            span,
            returned,
            seen,
            unseen,
        });
        Ok(())
    }

    fn count(&self, statistics: &mut LongForkStatistics) {
        let between = |read: &&Read<'_>| !read.seen.is_empty() && !read.unseen.is_empty();
        statistics.reads += self.reads.len();
        statistics.between += self.reads.iter().filter(between).count();
    }

    /// Whether each value that was seen had been written to that key.
    fn judge_origins(&self, findings: &mut Findings) {
        for read in &self.reads {
            for &(key, value) in &read.seen {
                self.judge_origin(read, key as usize, value, findings);
            }
        }
    }

    fn judge_origin(
        &self,
        read: &Read<'h>,
        key: usize,
        value: ValueRef<'h>,
        findings: &mut Findings,
    ) {
        let write = self.writes[key].filter(|write| write.span.invoked() < read.returned);
        let saw = || {
            let key = self.keys.value(key);
            format!(
                "{} saw {value} under key {key}",
                self.whose_first(read.span)
            )
        };
        match write {
            Some(write) if write.value == value => {
                if let Some(failed) = write.span.failed() {
                    findings.note(read.returned.max(failed), "G1a", || {
                        let sentence =
                            format!("{}, although {} failed.", saw(), self.whose(write.span));
                        Told::minimal(sentence, [write.span.id(), read.span.id()])
                    });
                }
            }
            _ => findings.note(read.returned, "unexpected-value", || {
                let sentence = format!("{}, which nobody had begun to write.", saw());
                Told::minimal(sentence, [read.span.id()])
            }),
        }
    }

    fn judge_circle(&self, findings: &mut Findings) {
        if !self.has_circle(self.reads.len()) {
            return;
        }
        // So many reads from the first on have none.
        let (mut fewer, mut enough) = (0, self.reads.len());
        while enough - fewer > 1 {
            let middle = fewer.midpoint(enough);
            if self.has_circle(middle) {
                enough = middle;
            } else {
                fewer = middle;
            }
        }
        let circle = self.shortest_circle(enough - 1);
        let class = match circle.len() {
            2 => "long-fork",
            _ => "closed-loop",
        };
        let last = &self.reads[enough - 1];
        findings.note(last.returned, class, || self.tell(&circle));
    }

    /// Whether the first reads, so many of them, and the writes form a circle: whether some are left if
    /// whatever has nothing before it is taken away again and again.
    fn has_circle(&self, read_count: usize) -> bool {
        let reads = &self.reads[..read_count];
        let seers = self.seers(read_count);
        let mut before_reads: Vec<usize> = reads.iter().map(|read| read.seen.len()).collect();
        let mut before_writes = vec![0; self.keys.len()];
        for &key in reads.iter().flat_map(|read| &read.unseen) {
            before_writes[key as usize] += 1;
        }
        let free = |before: &[usize]| -> Vec<usize> {
            let free = before.iter().enumerate().filter(|&(_, &count)| count == 0);
            free.map(|(place, _)| place).collect()
        };
        let (mut free_reads, mut free_writes) = (free(&before_reads), free(&before_writes));
        let mut taken = 0;
        loop {
            if let Some(read) = free_reads.pop() {
                taken += 1;
                for &key in &reads[read].unseen {
                    release(&mut before_writes, key as usize, &mut free_writes);
                }
            } else if let Some(write) = free_writes.pop() {
                for &read in seers.of(write) {
                    release(&mut before_reads, read as usize, &mut free_reads);
                }
            } else {
                return taken < read_count;
            }
        }
    }

    /// Which of the first reads saw each key.
    fn seers(&self, read_count: usize) -> Seers {
        let mut seers = Seers {
            starts: vec![0; self.keys.len() + 1],
            reads: Vec::new(),
        };
        let reads = &self.reads[..read_count];
        for &(key, _) in reads.iter().flat_map(|read| &read.seen) {
            seers.starts[key as usize + 1] += 1;
        }
        for key in 0..self.keys.len() {
            seers.starts[key + 1] += seers.starts[key];
        }
        let mut next = seers.starts.clone();
        seers.reads.resize(seers.starts[self.keys.len()], 0);
        for (place, read) in (0..).zip(reads) {
            for &(key, _) in &read.seen {
                seers.reads[next[key as usize]] = place;
                next[key as usize] += 1;
            }
        }
        seers
    }

    /// The shortest circle through a read with those before it: reads, and for each the key that it did
    /// not see and the next one saw.
    fn shortest_circle(&self, last: usize) -> Vec<(usize, usize)> {
        let seers = self.seers(last + 1);
        // By which read and key each was reached first.
        let mut reached: Vec<Option<(usize, usize)>> = vec![None; last + 1];
        let mut is_crossed = vec![false; self.keys.len()];
        let mut queue = VecDeque::from([last]);
        while let Some(read) = queue.pop_front() {
            for &key in &self.reads[read].unseen {
                let key = key as usize;
                if std::mem::replace(&mut is_crossed[key], true) {
                    continue;
                }
                for &seer in seers.of(key) {
                    let seer = seer as usize;
                    if reached[seer].is_none() {
                        reached[seer] = Some((read, key));
                        queue.push_back(seer);
                    }
                }
            }
            if reached[last].is_some() {
                break;
            }
        }
        let mut circle = Vec::new();
        let mut place = last;
        while let Some((read, key)) = reached[place] {
            circle.push((read, key));
            place = read;
            if place == last {
                break;
            }
        }
        circle.reverse();
        circle
    }

    fn tell(&self, circle: &[(usize, usize)]) -> Told {
        let steps = circle.iter().enumerate().map(|(place, &(read, key))| {
            let next = circle[(place + 1) % circle.len()].0;
            (&self.reads[read], key, &self.reads[next])
        });
        let mut clauses = Vec::new();
        let mut witness = Vec::new();
        let mut cycle = Vec::new();
        for (read, key, next) in steps {
            let name = self.keys.value(key);
            let (one, other) = (self.whose(read.span), self.whose(next.span));
            clauses.push(format!(
                "{one} came before the write of key {name}, and {other} after"
            ));
            witness.push(read.span.id());
            let Some(write) = self.writes[key] else {
                continue;
            };
            let (write, who) = (write.span.id(), self.whose(write.span));
            witness.push(write);
            cycle.push(Dependency {
                from: read.span.id(),
                to: write,
                kind: DependencyKind::ReadWrite,
                sentence: format!("{one} did not see key {name}, which {who} wrote"),
            });
            cycle.push(Dependency {
                from: write,
                to: next.span.id(),
                kind: DependencyKind::WriteRead,
                sentence: format!("{other} saw key {name}, which {who} wrote"),
            });
        }
        let sentence = format!("By what they saw, {}: a circle.", clauses.join("; "));
        Told {
            rules_out: vec!["snapshot-isolation".to_owned()],
            cycle,
            ..Told::minimal(sentence, witness)
        }
    }

    fn whose(&self, span: Span) -> String {
        whose_of(self.history, span.id())
    }

    fn whose_first(&self, span: Span) -> String {
        whose_first_of(self.history, span.id())
    }
}

/// The reads that saw each key, one key after another.
struct Seers {
    starts: Vec<usize>,
    reads: Vec<u32>,
}

impl Seers {
    fn of(&self, key: usize) -> &[u32] {
        &self.reads[self.starts[key]..self.starts[key + 1]]
    }
}

/// One thing fewer is before it.
fn release(before: &mut [usize], place: usize, free: &mut Vec<usize>) {
    before[place] -= 1;
    if before[place] == 0 {
        free.push(place);
    }
}

/// The parts of a transaction; a single one may stand without a list around it.
fn parts(value: ValueRef<'_>) -> Option<Vec<Part<'_>>> {
    let list = value.as_list()?;
    match part(value) {
        Some(single) => Some(vec![single]),
        None => list.iter().map(part).collect(),
    }
}

fn part(value: ValueRef<'_>) -> Option<Part<'_>> {
    let list = value.as_list().filter(|list| list.len() == 3)?;
    let (key, value) = (list.get(1)?, list.get(2)?);
    match list.first()?.as_text()? {
        "w" | "write" => Some(Part::Write(key, value)),
        "r" | "read" => Some(Part::Read(key, value)),
        _ => None,
    }
}
