//! Locks, their leases, and the tokens that fence off who lost one.
//!
//! A lock is judged by its effect, not by an order of calls: who was told that it holds the lock holds it
//! from then until it begins to release it, and nobody else does. Tokens (Kleppmann, "How to do
//! distributed locking", 2016; Burrows' sequencers, "The Chubby lock service", OSDI 2006, section 2.4)
//! must rise, or they fence off nobody.
//!
//! - `acquire` (or `lock`) returns nil, or a token: an integer, or a map with one under `token` or
//!   `fence`.
//! - `release` (or `unlock`).
//! - `renew` (or `keepalive`) prolongs a lease.
//! - `write` (or `access`) is what the lock protects: it is invoked with the token of its caller, or with
//!   `[token value]`, or with nil where there are none; `ok` means that the resource took it.
//!
//! The laws:
//! - Two never hold the lock at once (`two-holders`), nor does one get it again that has it
//!   (`acquired-twice`), unless it is [`LockOptions::reentrant`].
//! - Whom the lock was never given since its last release releases nothing (`released-by-non-holder`).
//! - No token is given twice (`duplicate-token`), and none is less than one that was given before it was
//!   asked for (`token-goes-back`).
//! - A resource takes nothing with a token less than that of what it took before (`stale-token-accepted`).
//!
//! With [`LockOptions::lease_ns`] a hold is certain only for that time from the invocation of what
//! acquired or renewed it, as the lease may have begun then; events tell the time, so a history without
//! times is judged as if there were no leases. A process that crashed holds what it held for ever, as
//! nobody released it, unless there are leases or [`LockOptions::crash_releases`]. A release that failed
//! did not happen; any other ends the hold when it begins. O(n log n).

use super::findings::{Findings, Told};
use super::span::{Span, moments};
use super::{Object, misfit, misfit_answer, objects, whose_first_of, whose_of};
use crate::history::{History, ListRef, Operation, Outcome, ValueRef};
use crate::spec::DecodeError;
use crate::verdict::Verdict;
use std::collections::BTreeMap;

/// What a lock promises.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockOptions {
    /// How long a hold lasts that is not renewed.
    pub lease_ns: Option<u64>,
    /// Whether the lock is free once an operation of its holder crashed.
    pub crash_releases: bool,
    /// Whether its holder may acquire it again. It must release it as often.
    pub reentrant: bool,
}

/// Judges holds and tokens. `Vacuous` if the lock was not given twice: nobody could be in the way.
///
/// # Errors
/// If an operation is none of those above.
pub fn check(history: &History, options: &LockOptions) -> Result<Verdict, DecodeError> {
    let lease_ns = options.lease_ns.filter(|_| history.has_times());
    let options = LockOptions {
        lease_ns,
        ..options.clone()
    };
    let mut findings = Findings::new("lock");
    let mut statistics = LockStatistics::default();
    for object in objects(history) {
        let lock = Lock::decode(&object)?;
        lock.count(&mut statistics);
        lock.judge_holds(&options, &mut findings);
        lock.judge_given(&mut findings);
        lock.judge_resource(&mut findings);
    }
    let more = || vec![statistics.sentence()];
    Ok(findings.verdict(more, || match statistics {
        LockStatistics { given, taken, .. } if given < 2 && taken < 2 => {
            Verdict::Vacuous("the lock was not given twice, nor the resource used twice".to_owned())
        }
        _ => Verdict::Valid { witness: None },
    }))
}

#[derive(Default)]
struct LockStatistics {
    attempted: usize,
    given: usize,
    released: usize,
    /// How often the resource was used, and refused to be.
    taken: usize,
    refused: usize,
}

impl LockStatistics {
    fn sentence(&self) -> String {
        let Self {
            attempted,
            given,
            released,
            taken,
            refused,
        } = self;
        format!(
            "The lock was asked for {attempted} times, given {given} times and released {released} times; the resource took {taken} writes and refused {refused}."
        )
    }
}

struct Lock<'h> {
    history: &'h History,
    /// In the order of invocation.
    calls: Vec<Call>,
}

#[derive(Clone, Copy)]
struct Call {
    span: Span,
    process: u64,
    invoked_ns: u64,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Acquire { token: Option<i64> },
    Release,
    Renew,
    Write { token: Option<i64> },
}

impl<'h> Lock<'h> {
    fn decode(object: &Object<'h>) -> Result<Self, DecodeError> {
        let calls = object.iter().map(|operation| {
            Ok(Call {
                span: operation.into(),
                process: operation.process,
                invoked_ns: operation.invoked_ns,
                what: what(operation)?,
            })
        });
        Ok(Self {
            history: object.history,
            calls: calls.collect::<Result<_, _>>()?,
        })
    }

    fn count(&self, statistics: &mut LockStatistics) {
        for call in &self.calls {
            let is_ok = usize::from(call.span.outcome == Outcome::Ok);
            match call.what {
                What::Acquire { .. } => {
                    statistics.attempted += 1;
                    statistics.given += is_ok;
                }
                What::Release => statistics.released += is_ok,
                What::Renew => {}
                What::Write { .. } => {
                    statistics.taken += is_ok;
                    statistics.refused += usize::from(call.span.has_failed());
                }
            }
        }
    }

    /// Walks through the events and keeps who holds the lock for certain.
    fn judge_holds(&self, options: &LockOptions, findings: &mut Findings) {
        let mut holds = Holds {
            lock: self,
            options,
            depths: BTreeMap::new(),
            certain: BTreeMap::new(),
        };
        for moment in moments(self.calls.iter().map(|call| call.span)) {
            let call = &self.calls[moment.place()];
            match (call.what, moment.is_end) {
                (What::Release, false) => holds.begin_release(call),
                (What::Release, true) => holds.end_release(call, findings),
                (What::Acquire { .. }, true) => holds.acquire(call, findings),
                (What::Renew, true) if !call.span.has_failed() => holds.renew(call),
                _ => {}
            }
            match call.span.completed() {
                _ if moment.is_end => {}
                None => holds.crash(call),
                Some(completed) => holds.be_busy(call, completed),
            }
        }
    }

    /// Whether tokens differ and rise.
    fn judge_given(&self, findings: &mut Findings) {
        let tokens = |call: &Call| match call.what {
            What::Acquire { token } => token,
            _ => None,
        };
        let mut by_token: BTreeMap<i64, &Call> = BTreeMap::new();
        self.walk(tokens, |before, call, token| {
            let Some(returned) = call.span.returned() else {
                return;
            };
            let first = *by_token.entry(token).or_insert(call);
            if first.span != call.span {
                findings.note(returned, "duplicate-token", || {
                    self.tell(first, call, &format!("was given token {token}, and so was"))
                });
            }
            if let Some((before, greater)) = before.filter(|&(_, greater)| greater > token) {
                findings.note(returned, "token-goes-back", || {
                    let how =
                        format!("had been given token {greater}, before {token} was given to");
                    self.tell(before, call, &how)
                });
            }
        });
    }

    /// Whether the resource refuses what comes with an old token.
    fn judge_resource(&self, findings: &mut Findings) {
        let tokens = |call: &Call| match call.what {
            What::Write { token } => token,
            _ => None,
        };
        self.walk(tokens, |before, call, token| {
            let Some((before, greater)) = before.filter(|&(_, greater)| greater > token) else {
                return;
            };
            if let Some(returned) = call.span.returned() {
                findings.note(returned, "stale-token-accepted", || {
                    let how = format!(
                        "had been taken with token {greater}, before token {token} was taken of"
                    );
                    self.tell(before, call, &how)
                });
            }
        });
    }

    /// Calls `judge` with every operation that returned and has a token, in the order of return, and with
    /// the greatest that had returned before it began.
    fn walk<'l>(
        &'l self,
        token: impl Fn(&Call) -> Option<i64>,
        mut judge: impl FnMut(Option<(&'l Call, i64)>, &'l Call, i64),
    ) {
        let has_token = |call: &&Call| token(call).is_some() && call.span.returned().is_some();
        let calls: Vec<&Call> = self.calls.iter().filter(has_token).collect();
        let mut greatest: Option<(&Call, i64)> = None;
        let mut floors = vec![None; calls.len()];
        for moment in moments(calls.iter().map(|call| call.span)) {
            let call = calls[moment.place()];
            if !moment.is_end {
                floors[moment.place()] = greatest;
                continue;
            }
            if let Some(token) = token(call) {
                judge(floors[moment.place()], call, token);
                if greatest.is_none_or(|(_, greatest)| greatest < token) {
                    greatest = Some((call, token));
                }
            }
        }
    }

    fn tell(&self, one: &Call, other: &Call, how: &str) -> Told {
        let sentence = format!(
            "{} {how} {}.",
            whose_first_of(self.history, one.span.id()),
            whose_of(self.history, other.span.id())
        );
        Told::minimal(sentence, [one.span.id(), other.span.id()])
    }
}

/// Who holds the lock, as far as that is certain.
struct Holds<'l, 'h> {
    lock: &'l Lock<'h>,
    options: &'l LockOptions,
    /// How often each process may have been given it since it last gave it back for good.
    depths: BTreeMap<u64, usize>,
    /// The processes that certainly hold it, or did until their leases ran out.
    certain: BTreeMap<u64, Hold<'l>>,
}

#[derive(Clone, Copy)]
struct Hold<'l> {
    call: &'l Call,
    depth: usize,
    /// Since when it is certain: a release that was under way may have happened until it failed.
    certain_since: usize,
    ends_ns: u64,
    /// Whether its process crashed.
    is_orphan: bool,
}

impl<'l> Holds<'l, '_> {
    fn acquire(&mut self, call: &'l Call, findings: &mut Findings) {
        let Some(returned) = call.span.returned() else {
            return;
        };
        let events = self.lock.history.events();
        let now_ns = events.get(returned).map_or(0, |event| event.time_ns);
        self.certain
            .retain(|_, hold| !hold.is_orphan || hold.ends_ns > now_ns);
        self.judge_others(call, (returned, now_ns), findings);
        let own = self.certain.get(&call.process).copied();
        let own = own.filter(|own| own.ends_ns > now_ns);
        if let Some(own) = own.filter(|_| !self.options.reentrant) {
            findings.note(returned.max(own.certain_since), "acquired-twice", || {
                let how = "was given the lock and had not released it, when it was given again to";
                self.lock.tell(own.call, call, how)
            });
        }
        *self.depths.entry(call.process).or_default() += 1;
        let depth = own
            .filter(|_| self.options.reentrant)
            .map_or(0, |own| own.depth);
        let hold = Hold {
            call,
            depth: depth + 1,
            certain_since: returned,
            ends_ns: self.ends_ns(call),
            is_orphan: false,
        };
        self.certain.insert(call.process, hold);
    }

    /// Whether another process holds the lock that one was just given.
    fn judge_others(
        &mut self,
        call: &Call,
        (returned, now_ns): (usize, u64),
        findings: &mut Findings,
    ) {
        let others = self
            .certain
            .iter()
            .filter(|&(&process, hold)| process != call.process && hold.ends_ns > now_ns);
        let Some((&process, &other)) = others.min_by_key(|(_, hold)| hold.certain_since) else {
            return;
        };
        findings.note(returned.max(other.certain_since), "two-holders", || {
            let how = "was given the lock and had not released it, when it was given to";
            self.lock.tell(other.call, call, how)
        });
        // Who crashed with the lock is in the way of one, and not of all that come later.
        if other.is_orphan {
            self.certain.remove(&process);
        }
    }

    /// Where a crash releases the lock, nobody knows that the process holds it until what it does
    /// completes.
    fn be_busy(&mut self, call: &Call, completed: usize) {
        let hold = self.certain.get_mut(&call.process);
        if let Some(hold) = hold.filter(|_| self.options.crash_releases) {
            hold.certain_since = hold.certain_since.max(completed);
        }
    }

    /// The process may go on under its number, and may have been given the lock.
    fn crash(&mut self, call: &Call) {
        if matches!(call.what, What::Acquire { .. }) {
            *self.depths.entry(call.process).or_default() += 1;
        }
        if self.options.crash_releases {
            self.certain.remove(&call.process);
        } else if let Some(hold) = self.certain.get_mut(&call.process) {
            hold.is_orphan = true;
        }
    }

    fn renew(&mut self, call: &'l Call) {
        let ends_ns = self.ends_ns(call);
        if let Some(hold) = self.certain.get_mut(&call.process) {
            hold.ends_ns = hold.ends_ns.max(ends_ns);
        }
    }

    fn ends_ns(&self, call: &Call) -> u64 {
        let lease_ns = self.options.lease_ns.unwrap_or(u64::MAX);
        call.invoked_ns.saturating_add(lease_ns)
    }

    /// The hold may end now, unless the release fails in the end.
    fn begin_release(&mut self, call: &Call) {
        if let Some(failed) = call.span.failed() {
            if let Some(hold) = self.certain.get_mut(&call.process) {
                hold.certain_since = hold.certain_since.max(failed);
            }
        } else if let Some(hold) = self.certain.get_mut(&call.process) {
            hold.depth -= 1;
            if hold.depth == 0 {
                self.certain.remove(&call.process);
            }
        }
    }

    fn end_release(&mut self, call: &Call, findings: &mut Findings) {
        let Some(returned) = call.span.returned() else {
            return;
        };
        match self.depths.get_mut(&call.process).filter(|depth| **depth > 0) {
            Some(depth) if self.options.reentrant => *depth -= 1,
            Some(depth) => *depth = 0,
            None => findings.note(returned, "released-by-non-holder", || {
                let sentence = format!(
                    "{} succeeded, although that process had not been given the lock since it last released it.",
                    whose_first_of(self.lock.history, call.span.id())
                );
                Told::minimal(sentence, [call.span.id()])
            }),
        }
    }
}

fn what(operation: Operation<'_>) -> Result<What, DecodeError> {
    let is_ok = operation.outcome == Outcome::Ok;
    match operation.f {
        "acquire" | "lock" if is_ok => Ok(What::Acquire {
            token: given_token(operation)?,
        }),
        "acquire" | "lock" => Ok(What::Acquire { token: None }),
        "release" | "unlock" => Ok(What::Release),
        "renew" | "keepalive" => Ok(What::Renew),
        "write" | "access" => Ok(What::Write {
            token: used_token(operation)?,
        }),
        f => {
            let expected = "`acquire`, `release`, `renew` or `write` of a lock";
            Err(misfit(operation, expected, format!("`{f}`")))
        }
    }
}

fn given_token(operation: Operation<'_>) -> Result<Option<i64>, DecodeError> {
    // What a client sends when it asks for the lock comes back as the answer where there is no token.
    if operation.output == operation.input {
        return Ok(None);
    }
    match operation.output {
        ValueRef::Nil | ValueRef::Bool(true) => Ok(None),
        ValueRef::Int(token) => Ok(Some(token)),
        ValueRef::Map(map) => {
            let token = map
                .get(ValueRef::Text("token"))
                .or_else(|| map.get(ValueRef::Text("fence")));
            Ok(token.and_then(ValueRef::as_int))
        }
        other => {
            let expected = "`acquire` to return nil, a token or a map with one";
            Err(misfit_answer(operation, expected, other))
        }
    }
}

fn used_token(operation: Operation<'_>) -> Result<Option<i64>, DecodeError> {
    let first = |list: ListRef<'_>| list.first()?.as_int();
    let token = match operation.input {
        ValueRef::Nil => return Ok(None),
        ValueRef::Int(token) => Some(token),
        ValueRef::List(list) => first(list),
        _ => None,
    };
    let expected = "`write` to be invoked with a token, [token value] or nil";
    let token = token.ok_or_else(|| misfit(operation, expected, operation.input))?;
    Ok(Some(token))
}
